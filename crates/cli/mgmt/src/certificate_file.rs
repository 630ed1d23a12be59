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

/// Certificate that a user has in a file.
pub(crate) struct ImportedCertificate {
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
) -> Result<ImportedCertificate, Failure> {
    let content = content(file)?;
    if !content.windows(BEGIN.len()).any(|part| part == BEGIN) {
        let password = password(arguments, file, password_option)?;
        let data = Zeroizing::new(STANDARD.encode(&*content));
        let CertificatePair { chain, key } = unpack_pkcs12(&data, password.expose()).map_err(failed)?;
        return Ok(ImportedCertificate { chain, key: Some(key) });
    }
    let text = text(file, &content)?;
    let key = match key {
        Some(path) => Some(blocks(&self::text(path, &self::content(path)?)?, PRIVATE_KEY)),
        None => Some(blocks(&text, PRIVATE_KEY)).filter(|key| !key.is_empty()),
    };
    Ok(ImportedCertificate { chain: blocks(&text, CERTIFICATE).to_string(), key })
}

/// Returns the blocks of a text in PEM whose first line has this end (RFC 7468).
fn blocks(text: &str, end: &str) -> Zeroizing<String> {
    let mut is_inside = false;
    // Large enough, so that no copy of a key is left behind by a reallocation.
    let mut kept = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines().map(str::trim) {
        is_inside |= line.starts_with("-----BEGIN ") && line.ends_with(end);
        if is_inside {
            kept.push_str(line);
            kept.push('\n');
        }
        is_inside &= !line.starts_with("-----END ");
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
/// End of the first line of a certificate, and of a private key of any kind.
const CERTIFICATE: &str = "BEGIN CERTIFICATE-----";
const PRIVATE_KEY: &str = "PRIVATE KEY-----";
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
        let kept = blocks(text, CERTIFICATE);
        assert_eq!(kept.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(!kept.contains("key") && !kept.contains("Bag") && kept.contains("two"), "{}", kept.as_str());
        assert!(blocks(text, PRIVATE_KEY).ends_with("key\n-----END PRIVATE KEY-----\n"));
    }
}
