//! Settings of a destination, from a TOML file.

use std::path::Path;
use std::sync::Arc;

use nats::{Login, LoginSettings, SubjectTemplate};
use outbound::{Address, HttpHeader, HttpTarget, is_loopback, tls_config};
use toml_edit::{DocumentMut, Item};
use winevent::event::Record;
use winevent::{QueryList, Timestamp};

use super::kafka_target::{self, KafkaCertificate, KafkaLogin, KafkaTarget, MECHANISMS};
use super::nats_publisher::NatsTarget;
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
    /// Maximum number of events in one request, or of messages that wait for their acknowledgements.
    pub(super) batch_size: usize,
}

/// Server that receives the events.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Syslog server.
    Syslog(Address),
    /// HTTP server.
    Http(HttpTarget),
    /// JetStream of a NATS server.
    Nats(Arc<NatsTarget>),
    /// Topic of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Arc<KafkaTarget>),
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
    let target = target(&document, &Endpoint::parse(url)?)?;
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

/// URL of a server.
struct Endpoint<'u> {
    protocol: Protocol,
    has_tls: bool,
    /// Host with the port, as in the URL.
    authority: &'u str,
    host: String,
    port: u16,
    /// Part after host and port, with the slash.
    path: &'u str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Syslog,
    Http,
    Nats,
    Kafka,
}

impl<'u> Endpoint<'u> {
    fn parse(url: &'u str) -> Result<Self, String> {
        if url.contains('@') {
            // The URL is not repeated: it may contain a password.
            return Err(
                "Url must not contain credentials; use Authorization, or the settings for logins".to_owned()
            );
        }
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| format!("Url \"{url}\" is invalid; {FORMS}"))?;
        let (protocol, default_port, has_tls) = match scheme {
            "syslog+tcp" => (Protocol::Syslog, 601, false),
            "syslog+tls" => (Protocol::Syslog, 6_514, true),
            "http" => (Protocol::Http, 80, false),
            "https" => (Protocol::Http, 443, true),
            "nats" => (Protocol::Nats, 4_222, false),
            "nats+tls" | "tls" => (Protocol::Nats, 4_222, true),
            "kafka" => (Protocol::Kafka, 9_092, false),
            "kafka+tls" => (Protocol::Kafka, 9_093, true),
            _ => return Err(format!("the scheme of Url \"{url}\" is unknown; {FORMS}")),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        // Only Kafka has several brokers; the last one stands for all where one host is needed.
        let last = if protocol == Protocol::Kafka { authority.rsplit(',').next() } else { None };
        let (host, port) = match last.unwrap_or(authority).rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| format!("the port in Url \"{url}\" is invalid"))?)
            }
            _ => (last.unwrap_or(authority), default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("Url \"{url}\" has no host; {FORMS}"));
        }
        Ok(Self { protocol, has_tls, authority, host, port, path })
    }
}

