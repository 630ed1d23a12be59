//! Certificates that sites use, and those that are stored for them.

use std::path::Path;
use std::time::SystemTime;

use cli_command::{Arguments, Failure};
use management::{KeyType, NewCertificate, SiteCertificates, StoredCertificate};
use serde_json::json;
use webserver::{CertificateName, WebServer};

use super::change::path_of;
use super::{CERTIFICATE_PASSWORD, DAYS, KEY, KEY_TYPE, WHAT_IF, printed, show};
use crate::certificate_file::{self, ImportedCertificate};
use crate::locations::failed;

/// Lists the certificates that sites use, and those that are stored.
pub(super) fn list(arguments: &Arguments, web: &dyn WebServer) -> Result<String, Failure> {
    let used = web.certificates().map_err(failed)?;
    let store = SiteCertificates::beside(Path::new(&web.info().configuration));
    let stored = store.as_ref().map(SiteCertificates::list).unwrap_or_default();
    let value = || json!({ "certificates": used, "stored": stored });
    Ok(printed(arguments, value, || show::certificates(&used, &stored)))
}

/// Creates, requests, imports or deletes a certificate.
pub(super) fn change(arguments: &Arguments, web: &dyn WebServer, words: &[&str]) -> Result<String, Failure> {
    let store = store(web)?;
    let (name, action, rest) = match words {
        [name, action, rest @ ..] => (*name, *action, rest),
        _ => return Err(usage(arguments)),
    };
    let name = CertificateName::parse(name).map_err(|error| arguments.usage_error(error))?;
    let names: Vec<String> = rest.iter().map(|name| (*name).to_owned()).collect();
    let new = match (action, rest) {
        ("create", [_, ..]) => {
            NewCertificate::SelfSigned { name, names, days: days(arguments)?, key_type: key_type(arguments)? }
        }
        ("request", [_, ..]) => NewCertificate::Request { name, names, key_type: key_type(arguments)? },
        ("import", [file]) => import(arguments, name, Path::new(file))?,
        ("delete", []) => return delete(arguments, web, &store, &name),
        _ => return Err(usage(arguments)),
    };
    let planned = store.plan(new, SystemTime::now()).map_err(failed)?;
    if arguments.is_given(&WHAT_IF) {
        return Ok(described(arguments, &store.preview(&planned)));
    }
    let stored = store.store(&planned).map_err(failed)?;
    Ok(described(arguments, &stored))
}

fn described(arguments: &Arguments, certificate: &StoredCertificate) -> String {
    printed(arguments, || json!(certificate), || show::stored_certificate(certificate))
}

fn usage(arguments: &Arguments) -> Failure {
    arguments.usage_error(
        "expected CERTIFICATE create HOST..., CERTIFICATE request HOST..., CERTIFICATE import FILE or CERTIFICATE delete",
    )
}

fn store(web: &dyn WebServer) -> Result<SiteCertificates, Failure> {
    SiteCertificates::beside(Path::new(&web.info().configuration)).ok_or_else(|| {
        Failure::failed(
            "this web server has no directory of its own for certificates",
            "Caddy requests its certificates itself; IIS uses the certificates of Windows",
        )
    })
}

fn days(arguments: &Arguments) -> Result<u16, Failure> {
    let days = arguments.number(&DAYS, 1..=3_650)?;
    Ok(days.and_then(|days| u16::try_from(days).ok()).unwrap_or(DEFAULT_DAYS))
}

fn key_type(arguments: &Arguments) -> Result<KeyType, Failure> {
    let Some(name) = arguments.text(&KEY_TYPE)? else { return Ok(KeyType::default()) };
    let found = KeyType::ALL.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, key_type)| key_type).ok_or_else(|| {
        let names = KeyType::ALL.map(|(name, _)| name).join(", ");
        arguments.usage_error(format!("unknown type of key \"{name}\"; expected one of {names}"))
    })
}

/// Reads the files of a certificate. Without a key, that of a request is used.
fn import(arguments: &Arguments, name: CertificateName, file: &Path) -> Result<NewCertificate, Failure> {
    let key = path_of(arguments, &KEY)?;
    let key = key.as_ref().map(|path| Path::new(path.as_str()));
    let ImportedCertificate { chain, key } =
        certificate_file::read(arguments, file, key, &CERTIFICATE_PASSWORD)?;
    Ok(NewCertificate::Pem { name, certificate: chain, key })
}

fn delete(
    arguments: &Arguments,
    web: &dyn WebServer,
    store: &SiteCertificates,
    name: &CertificateName,
) -> Result<String, Failure> {
    let used = web.certificates().map_err(failed)?;
    store.require_deletable(name, &used).map_err(failed)?;
    if arguments.is_given(&WHAT_IF) {
        return Ok(format!("would delete the certificate {name} and its private key\n"));
    }
    store.delete(name).map_err(failed)?;
    Ok(format!("deleted the certificate {name}\n"))
}

/// Days of validity of a self-signed certificate.
const DEFAULT_DAYS: u16 = 397;
