//! `telarch mgmt cert`: the certificate of the service.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cli_command::format::Format;
use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure, date};
use config::Thumbprint;
use files::{Attributes, replace};
use management::{CertificateHash, Directory};
use serde_json::{Value, json};
use service::Certificates;
use zeroize::Zeroizing;

use crate::certificate_file::{self, ImportedCertificate};
use crate::locations::{directory, failed};
use crate::startup::{host_names, wsman_paths};
use crate::{FORMAT, PASSWORD_STDIN, WHAT_IF};

/// Prints, stores, selects or renews certificates of the service.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let directory = directory(arguments, IfMissing::Leave)?;
    let paths = wsman_paths(arguments).ok_or_else(|| failed("the directory of certificates is unknown"))?;
    let store = Store {
        folder: paths.certificates.clone(),
        certificates: Certificates::new(paths.certificates, paths.state),
    };
    match arguments.words().as_slice() {
        [] => current(arguments, &directory, &store),
        ["list"] => list(arguments, &store),
        ["import", file] => import(arguments, &store, Path::new(file)),
        ["use", "self-signed"] => select(arguments, &directory, None),
        ["use", hash] => {
            let thumbprint = Thumbprint::parse(hash).map_err(|error| arguments.usage_error(error))?;
            // A certificate that cannot be used would keep the service from starting.
            store.certificates.find(thumbprint).map_err(failed)?;
            select(arguments, &directory, Some(CertificateHash(thumbprint.0)))
        }
        ["renew"] => renew(arguments, &directory),
        _ => Err(arguments.usage_error("expected list, import FILE, use HASH, use self-signed or renew")),
    }
}

/// Certificates that an administrator has stored.
struct Store {
    folder: PathBuf,
    certificates: Certificates,
}

/// Facts of a certificate that are printed.
struct Facts {
    hash: Option<Thumbprint>,
    certificate: Result<webserver::Certificate, String>,
}

impl Facts {
    fn of(pem: &str) -> Self {
        let hash = service::Certificate::from_pem(pem, Path::new("")).ok();
        let hash = hash.map(|certificate| certificate.thumbprint());
        Self { hash, certificate: webserver::parse_certificate(pem.as_bytes()) }
    }

    fn json(&self) -> Value {
        json!({
            "SslCertificateHash": self.hash.map(|hash| hash.to_string()),
            "certificate": self.certificate.as_ref().ok(),
            "problem": self.certificate.as_ref().err(),
        })
    }

    fn line(&self) -> String {
        let hash = self.hash.map(|hash| hash.to_string()).unwrap_or_default();
        match &self.certificate {
            Ok(certificate) => {
                let expires = date::minute(u64::try_from(certificate.not_after).unwrap_or_default());
                format!("{hash}  expires {expires}  {}\n", certificate.names.join(", "))
            }
            Err(reason) => format!("{hash}  {reason}\n"),
        }
    }
}

/// Prints the certificate that the service uses.
fn current(arguments: &Arguments, directory: &Directory, store: &Store) -> Result<String, Failure> {
    let settings = directory.read_settings().map_err(failed)?;
    let pem = match settings.ssl_certificate_hash {
        Some(hash) => store.certificates.pem(Thumbprint(hash.0)).map_err(failed)?,
        None => match fs::read_to_string(directory.certificate()) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(
                    "self-signed; the service creates it when it starts for the first time\n".to_owned()
                );
            }
            Err(error) => {
                return Err(failed(format!("cannot read {}: {error}", directory.certificate().display())));
            }
        },
    };
    let facts = Facts::of(&pem);
    if arguments.keyword(&FORMAT) == Some(Format::Json) {
        return Ok(format!("{:#}\n", facts.json()));
    }
    let origin = if settings.ssl_certificate_hash.is_some() { "selected" } else { "self-signed" };
    Ok(format!("{origin}  {}", facts.line()))
}

/// Lists the certificates that an administrator has stored.
fn list(arguments: &Arguments, store: &Store) -> Result<String, Failure> {
    let entries = fs::read_dir(&store.folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut hashes: Vec<Thumbprint> = entries
        .filter(|path| path.extension().is_some_and(|kind| kind == "pem" || kind == "crt"))
        .filter_map(|path| Thumbprint::parse(path.file_stem()?.to_str()?).ok())
        .collect();
    hashes.sort();
    hashes.dedup();
    let mut all = Vec::new();
    for hash in hashes {
        all.push(match store.certificates.pem(hash) {
            Ok(pem) => Facts::of(&pem),
            Err(error) => Facts { hash: Some(hash), certificate: Err(error.to_string()) },
        });
    }
    if arguments.keyword(&FORMAT) == Some(Format::Json) {
        return Ok(format!("{:#}\n", all.iter().map(Facts::json).collect::<Value>()));
    }
    Ok(all.iter().map(Facts::line).collect())
}

/// Stores a certificate with its key.
fn import(arguments: &Arguments, store: &Store, file: &Path) -> Result<String, Failure> {
    let ImportedCertificate { chain, key } = certificate_file::read(arguments, file, None, &PASSWORD_STDIN)?;
    let key = key.ok_or_else(|| {
        Failure::failed(
            format!("{} has no private key", file.display()),
            "put certificate and key into one file in PEM, or use a PKCS#12 file",
        )
    })?;
    let pem = Zeroizing::new(format!("{chain}{}", key.as_str()));
    let certificate = service::Certificate::from_pem(&pem, file).map_err(failed)?;
    let hash = certificate.thumbprint();
    let path = store.folder.join(format!("{hash}.pem"));
    if arguments.is_given(&WHAT_IF) {
        return Ok(format!("would write {}\n", path.display()));
    }
    let created = DirBuilder::new().recursive(true).mode(0o755).create(&store.folder);
    created
        .and_then(|()| replace(&path, pem.as_bytes(), Attributes::PRIVATE))
        .map_err(|error| failed(format!("cannot write {}: {error}", path.display())))?;
    Ok(format!("stored {hash}\n  telarch mgmt cert use {hash} selects it\n"))
}

/// Sets the certificate of the settings.
fn select(
    arguments: &Arguments,
    directory: &Directory,
    hash: Option<CertificateHash>,
) -> Result<String, Failure> {
    let mut settings = directory.read_settings().map_err(failed)?;
    settings.ssl_certificate_hash = hash;
    let value = hash.map(|hash| hash.to_string()).unwrap_or_default();
    if !arguments.is_given(&WHAT_IF) {
        directory.write_settings(&settings).map_err(failed)?;
    }
    Ok(format!("SslCertificateHash = {value}\n"))
}

/// Replaces the self-signed certificate.
fn renew(arguments: &Arguments, directory: &Directory) -> Result<String, Failure> {
    let settings = directory.read_settings().map_err(failed)?;
    let address = match settings.ip_address {
        management::BindAddress::All => std::net::Ipv6Addr::UNSPECIFIED.into(),
        management::BindAddress::One(address) => address,
    };
    let path = directory.certificate();
    if arguments.is_given(&WHAT_IF) {
        return Ok(format!("would replace {}\n", path.display()));
    }
    let new = management_web::Certificate::self_signed(&host_names(address), SystemTime::now());
    let (certificate, pem) = new.map_err(failed)?;
    let pem = Zeroizing::new(pem);
    replace(&path, pem.as_bytes(), Attributes::PRIVATE)
        .map_err(|error| failed(format!("cannot write {}: {error}", path.display())))?;
    Ok(format!(
        "created {}\n  SHA-256 {}\n  the service uses it when it starts again\n",
        path.display(),
        certificate.fingerprint()
    ))
}
