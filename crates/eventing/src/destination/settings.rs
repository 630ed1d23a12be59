//! Settings of a destination, from a TOML file.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use toml_edit::{DocumentMut, Item};
use winevent::event::Record;
use winevent::{QueryList, Timestamp};

use super::connection::Address;
use super::http_post::HttpTarget;
use crate::error::CollectorError;

/// Settings of a destination of events.
#[derive(Clone, Debug)]
pub struct DestinationSettings {
    /// Name of the file without its extension.
    pub(super) name: String,
    pub(super) target: Target,
    /// Whether a batch is rejected if its events do not fit into the spool.
    pub(super) is_required: bool,
    /// Names of the subscriptions whose events are sent; empty for all.
    pub(super) subscriptions: Vec<String>,
    pub(super) query: Option<RouteQuery>,
    /// Maximum size of the spool in bytes.
    pub(super) max_spool: u64,
    /// Maximum number of events in one request.
    pub(super) batch_size: usize,
}

/// Server that receives the events.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Syslog server.
    Syslog(Address),
    /// HTTP server.
    Http(HttpTarget),
}

/// Query that selects events of a destination.
#[derive(Clone)]
pub(super) enum RouteQuery {
    List(Arc<QueryList>),
    Expression(Arc<winevent::query::Query>),
}

impl std::fmt::Debug for RouteQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouteQuery")
    }
}

impl RouteQuery {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.starts_with('<') {
            true => QueryList::parse(text).map(|list| Self::List(Arc::new(list))),
            false => winevent::query::Query::parse(text).map(|query| Self::Expression(Arc::new(query))),
        }
        .map_err(|error| error.to_string())
    }

    pub(super) fn selects(&self, record: &Record, now: Timestamp) -> bool {
        match self {
            Self::List(list) => list.is_selected(record, now),
            Self::Expression(query) => query.is_match(record, now),
        }
    }
}

impl DestinationSettings {
    /// Parses the content of a file.
    ///
    /// # Errors
    /// [`CollectorError::Output`] if a setting is missing, unknown or invalid.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self, CollectorError> {
        parse(path, content).map_err(|reason| CollectorError::Output { path: path.to_owned(), reason })
    }
}

fn parse(path: &Path, content: &[u8]) -> Result<DestinationSettings, String> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_usual) {
        return Err("the file name must consist of letters, digits, hyphens and underscores".to_owned());
    }
    let text = std::str::from_utf8(content).map_err(|_| "the file is not UTF-8".to_owned())?;
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    if let Some((unknown, _)) = document.iter().find(|(key, _)| !KEYS.contains(key)) {
        return Err(format!("unknown setting {unknown}; the settings are {}", KEYS.join(", ")));
    }
    let url = string(&document, "Url")?.ok_or_else(|| "the setting Url is missing".to_owned())?;
    let authorities = string(&document, "CertificateAuthority")?;
    let authorization = string(&document, "Authorization")?.map(str::to_owned);
    let target = target(url, authorities, authorization)?;
    let is_required = match document.get("Required") {
        None => false,
        Some(item) => item.as_bool().ok_or("Required must be true or false")?,
    };
    Ok(DestinationSettings {
        name: name.to_owned(),
        target,
        is_required,
        subscriptions: document.get("Subscriptions").map_or_else(|| Ok(Vec::new()), names)?,
        query: string(&document, "Query")?
            .map(RouteQuery::parse)
            .transpose()
            .map_err(|error| format!("Query is invalid: {error}"))?,
        max_spool: u64::from(number(&document, "MaxSpoolMB", 256, 1, 1 << 20)?) << 20,
        batch_size: usize::try_from(number(&document, "MaxBatchEvents", 500, 1, 10_000)?).unwrap_or(1),
    })
}

/// Returns whether the name of an output may contain a character.
fn is_usual(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Returns the value of a setting that is a text.
fn string<'d>(document: &'d DocumentMut, key: &str) -> Result<Option<&'d str>, String> {
    match document.get(key) {
        None => Ok(None),
        Some(item) => item.as_str().map(Some).ok_or_else(|| format!("{key} must be a text")),
    }
}

