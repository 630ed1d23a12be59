//! Certificates with private keys in files of users: PEM and PKCS#12.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use auth::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli::secret::{PasswordSource, ask_on};
use cli_command::{Arguments, Failure, Opt};
use management::{CertificatePair, unpack_pkcs12};
use zeroize::Zeroizing;

use crate::locations::failed;
use crate::users::terminal;

/// Content of a file with a certificate.
pub(crate) struct CertificateFile {
    /// Certificate chain in PEM.
    pub(crate) chain: String,
    /// Private key in PEM, if the file or the key file has one.
    pub(crate) key: Option<Zeroizing<String>>,
}

/// Reads a certificate in PEM, with the key of the file `key` or of the same file, or a PKCS#12 file, whose password is
/// read from standard input with `password_option`, or else from the terminal.
pub(crate) fn read(
    arguments: &Arguments,
    file: &Path,
    key: Option<&Path>,
    password_option: &'static Opt,
) -> Result<CertificateFile, Failure> {
    let content = content(file)?;
    if !content.windows(BEGIN.len()).any(|part| part == BEGIN) {
        let password = password(arguments, file, password_option)?;
        let data = Zeroizing::new(STANDARD.encode(&*content));
        let CertificatePair { chain, key } = unpack_pkcs12(&data, password.expose()).map_err(failed)?;
        return Ok(CertificateFile { chain, key: Some(key) });
    }
    let text = text(file, &content)?;
    let key = match key {
        Some(path) => Some(self::text(path, &self::content(path)?)?),
        None if text.contains("PRIVATE KEY-----") => Some(text.clone()),
        None => None,
    };
    Ok(CertificateFile { chain: certificates(&text), key })
}

/// Returns the certificates of a text without its private key.
fn certificates(text: &str) -> String {
    let mut is_inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        is_inside |= line.trim() == "-----BEGIN CERTIFICATE-----";
        if is_inside {
            kept.push_str(line.trim());
            kept.push('\n');
        }
        is_inside &= line.trim() != "-----END CERTIFICATE-----";
    }
    kept
}

fn text(file: &Path, content: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let text = str::from_utf8(content).map_err(|_| {
        Failure::failed(
            format!("{} is not a text in PEM", file.display()),
            "a file in PEM has lines from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----",
        )
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn content(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let length = fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if length > MAX_FILE {
        return Err(unreadable(file, &format!("it is larger than {MAX_FILE} bytes")));
    }
    fs::read(file).map(Zeroizing::new).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, reason: &dyn Display) -> Failure {
    failed(format!("cannot read {}: {reason}", file.display()))
}

/// Returns the password of a PKCS#12 file.
fn password(arguments: &Arguments, file: &Path, option: &'static Opt) -> Result<Secret, Failure> {
    let shown = file.display().to_string();
    if arguments.is_given(option) {
        return PasswordSource::StandardInput.resolve(&shown, "this machine").map_err(failed);
    }
    ask_on(&terminal()?, &format!("Password of {shown}: ")).map_err(failed)
}

const BEGIN: &[u8] = b"-----BEGIN ";
/// Maximum size of a file in bytes.
const MAX_FILE: u64 = 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_part_of_the_certificate() {
        let text = "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\nBag Attributes\n\
                    -----BEGIN CERTIFICATE-----\none\n-----END CERTIFICATE-----\n\
                    -----BEGIN CERTIFICATE-----\ntwo\n-----END CERTIFICATE-----\n";
        let kept = certificates(text);
        assert_eq!(kept.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(!kept.contains("key") && !kept.contains("Bag") && kept.contains("two"), "{kept}");
    }
}
