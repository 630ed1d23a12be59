//! Certificates and TLS settings: files of `apps.tls`, and connection policies of a server.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::caddy_server::configuration::{members_mut, remove_empty};
use crate::caddy_server::sites::{Place, items, places, server_pointer};
use crate::certificate::CertificateFile;
use crate::engine::read_certificate;
use crate::error::WebServerError;
use crate::feature::{Ssl, TlsVersion};
use crate::value::{CipherList, FilePath, SiteId};

const CERTIFICATES: &[&str] = &["apps", "tls", "certificates"];
const FILES: &str = "/apps/tls/certificates/load_files";

/// Tag that connects the certificate of a site with its policy.
fn tag(site: &SiteId) -> String {
    format!("telarch-{site}")
}

fn has_tag(object: &Value, member: &str, tag: &str) -> bool {
    items(object, member).iter().any(|found| found.as_str() == Some(tag))
}

/// Returns the pointer of the policy of a site.
fn policy(root: &Value, place: &Place) -> Option<String> {
    let list = format!("{}/tls_connection_policies", server_pointer(&place.server));
    let policies = items(root, &list);
    let own = tag(&place.id);
    let hosts = place.hosts(root);
    let index = policies
        .iter()
        .position(|policy| has_tag(policy, "/certificate_selection/any_tag", &own))
        .or_else(|| {
            policies.iter().position(|policy| hosts.is_some() && policy.pointer("/match/sni") == hosts)
        })
        .or_else(|| (place.is_alone && policies.len() == 1).then_some(0))?;
    Some(format!("{list}/{index}"))
}

/// Returns the pointer of the files with a tag.
fn files(root: &Value, tag: &str) -> Option<String> {
    let index = items(root, FILES).iter().position(|file| has_tag(file, "/tags", tag))?;
    Some(format!("{FILES}/{index}"))
}

/// Returns the tag of the certificate of a site.
fn certificate_tag(root: &Value, place: &Place) -> String {
    let policy = policy(root, place).and_then(|pointer| root.pointer(&pointer));
    let used = policy.and_then(|policy| policy.pointer("/certificate_selection/any_tag/0")?.as_str());
    used.map_or_else(|| tag(&place.id), str::to_owned)
}

/// Pointers of the settings of a site.
pub(super) fn origins(root: &Value, place: &Place) -> Vec<String> {
    let certificate = files(root, &certificate_tag(root, place));
    certificate.into_iter().chain(policy(root, place)).collect()
}

/// Reads the settings of a site: `None` if the type cannot represent them, `Some(None)` without any.
#[allow(clippy::option_option)] // Both cases are documented.
pub(super) fn read(root: &Value, place: &Place) -> Option<Option<Ssl>> {
    let mut ssl = Ssl::default();
    if let Some(file) = files(root, &certificate_tag(root, place)).and_then(|pointer| root.pointer(&pointer))
    {
        ssl.certificate = Some(FilePath::parse(file.get("certificate")?.as_str()?).ok()?);
        ssl.key = Some(FilePath::parse(file.get("key")?.as_str()?).ok()?);
    }
    if let Some(policy) = policy(root, place).and_then(|pointer| root.pointer(&pointer)) {
        ssl.protocols = protocols(policy)?;
        ssl.ciphers = match policy.get("cipher_suites") {
            Some(names) => {
                let names = names.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?;
                Some(CipherList::parse(&names.join(":")).ok()?)
            }
            None => None,
        };
    }
    Some((ssl != Ssl::default()).then_some(ssl))
}

/// Versions of TLS that Caddy has, the oldest first.
const VERSIONS: [(TlsVersion, &str); 2] = [(TlsVersion::Tls12, "tls1.2"), (TlsVersion::Tls13, "tls1.3")];

#[allow(clippy::option_option)] // The outer option is empty for an unknown version.
fn protocols(policy: &Value) -> Option<Option<Vec<TlsVersion>>> {
    let (lowest, highest) = (policy.get("protocol_min"), policy.get("protocol_max"));
    if lowest.is_none() && highest.is_none() {
        return Some(None);
    }
    let (lowest, highest) = (version(lowest, 0)?, version(highest, VERSIONS.len().saturating_sub(1))?);
    let versions = VERSIONS.get(lowest..=highest)?;
    Some(Some(versions.iter().map(|(version, _)| *version).collect()))
}

/// Returns the index of a version; a default if none is set.
fn version(value: Option<&Value>, default: usize) -> Option<usize> {
    match value {
        Some(value) => VERSIONS.iter().position(|(_, name)| value.as_str() == Some(name)),
        None => Some(default),
    }
}

fn refused<T>(reason: &str) -> Result<T, WebServerError> {
    Err(WebServerError::impossible("set TLS of the site", reason))
}

/// Sets the certificate and the settings of a site.
pub(super) fn set(root: &mut Value, place: &Place, ssl: &Ssl) -> Result<(), WebServerError> {
    if ssl.prefer_server_ciphers.is_some() {
        return refused("Caddy has no setting for the choice of the cipher");
    }
    match (&ssl.certificate, &ssl.key) {
        (Some(certificate), Some(key)) => put_certificate(root, place, certificate, key)?,
        (None, None) if files(root, &certificate_tag(root, place)).is_some() => remove_files(root, place),
        (None, None) => {}
        _ => return refused("certificate and key belong together; set both"),
    }
    let has_settings = ssl.protocols.is_some() || ssl.ciphers.is_some();
    let Some(pointer) = policy(root, place) else {
        if has_settings {
            return refused("its addresses do not use TLS; set TLS of the addresses first");
        }
        return Ok(());
    };
    let tag = certificate_tag(root, place);
    let has_files = files(root, &tag).is_some();
    let Some(members) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) else { return Ok(()) };
    if has_files {
        members.insert("certificate_selection".to_owned(), json!({ "any_tag": [tag] }));
    }
    set_settings(members, ssl)
}

