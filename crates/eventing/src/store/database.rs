//! Settings of a database, from a TOML file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outbound::{is_loopback, tls_config};
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use toml_edit::DocumentMut;

use crate::error::CollectorError;

/// Database of PostgreSQL.
#[derive(Clone)]
pub struct DatabaseSettings {
    pub(super) config: Config,
    pub(super) tls: Arc<ClientConfig>,
    /// Hosts and name of the database, for messages.
    pub(super) address: String,
}

/// Hides the password.
impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DatabaseSettings").field(&self.address).finish()
    }
}

impl DatabaseSettings {
    /// Maximum size of the file in bytes.
    pub const MAX_FILE: usize = 1 << 20;

    /// Parses the content of a file.
    ///
    /// # Errors
    /// [`CollectorError::DatabaseSettings`] if a setting is missing, unknown or invalid.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self, CollectorError> {
        parse(content).map_err(|reason| CollectorError::DatabaseSettings { path: path.to_owned(), reason })
    }
}

fn parse(content: &[u8]) -> Result<DatabaseSettings, String> {
    let text = std::str::from_utf8(content).map_err(|_| "the file is not UTF-8".to_owned())?;
    // The message of the parser quotes the line, which may contain the password.
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().and_then(|span| Some(text.get(..span.start)?.lines().count().max(1)));
        format!("line {} is not valid TOML", line.unwrap_or(1))
    })?;
    if let Some((unknown, _)) = document.iter().find(|(key, _)| !KEYS.contains(key)) {
        return Err(format!("unknown setting {unknown}; the settings are {}", KEYS.join(", ")));
    }
    let url = string(&document, "Url")?.ok_or_else(|| format!("the setting Url is missing\n  {FORM}"))?;
    if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
        return Err(format!("Url is not the address of a PostgreSQL database\n  {FORM}"));
    }
    // The client library verifies names always, and knows only the other word.
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        format!("Url is invalid: {reason}\n  {FORM}")
    })?;
    if config.get_password().is_some() {
        return Err("Url must not contain a password\n  use the setting Password".to_owned());
    }
    if config.get_user().is_none_or(str::is_empty) || config.get_dbname().is_none_or(str::is_empty) {
        return Err(format!("Url must name the user and the database\n  {FORM}"));
    }
    if config.get_hosts().is_empty() {
        return Err(format!("Url has no host\n  {FORM}"));
    }
    match (is_remote(&config), config.get_ssl_mode()) {
        (true, SslMode::Disable) => {
            return Err("databases of other machines are only used with TLS\n  remove sslmode=disable from Url, and set \
                        CertificateAuthority if the system does not trust the server's authority"
                .to_owned());
        }
        (_, SslMode::Require) => {}
        (true, _) => _ = config.ssl_mode(SslMode::Require),
        (false, _) => _ = config.ssl_mode(SslMode::Disable),
    }
    if let Some(password) = string(&document, "Password")? {
        config.password(password);
    }
    let tls = tls_config(string(&document, "CertificateAuthority")?)?;
    config.application_name("telarchd").connect_timeout(CONNECT_TIME);
    config.tcp_user_timeout(OPERATION_TIME);
    let hosts: Vec<String> = config.get_hosts().iter().map(host_name).collect();
    let address = format!("{} at {}", config.get_dbname().unwrap_or_default(), hosts.join(", "));
    Ok(DatabaseSettings { config, tls, address })
}

/// Returns whether a connection may leave this machine.
fn is_remote(config: &Config) -> bool {
    let has_remote_name =
        config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if !is_loopback(name)));
    has_remote_name || config.get_hostaddrs().iter().any(|address| !address.is_loopback())
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// Returns the value of a setting that is a text.
fn string<'d>(document: &'d DocumentMut, key: &str) -> Result<Option<&'d str>, String> {
    match document.get(key) {
        None => Ok(None),
        Some(item) => item.as_str().map(Some).ok_or_else(|| format!("{key} must be a text")),
    }
}

/// Time for opening a connection.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Time for an operation.
pub(super) const OPERATION_TIME: Duration = Duration::from_secs(30);
/// Names of all settings.
const KEYS: [&str; 3] = ["Url", "Password", "CertificateAuthority"];
/// Form of the address.
const FORM: &str = "use postgresql://USER@HOST[:PORT]/DATABASE, or postgresql://USER@/DATABASE?host=DIRECTORY with the \
                    directory of a Unix socket";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<DatabaseSettings, String> {
        parse(text.as_bytes())
    }

    #[test]
    fn databases_of_other_machines_need_tls() {
        for (url, expected) in [
            ("postgresql://telarch@db.example.com/events", SslMode::Require),
            ("postgresql://telarch@db.example.com/events?sslmode=verify-full", SslMode::Require),
            ("postgresql://telarch@127.0.0.1:5433/events", SslMode::Disable),
            ("postgresql://telarch@localhost/events?sslmode=require", SslMode::Require),
            ("postgresql://telarch@/events?host=/run/postgresql", SslMode::Disable),
            ("postgresql://telarch@localhost,db.example.com/events", SslMode::Require),
        ] {
            let settings = parsed(&format!("Url = \"{url}\"")).unwrap();
            assert_eq!(settings.config.get_ssl_mode(), expected, "{url}");
        }
        let error = parsed("Url = \"postgresql://t@db.example.com/e?sslmode=disable\"").unwrap_err();
        assert!(error.contains("only used with TLS"), "{error}");
    }

    #[test]
    fn messages_never_contain_the_password() {
        let settings = parsed("Url = \"postgresql://t@db/e\"\nPassword = \"geheim\"").unwrap();
        assert_eq!(format!("{settings:?}"), "DatabaseSettings(\"e at db\")");
        for text in [
            "Url = \"postgresql://t:geheim@db/e\"",
            "Url = \"postgresql://t@db/e\"\nPassword = geheim",
            "Url = \"postgresql://t@db/e?sslmode=geheim&password=geheim\"",
            "Url = \"host=db password=geheim\"",
            "Password = \"geheim\"",
            "Url = \"postgresql://db/e\"\nPassword = \"geheim\"",
            "Url = \"postgresql://t@/e\"\nPassword = \"geheim\"",
            "Url = \"postgresql://t@db/e\"\nPasswort = \"geheim\"",
        ] {
            let error = parsed(text).unwrap_err();
            assert!(!error.contains("geheim"), "{text}: {error}");
        }
    }
}