/// Returns the value of a setting that is a number from `least` to `most`.
fn number(document: &DocumentMut, key: &str, default: u32, least: u32, most: u32) -> Result<u32, String> {
    let Some(item) = document.get(key) else { return Ok(default) };
    item.as_integer()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{key} must be a number from {least} to {most}"))
}

fn names(item: &Item) -> Result<Vec<String>, String> {
    let names = item
        .as_array()
        .and_then(|all| all.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    names.ok_or_else(|| "Subscriptions must be a list of names".to_owned())
}

/// Parses the URL of a server.
fn target(url: &str, authorities: Option<&str>, authorization: Option<String>) -> Result<Target, String> {
    let forms =
        "use syslog+tcp://HOST:PORT, syslog+tls://HOST:PORT, http://HOST:PORT/PATH or https://HOST:PORT/PATH";
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("Url \"{url}\" is invalid; {forms}"))?;
    let (default_port, has_tls) = match scheme {
        "syslog+tcp" => (601, false),
        "syslog+tls" => (6_514, true),
        "http" => (80, false),
        "https" => (443, true),
        _ => return Err(format!("the scheme of Url \"{url}\" is unknown; {forms}")),
    };
    if rest.contains('@') {
        return Err("Url must not contain credentials; use Authorization".to_owned());
    }
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("the port in Url \"{url}\" is invalid"))?)
        }
        _ => (authority, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err(format!("Url \"{url}\" has no host; {forms}"));
    }
    let tls = if has_tls { Some(tls_config(authorities)?) } else { None };
    let address = Address { host, port, tls };
    if scheme.starts_with("http") {
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        return Ok(Target::Http(HttpTarget { address, host: authority.to_owned(), path, authorization }));
    }
    if !matches!(path, "" | "/") || authorization.is_some() {
        return Err("syslog has neither a path nor Authorization".to_owned());
    }
    Ok(Target::Syslog(address))
}

/// Returns the configuration of TLS with these authorities in PEM, or else those of the system.
fn tls_config(authorities: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            let read = tls::certificates(pem.as_bytes());
            let read = read.map_err(|error| format!("CertificateAuthority is invalid: {error}"))?;
            for certificate in read {
                roots
                    .add(certificate)
                    .map_err(|error| format!("CertificateAuthority is invalid: {error}"))?;
            }
        }
        None => {
            let _ = roots.add_parsable_certificates(tls::system_authorities().iter().cloned());
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(tls::provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Names of all settings.
const KEYS: [&str; 8] = [
    "Url",
    "CertificateAuthority",
    "Authorization",
    "Required",
    "Subscriptions",
    "Query",
    "MaxSpoolMB",
    "MaxBatchEvents",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<DestinationSettings, String> {
        parse(Path::new("/x/siem.toml"), text.as_bytes())
    }

    #[test]
    fn settings_have_defaults_and_bounds() {
        let settings = parsed("Url = \"syslog+tcp://siem.example\"").unwrap();
        assert_eq!(
            (settings.name.as_str(), settings.is_required, settings.max_spool),
            ("siem", false, 256 << 20)
        );
        assert_eq!(format!("{:?}", settings.target), "Syslog(siem.example:601, TLS: false)");
        let http = "Url = \"http://[::1]:8080/in?x=1\"\nAuthorization = \"Bearer t\"\nRequired = true\n\
                    Subscriptions = [\"a\"]\nQuery = \"*[System[Level=2]]\"";
        let settings = parsed(http).unwrap();
        assert_eq!(format!("{:?}", settings.target), "Http([::1]:8080/in?x=1)");
        assert!(settings.is_required && settings.query.is_some());
        for (text, reason) in [
            ("", "Url is missing"),
            ("Url = \"ftp://x\"", "scheme"),
            ("Url = \"http://\"", "no host"),
            ("Url = \"http://a:b@c/\"", "credentials"),
            ("Url = \"http://a:99999/\"", "port"),
            ("Url = \"http://a\"\nQuery = \"*[\"", "Query is invalid"),
            ("Url = \"http://a\"\nMaxSpoolMB = 0", "MaxSpoolMB must be"),
            ("Url = \"http://a\"\nColour = 1", "unknown setting Colour"),
            ("Url = \"https://a\"\nCertificateAuthority = \"x\"", "CertificateAuthority is invalid"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(parse(Path::new("/x/a b.toml"), b"Url = \"http://a\"").is_err());
    }
}