fn set_settings(policy: &mut Map<String, Value>, ssl: &Ssl) -> Result<(), WebServerError> {
    for name in ["protocol_min", "protocol_max", "cipher_suites"] {
        policy.remove(name);
    }
    if let Some(versions) = &ssl.protocols {
        let names = versions.iter().map(|version| VERSIONS.iter().position(|(known, _)| known == version));
        let found =
            names.collect::<Option<Vec<usize>>>().filter(|found| !found.is_empty()).ok_or_else(|| {
                let reason = "Caddy has TLS 1.2 and TLS 1.3 only; choose one or both";
                WebServerError::impossible("set the versions of TLS", reason)
            })?;
        for (name, index) in [("protocol_min", found.iter().min()), ("protocol_max", found.iter().max())] {
            if let Some((_, text)) = index.and_then(|index| VERSIONS.get(*index)) {
                policy.insert(name.to_owned(), json!(text));
            }
        }
    }
    if let Some(ciphers) = &ssl.ciphers {
        let names: Vec<&str> =
            ciphers.as_str().split([':', ',', ' ']).filter(|name| !name.is_empty()).collect();
        policy.insert("cipher_suites".to_owned(), json!(names));
    }
    Ok(())
}

/// Adds the files of the certificate of a site, or replaces them.
pub(in crate::caddy_server) fn put_certificate(
    root: &mut Value,
    place: &Place,
    certificate: &FilePath,
    key: &FilePath,
) -> Result<(), WebServerError> {
    let tag = certificate_tag(root, place);
    if let Some(file) = files(root, &tag).and_then(|pointer| root.pointer_mut(&pointer)?.as_object_mut()) {
        file.insert("certificate".to_owned(), json!(certificate));
        file.insert("key".to_owned(), json!(key));
        return Ok(());
    }
    let list = members_mut(root, CERTIFICATES)?.entry("load_files").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(json!({ "certificate": certificate, "key": key, "tags": [tag] }));
    }
    Ok(())
}

/// Lets the addresses of a site use TLS with its certificate.
pub(in crate::caddy_server) fn enable(root: &mut Value, place: &Place) -> Result<(), WebServerError> {
    let tag = tag(&place.id);
    if files(root, &tag).is_none() {
        let reason = "the site has no certificate; set certificate and key (feature ssl) first";
        return Err(WebServerError::impossible("set TLS of the addresses", reason));
    }
    let mut policy = json!({ "certificate_selection": { "any_tag": [tag] } });
    // A policy without a condition is for all names.
    if let (Some(hosts), Some(members), false) = (place.hosts(root), policy.as_object_mut(), place.is_alone) {
        members.insert("match".to_owned(), json!({ "sni": hosts }));
    }
    let server = root.pointer_mut(&server_pointer(&place.server)).and_then(Value::as_object_mut);
    let list = server.map(|server| server.entry("tls_connection_policies").or_insert_with(|| json!([])));
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.insert(0, policy);
    }
    Ok(())
}

/// Lets the addresses of the only site of a server use no TLS.
pub(in crate::caddy_server) fn disable(root: &mut Value, place: &Place) {
    if let Some(server) = root.pointer_mut(&server_pointer(&place.server)).and_then(Value::as_object_mut) {
        server.remove("tls_connection_policies");
    }
}

/// Sets the names of the policy of a site after they changed.
pub(in crate::caddy_server) fn rename(root: &mut Value, place: &Place, names: &Value) {
    if let Some(condition) =
        policy(root, place).and_then(|pointer| root.pointer_mut(&format!("{pointer}/match/sni")))
    {
        *condition = names.clone();
    }
}

/// Removes the settings of a site, but not its use of TLS.
pub(super) fn revert(root: &mut Value, place: &Place) -> Result<(), WebServerError> {
    set(root, place, &Ssl::default())
}

/// Removes certificate and policy of a site that is deleted.
pub(in crate::caddy_server) fn remove(root: &mut Value, place: &Place) {
    remove_files(root, place);
    let own = policy(root, place).filter(|pointer| {
        root.pointer(pointer)
            .is_some_and(|policy| has_tag(policy, "/certificate_selection/any_tag", &tag(&place.id)))
    });
    if let Some(pointer) = own {
        super::handlers::remove_item(root, &pointer);
    }
}

/// Removes the files of a site that no other site uses.
fn remove_files(root: &mut Value, place: &Place) {
    let Some(pointer) = files(root, &tag(&place.id)) else { return };
    super::handlers::remove_item(root, &pointer);
    remove_empty(root, &["apps", "tls", "certificates", "load_files"]);
}

/// Returns the certificates that the document names, sorted by path.
pub(in crate::caddy_server) fn inventory(root: &Value) -> Vec<CertificateFile> {
    let places = places(root);
    let with_policy = places.iter().filter(|place| policy(root, place).is_some());
    let tags: Vec<(&SiteId, String)> =
        with_policy.map(|place| (&place.id, certificate_tag(root, place))).collect();
    let mut found: BTreeMap<String, Vec<SiteId>> = BTreeMap::new();
    for file in items(root, FILES) {
        let Some(path) = file.get("certificate").and_then(Value::as_str) else { continue };
        let users = tags.iter().filter(|(_, tag)| has_tag(file, "/tags", tag));
        found.entry(path.to_owned()).or_default().extend(users.map(|(id, _)| (*id).clone()));
    }
    let files = found.into_iter().map(|(path, sites)| CertificateFile {
        content: read_certificate(&path),
        path,
        sites,
    });
    files.collect()
}
