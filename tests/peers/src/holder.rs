//! Client certificates as administrators make them: with `openssl`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::run::{run, tail};

/// Somebody who holds a certificate with its key, each in a file of its own.
pub struct Holder(Pair);

/// An authority that signs certificates of clients.
pub struct Authority(Pair);

struct Pair {
    folder: TempDir,
}

impl Holder {
    /// Creates a holder with a self-signed certificate for a user principal name.
    ///
    /// # Panics
    ///
    /// When `openssl` is not installed or refuses.
    #[must_use]
    pub fn self_signed(principal: &str) -> Self {
        Self(Pair::new(&holder_arguments(principal)))
    }

    /// The file with the certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.0.certificate()
    }

    /// The file with the key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.key()
    }

    /// Writes the key, encrypted with a password, to a file.
    ///
    /// # Panics
    ///
    /// When `openssl` refuses.
    pub fn encrypt_key(&self, password: &str, file: &Path) {
        let mut command = openssl("pkcs8");
        command.args(["-topk8", "-v2", "aes256", "-passout", "stdin"]);
        command.arg("-in").arg(self.key()).arg("-out").arg(file);
        let encrypted = run(&mut command, password.as_bytes(), LIMIT);
        assert_eq!(encrypted.code, 0, "openssl refuses: {}", tail(&encrypted.stderr));
    }

    /// The thumbprint by which a mapping names a self-signed certificate.
    ///
    /// # Panics
    ///
    /// When `openssl` refuses.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.0.thumbprint()
    }

    /// Puts certificate and key together where programs look for them by thumbprint, and makes the folder.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    pub fn put_into(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        let parts = [self.certificate(), self.key()];
        let text = parts.map(|part| fs::read_to_string(part).expect("openssl wrote it")).concat();
        let path = folder.join(format!("{}.pem", self.thumbprint()));
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// As [`Holder::self_signed`].
    #[must_use]
    pub fn new() -> Self {
        let subject = ["-subj", "/CN=Clients"].map(str::to_owned);
        Self(Pair::new(&subject))
    }

    /// Somebody with a certificate from it, with a user principal name.
    ///
    /// # Panics
    ///
    /// As [`Holder::self_signed`].
    #[must_use]
    pub fn holder(&self, principal: &str) -> Holder {
        let mut arguments = holder_arguments(principal);
        for (option, file) in [("-CA", self.0.certificate()), ("-CAkey", self.0.key())] {
            arguments.extend([option.to_owned(), file.display().to_string()]);
        }
        arguments.extend(["-addext", "basicConstraints=CA:FALSE"].map(str::to_owned));
        Holder(Pair::new(&arguments))
    }

    /// The file with its certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.0.certificate()
    }

    /// The thumbprint by which mappings name it.
    ///
    /// # Panics
    ///
    /// When `openssl` refuses.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.0.thumbprint()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Pair {
    fn new(arguments: &[String]) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let pair = Self { folder };
        let mut command = openssl("req");
        command.args(["-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2"]);
        command.arg("-out").arg(pair.certificate()).arg("-keyout").arg(pair.key());
        let made = run(command.args(arguments), b"", LIMIT);
        assert_eq!(made.code, 0, "openssl refuses: {}", tail(&made.stderr));
        pair
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn thumbprint(&self) -> String {
        thumbprint(&self.certificate())
    }
}

/// The SHA-1 thumbprint of the first certificate in a file.
pub(crate) fn thumbprint(certificate: &Path) -> String {
    let mut command = openssl("x509");
    command.args(["-noout", "-fingerprint", "-sha1", "-in"]).arg(certificate);
    let shown = run(&mut command, b"", LIMIT);
    let (text, _, code) = shown.text();
    assert_eq!(code, 0, "openssl refuses: {}", tail(&shown.stderr));
    let digits = text.trim().rsplit('=').next().expect("a fingerprint");
    digits.replace(':', "")
}

/// The subject and the purposes, as the documentation of most clients has them.
fn holder_arguments(principal: &str) -> Vec<String> {
    let name = format!("/CN={}", principal.split('@').next().unwrap_or(principal));
    let alternative = format!("subjectAltName=otherName:1.3.6.1.4.1.311.20.2.3;UTF8:{principal}");
    ["-subj", &name, "-addext", "extendedKeyUsage=clientAuth", "-addext", &alternative]
        .map(str::to_owned)
        .to_vec()
}

fn openssl(operation: &str) -> Command {
    let mut command = Command::new("openssl");
    command.arg(operation).env_remove("OPENSSL_CONF");
    command
}

/// Keys of RSA may take a while on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);