/// Returns the server of a URL with the settings that belong to its protocol.
fn target(document: &DocumentMut, endpoint: &Endpoint<'_>) -> Result<Target, String> {
    for (key, protocols) in PROTOCOL_KEYS {
        if document.contains_key(key) && !protocols.contains(&endpoint.protocol) {
            return Err(format!("{key} does not belong to the protocol of Url"));
        }
    }
    let authorities = string(document, "CertificateAuthority")?;
    let tls = if endpoint.has_tls { Some(tls_config(authorities)?) } else { None };
    let address = Address { host: endpoint.host.clone(), port: endpoint.port, tls };
    match endpoint.protocol {
        Protocol::Http => {
            let path = if endpoint.path.is_empty() { "/" } else { endpoint.path }.to_owned();
            let authorization = string(document, "Authorization")?;
            let header =
                |value: &str| HttpHeader { name: "Authorization".to_owned(), value: value.to_owned().into() };
            let headers = authorization.map(header);
            let host = endpoint.authority.to_owned();
            Ok(Target::Http(HttpTarget { address, host, path, headers: headers.into_iter().collect() }))
        }
        Protocol::Syslog if matches!(endpoint.path, "" | "/") => Ok(Target::Syslog(address)),
        Protocol::Syslog => Err("syslog has no path".to_owned()),
        Protocol::Nats => {
            let subject = endpoint.path.strip_prefix('/').unwrap_or_default();
            let subject = SubjectTemplate::parse(if subject.is_empty() { DEFAULT_SUBJECT } else { subject });
            let subject = subject.map_err(|error| error.to_string())?;
            let login = Login::new(&LoginSettings {
                user: string(document, "User")?,
                password: string(document, "Password")?,
                token: string(document, "Token")?,
                credentials: string(document, "Credentials")?,
            });
            let login = login.map_err(|error| error.to_string())?;
            if login.is_secret_in_clear_text() && !endpoint.has_tls && !is_loopback(&endpoint.host) {
                return Err(
                    "passwords and tokens are only sent with TLS\n  use nats+tls:// in Url".to_owned()
                );
            }
            Ok(Target::Nats(Arc::new(NatsTarget { address, subject, login })))
        }
        Protocol::Kafka => kafka(KafkaTarget {
            brokers: kafka_target::brokers(endpoint.authority, if endpoint.has_tls { 9_093 } else { 9_092 })?,
            topic: kafka_target::topic(endpoint.path)?,
            authorities: authorities.map(str::to_owned),
            certificate: kafka_certificate(document, endpoint)?,
            has_tls: endpoint.has_tls,
            login: kafka_login(document, endpoint)?,
        }),
    }
}

#[cfg(feature = "kafka")]
fn kafka(target: KafkaTarget) -> Result<Target, String> {
    Ok(Target::Kafka(Arc::new(target)))
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: KafkaTarget) -> Result<Target, String> {
    Err("this build has no output to Kafka\n  build the programs with the feature kafka".to_owned())
}

fn kafka_certificate(
    document: &DocumentMut,
    endpoint: &Endpoint<'_>,
) -> Result<Option<KafkaCertificate>, String> {
    match (string(document, "ClientCertificate")?, string(document, "ClientKey")?) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) if !endpoint.has_tls => {
            Err("ClientCertificate needs TLS\n  use kafka+tls:// in Url".to_owned())
        }
        (Some(chain), Some(key)) => KafkaCertificate::parse(chain, key).map(Some),
        _ => Err("ClientCertificate and ClientKey must be set together".to_owned()),
    }
}

fn kafka_login(document: &DocumentMut, endpoint: &Endpoint<'_>) -> Result<Option<KafkaLogin>, String> {
    let mechanism = string(document, "Mechanism")?;
    let (user, password) = match (string(document, "User")?, string(document, "Password")?) {
        (None, None) if mechanism.is_some() => return Err("Mechanism requires User and Password".to_owned()),
        (None, None) => return Ok(None),
        (Some(user), Some(password)) => (user.to_owned(), password.to_owned().into()),
        _ => return Err("User and Password must be set together".to_owned()),
    };
    let [default, ..] = MECHANISMS;
    let mechanism = mechanism.unwrap_or(default);
    let mechanism = MECHANISMS.into_iter().find(|known| *known == mechanism);
    let mechanism = mechanism.ok_or_else(|| format!("Mechanism must be {}", MECHANISMS.join(" or ")))?;
    let is_this_machine = is_loopback(&endpoint.host) && !endpoint.authority.contains(',');
    if !endpoint.has_tls && !is_this_machine {
        return Err("passwords are only sent with TLS\n  use kafka+tls:// in Url".to_owned());
    }
    Ok(Some(KafkaLogin { mechanism, user, password }))
}

