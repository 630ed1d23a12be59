//! Apache before the service or a subscriber: it asks for Basic, Digest, Kerberos or a certificate, and hands on what it
//! lets through.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::installed::installed;
use crate::run::{Collected, run, tail};
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// A running Apache with a port for HTTP and one for HTTPS; dropping it ends exactly the process it started.
pub struct Apache {
    child: Child,
    folder: TempDir,
    http: u16,
    https: u16,
}

/// Authentication scheme that Apache requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// RFC 7617.
    Basic,
    /// RFC 7616, whose nonces are good for as many seconds.
    Digest(u32),
    /// RFC 4559 with Kerberos only, by mod_auth_gssapi with the keys of a keytab.
    Kerberos(PathBuf),
    /// A certificate of the authorities in a PEM file, over HTTPS only.
    Certificate(PathBuf),
}

/// Server behind Apache.
struct Target {
    path: &'static str,
    url: String,
    /// Directives for the requests to it.
    directives: String,
}

impl Apache {
    /// Starts it before `service`, which must take Basic over plain HTTP; none, and a word about it, where Apache is
    /// missing. `certificate` is one with its key, in PEM.
    ///
    /// # Panics
    /// When it is there and does not listen.
    #[must_use]
    pub fn start(service: &Telarchd, asking: Asking, certificate: (&str, &str)) -> Option<Self> {
        let inner = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let target = Target {
            path: "/wsman",
            url: service.http().to_owned(),
            directives: format!("RequestHeader set Authorization \"Basic {inner}\"\n"),
        };
        Self::before(&target, &asking, certificate)
    }

    /// Starts it before a subscriber that receives events at this port over HTTP. The header `X-Client` has the user or
    /// the common name of the certificate that Apache has verified.
    ///
    /// # Panics
    /// When it is there and does not listen.
    #[must_use]
    pub fn before_sink(port: u16, asking: Asking, certificate: (&str, &str)) -> Option<Self> {
        let client = match asking {
            Asking::Certificate(_) => "%{SSL_CLIENT_S_DN_CN}s",
            _ => "expr=%{REMOTE_USER}",
        };
        let target = Target {
            path: "/events",
            url: format!("http://127.0.0.1:{port}/events"),
            directives: format!("RequestHeader set X-Client \"{client}\"\n"),
        };
        Self::before(&target, &asking, certificate)
    }

    fn before(target: &Target, asking: &Asking, certificate: (&str, &str)) -> Option<Self> {
        let modules = Path::new(MODULES);
        let Some(program) = installed("apache2").filter(|_| modules.join("mod_auth_digest.so").exists())
        else {
            skips::skip!(
                "there is no apache2 here (./test --install, or Debian: apt-get install apache2-bin)"
            );
            return None;
        };
        if matches!(asking, Asking::Kerberos(_)) && !modules.join("mod_auth_gssapi.so").exists() {
            skips::skip!(
                "there is no mod_auth_gssapi here (./test --install, or Debian: apt-get install libapache2-mod-auth-gssapi)"
            );
            return None;
        }
        let folder =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for Apache");
        // As root, Apache runs as another user, which must be able to read its files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a fresh folder");
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a fresh folder");
        let (certificate, key) = certificate;
        write("certificate.pem", certificate);
        write("key.pem", key);
        let digest = digest("md5sum", &format!("{USER}:{REALM}:{PASSWORD}"));
        write("digest", &format!("{USER}:{REALM}:{digest}\n"));
        write("basic", &format!("{USER}:{{SHA}}{}\n", STANDARD.encode(octets(&digest_of_password()))));
        // Somebody else may take a port between the time it is found free and the time Apache asks for it.
        let started = (0..5).find_map(|_| {
            let (http, https) = (free_port(), free_port());
            let text = settings(folder.path(), (http, https), asking, target);
            write("apache.conf", &text);
            start(&program, folder.path()).map(|child| (child, http, https))
        });
        let (child, http, https) = started.expect("Apache does not listen; its last lines are above");
        Some(Self { child, folder, http, https })
    }

    /// `http://127.0.0.1:PORT/wsman`.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}/wsman", self.http)
    }

    /// `https://127.0.0.1:PORT/wsman`.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://127.0.0.1:{}/wsman", self.https)
    }

    /// The URL for messages to the subscriber, over HTTPS.
    #[must_use]
    pub fn sink(&self) -> String {
        format!("https://localhost:{}/events", self.https)
    }

    /// A line for each request so far: the status, whether the nonce was stale, and how the client signed in.
    ///
    /// # Panics
    /// When it has no log.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("requests")).expect("a log");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        // SIGTERM, because its child processes would survive SIGKILL.
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn settings(folder: &Path, (http, https): (u16, u16), asking: &Asking, target: &Target) -> String {
    let kerberos = matches!(asking, Asking::Kerberos(_)).then_some("auth_gssapi");
    let modules: String = MODULE_NAMES
        .iter()
        .chain(kerberos.iter())
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .collect();
    let scheme = match asking {
        Asking::Basic => {
            "AuthType Basic\n  AuthUserFile basic\n  AuthName machines\n  Require valid-user\n".to_owned()
        }
        Asking::Digest(lifetime) => format!(
            "AuthType Digest\n  AuthUserFile digest\n  AuthDigestNonceLifetime {lifetime}\n  AuthName {REALM}\n  \
             Require valid-user\n"
        ),
        Asking::Kerberos(keytab) => format!(
            "AuthType GSSAPI\n  AuthName {REALM}\n  GssapiCredStore keytab:{}\n  GssapiAllowedMech krb5\n  \
             GssapiConnectionBound On\n  Require valid-user\n",
            keytab.display()
        ),
        Asking::Certificate(_) => "Require all granted\n".to_owned(),
    };
    let verification = match asking {
        Asking::Certificate(authorities) => {
            format!("SSLVerifyClient require\n  SSLCACertificateFile {}\n  ", authorities.display())
        }
        _ => String::new(),
    };
    let user = if rustix::process::geteuid().is_root() { "User #65534\nGroup #65534\n" } else { "" };
    let Target { path, url, directives } = target;
    format!(
        "ServerRoot {folder}\nServerName localhost\nPidFile pid\nErrorLog /dev/stderr\nLogLevel notice\n{modules}{user}\
         Listen 127.0.0.1:{http}\nListen 127.0.0.1:{https}\nKeepAlive On\nKeepAliveTimeout 30\nStartServers 1\nMutex pthread\n\
         SetEnvIf Authorization \"(.+)\" SIGNED=$1\nLogFormat \"%>s %{{WWW-Authenticate}}o | %{{SIGNED}}e\" requests\nCustomLog requests requests\n\
         <Location />\n  {scheme}{directives}</Location>\n\
         ProxyPass {path} {url}\n\
         <VirtualHost 127.0.0.1:{https}>\n  SSLEngine on\n  SSLCertificateFile certificate.pem\n  \
         SSLCertificateKeyFile key.pem\n  {verification}ProxyPass {path} {url}\n  CustomLog requests requests\n</VirtualHost>\n",
        folder = folder.display(),
    )
}

/// An Apache that listens; none if it ended before.
fn start(program: &Path, folder: &Path) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg("-DFOREGROUND").arg("-d").arg(folder).arg("-f").arg(folder.join("apache.conf"));
    // As root, Apache runs as another user, which cannot write the replay cache of the test.
    command.env("KRB5RCACHENAME", "none:");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
    let listens = stderr.wait_until(Instant::now() + LIMIT, |lines| {
        let lines = String::from_utf8_lossy(lines);
        let failed = lines.contains("AH00015")
            || lines.contains("Syntax error")
            || lines.contains("Cannot load")
            || lines.contains("AH00072");
        (failed || lines.contains("resuming normal operations")).then_some(!failed)
    });
    if listens == Some(true) {
        return Some(child);
    }
    eprintln!("Apache does not listen, its last lines:\n{}", tail(&stderr.so_far()));
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The digest of a text by a program of coreutils, in hexadecimal digits.
pub(crate) fn digest(program: &str, text: &str) -> String {
    let ended = run(&mut Command::new(program), text.as_bytes(), LIMIT);
    let (line, _, _) = ended.text();
    line.split(' ').next().unwrap_or_default().to_owned()
}

fn digest_of_password() -> String {
    digest("sha1sum", PASSWORD)
}

fn octets(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

const MODULE_NAMES: [&str; 13] = [
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "auth_digest",
    "headers",
    "proxy",
    "proxy_http",
    "setenvif",
    "socache_shmcb",
    "ssl",
];

/// Directory of Apache's modules on Debian.
const MODULES: &str = "/usr/lib/apache2/modules";

const REALM: &str = "machines";

/// Apache that takes longer to start hangs.
const LIMIT: Duration = Duration::from_secs(60);