/// Names of all settings.
const KEYS: [&str; 15] = [
    "Url",
    "CertificateAuthority",
    "Authorization",
    "Required",
    "Subscriptions",
    "Query",
    "MaxSpoolMB",
    "MaxBatchEvents",
    "User",
    "Password",
    "Token",
    "Credentials",
    "Mechanism",
    "ClientCertificate",
    "ClientKey",
];
/// Settings that belong to some protocols only.
const PROTOCOL_KEYS: [(&str, &[Protocol]); 8] = [
    ("Authorization", &[Protocol::Http]),
    ("User", &[Protocol::Nats, Protocol::Kafka]),
    ("Password", &[Protocol::Nats, Protocol::Kafka]),
    ("Token", &[Protocol::Nats]),
    ("Credentials", &[Protocol::Nats]),
    ("Mechanism", &[Protocol::Kafka]),
    ("ClientCertificate", &[Protocol::Kafka]),
    ("ClientKey", &[Protocol::Kafka]),
];
/// Advice about the setting `Url`.
const FORMS: &str = "use syslog+tcp://HOST:PORT, syslog+tls://HOST:PORT, http://HOST:PORT/PATH, \
                     https://HOST:PORT/PATH, nats://HOST:PORT/SUBJECT, nats+tls://HOST:PORT/SUBJECT, \
                     kafka://HOST:PORT/TOPIC or kafka+tls://HOST:PORT/TOPIC";
/// Subject of the messages of NATS.
const DEFAULT_SUBJECT: &str = "wef.{subscription}.{channel}";

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
        let nats = parsed("Url = \"tls://n1/wef.{source}\"\nUser = \"a\"\nPassword = \"secret\"").unwrap();
        let shown = format!("{:?}", nats.target);
        assert!(shown.contains("n1:4222, TLS: true") && !shown.contains("secret"), "{shown}");
        assert!(parsed("Url = \"nats://127.0.0.1\"\nToken = \"t\"").is_ok());
        let kafka = parsed("Url = \"kafka+tls://k1,k2:9\"\nUser = \"a\"\nPassword = \"secret\"");
        if cfg!(feature = "kafka") {
            let shown = format!("{:?}", kafka.unwrap().target);
            assert_eq!(shown, "Kafka(k1:9093,k2:9 topic wef, TLS: true)");
        } else {
            assert!(kafka.unwrap_err().contains("feature kafka"));
        }
        for (text, reason) in [
            ("Url = \"kafka://k1/a/b\"", "a topic has"),
            ("Url = \"kafka://k1,/t\"", "no host"),
            ("Url = \"kafka://k 1,k2/t\"", "is invalid"),
            ("Url = \"kafka://k1\"\nUser = \"u\"\nPassword = \"p\"", "only sent with TLS"),
            ("Url = \"kafka+tls://k1\"\nUser = \"u\"", "together"),
            ("Url = \"kafka+tls://k1\"\nUser = \"u\"\nPassword = \"p\"\nMechanism = \"X\"", "Mechanism must"),
            ("Url = \"kafka://k1\"\nToken = \"t\"", "does not belong"),
            ("Url = \"https://n1\"\nClientKey = \"k\"", "does not belong"),
            ("Url = \"kafka+tls://k1\"\nClientKey = \"k\"", "set together"),
            ("Url = \"kafka://k1\"\nClientKey = \"k\"\nClientCertificate = \"c\"", "kafka+tls://"),
            (
                "Url = \"kafka+tls://k1\"\nClientKey = \"k\"\nClientCertificate = \"c\"",
                "ClientCertificate is",
            ),
            ("Url = \"nats://n1/a.*\"", "wildcards"),
            ("Url = \"nats://n1/a b\"", "printable"),
            ("Url = \"nats://n1\"\nToken = \"t\"", "only sent with TLS"),
            ("Url = \"tls://n1\"\nUser = \"u\"", "together"),
            ("Url = \"tls://n1\"\nAuthorization = \"u\"", "does not belong"),
            ("Url = \"http://n1\"\nUser = \"u\"", "does not belong"),
            ("Url = \"tls://n1\"\nCredentials = \"SUAX\"", "begins with SU"),
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
