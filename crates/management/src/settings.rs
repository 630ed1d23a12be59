//! Settings of the service, by the names of their registry values.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};
use toml_edit::{DocumentMut, value};

use crate::{Restrictions, RestrictionsError};

/// Address of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// `*`: all addresses of the machine.
    All,
    /// One address.
    One(IpAddr),
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(address) => write!(f, "{address}"),
        }
    }
}

/// SHA-1 hash that identifies a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateHash(pub [u8; 20]);

impl fmt::Display for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// The settings of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `true`: requests of other machines are accepted.
    pub enable_remote_management: bool,
    /// Address of the listener.
    pub ip_address: BindAddress,
    /// TCP port of the listener.
    pub port: u16,
    /// Certificate in use; `None` for the self-signed one.
    pub ssl_certificate_hash: Option<CertificateHash>,
    /// `true`: accounts of the operating system only, not manager users.
    pub requires_windows_credentials: bool,
    /// `true`: every request is logged.
    pub enable_logging: bool,
    /// Directory of the request log; `None` for the default directory.
    pub logging_directory: Option<PathBuf>,
    /// Address rules.
    pub remote_restrictions: Restrictions,
    /// Groups of the operating system whose members are server administrators.
    pub administrator_groups: Vec<String>,
    /// `true`: settings can be staged from other machines, too.
    pub allow_remote_service_configuration: bool,
    /// Configuration directory of the managed nginx; `None` for `/etc/nginx`, if it exists.
    pub nginx_directory: Option<PathBuf>,
    /// Directories in which configuration files may be changed; empty for the configuration directory.
    pub configuration_roots: Vec<PathBuf>,
    /// Directories below which deployments may replace folders of sites; empty if there are no deployments.
    pub content_roots: Vec<PathBuf>,
    /// `true`: users with the permission for terminals can open a shell.
    pub enable_terminals: bool,
    /// Seconds without input after which a terminal ends.
    pub terminal_idle_seconds: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enable_remote_management: false,
            ip_address: BindAddress::All,
            port: 8_172,
            ssl_certificate_hash: None,
            requires_windows_credentials: false,
            enable_logging: true,
            logging_directory: None,
            remote_restrictions: Restrictions::default(),
            administrator_groups: ["root", "sudo", "wheel"].map(str::to_owned).to_vec(),
            allow_remote_service_configuration: false,
            nginx_directory: None,
            configuration_roots: Vec::new(),
            content_roots: Vec::new(),
            enable_terminals: false,
            terminal_idle_seconds: Self::MAX_TERMINAL_IDLE,
        }
    }
}

/// Reason why settings are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No setting has this name.
    #[error("unknown setting \"{0}\"; the settings are {names}", names = NAMES.join(", "))]
    Unknown(String),
    /// The value is not allowed.
    #[error("{name}: \"{value}\" is not {expected}")]
    Value {
        /// Name of the setting.
        name: &'static str,
        /// The value.
        value: String,
        /// Description of allowed values.
        expected: &'static str,
    },
    /// The address rules are invalid.
    #[error("RemoteRestrictions: {0}")]
    Restrictions(#[from] RestrictionsError),
    /// The file is not TOML.
    #[error("not a TOML file: {0}")]
    Toml(String),
}

impl Settings {
    /// Shortest time without input after which a terminal ends, in seconds.
    pub const MIN_TERMINAL_IDLE: u16 = 10;
    /// Longest time without input after which a terminal ends, in seconds: that of a session.
    pub const MAX_TERMINAL_IDLE: u16 = 15 * 60;

    /// Names of all settings, in the order in which they are listed.
    #[must_use]
    pub const fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// Returns the value of a setting as text; `None` for an unknown name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        Some(match canonical(name)? {
            "EnableRemoteManagement" => self.enable_remote_management.to_string(),
            "IPAddress" => self.ip_address.to_string(),
            "Port" => self.port.to_string(),
            "SslCertificateHash" => {
                self.ssl_certificate_hash.map_or_else(String::new, |hash| hash.to_string())
            }
            "RequiresWindowsCredentials" => self.requires_windows_credentials.to_string(),
            "EnableLogging" => self.enable_logging.to_string(),
            "LoggingDirectory" => path_text(self.logging_directory.as_deref()),
            "RemoteRestrictions" => self.remote_restrictions.to_string(),
            "AdministratorGroups" => self.administrator_groups.join(", "),
            "AllowRemoteServiceConfiguration" => self.allow_remote_service_configuration.to_string(),
            "NginxDirectory" => path_text(self.nginx_directory.as_deref()),
            "ConfigurationRoots" => path_list_text(&self.configuration_roots),
            "EnableTerminals" => self.enable_terminals.to_string(),
            "TerminalIdleSeconds" => self.terminal_idle_seconds.to_string(),
            _ => path_list_text(&self.content_roots),
        })
    }

    /// Sets a value from text; names are not case-sensitive. Truth values are `true`, `false`, `1` or `0`.
    ///
    /// # Errors
    /// [`SettingsError`] for an unknown name or a value that is not allowed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        let name = canonical(name).ok_or_else(|| SettingsError::Unknown(name.to_owned()))?;
        match name {
            "EnableRemoteManagement" => self.enable_remote_management = truth(name, value)?,
            "IPAddress" if value == "*" => self.ip_address = BindAddress::All,
            "IPAddress" => self.ip_address = BindAddress::One(parse(name, value, "* or an IP address")?),
            "Port" => {
                let port: std::num::NonZeroU16 = parse(name, value, "a port from 1 to 65535")?;
                self.port = port.get();
            }
            "SslCertificateHash" => self.ssl_certificate_hash = certificate_hash(name, value)?,
            "RequiresWindowsCredentials" => self.requires_windows_credentials = truth(name, value)?,
            "EnableLogging" => self.enable_logging = truth(name, value)?,
            "LoggingDirectory" => self.logging_directory = directory(name, value)?,
            "RemoteRestrictions" => self.remote_restrictions = value.parse()?,
            "AdministratorGroups" => self.administrator_groups = groups(name, value)?,
            "AllowRemoteServiceConfiguration" => {
                self.allow_remote_service_configuration = truth(name, value)?;
            }
            "NginxDirectory" => self.nginx_directory = directory(name, value)?,
            "ConfigurationRoots" => self.configuration_roots = directories(name, value)?,
            "EnableTerminals" => self.enable_terminals = truth(name, value)?,
            "TerminalIdleSeconds" => {
                let expected = "a number of seconds from 10 to 900";
                let seconds = parse(name, value, expected)?;
                if !(Self::MIN_TERMINAL_IDLE..=Self::MAX_TERMINAL_IDLE).contains(&seconds) {
                    return Err(invalid(name, value, expected));
                }
                self.terminal_idle_seconds = seconds;
            }
            _ => self.content_roots = directories(name, value)?,
        }
        Ok(())
    }

    /// Parses a settings file. Settings that are not in it have their defaults.
    ///
    /// # Errors
    /// [`SettingsError`] for malformed TOML, an unknown name or a value that is not allowed.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| SettingsError::Toml(error.to_string()))?;
        let mut settings = Self::default();
        for (name, item) in document.iter() {
            let text = match item.as_value() {
                Some(toml_edit::Value::String(text)) => text.value().clone(),
                Some(toml_edit::Value::Boolean(truth)) => truth.value().to_string(),
                Some(toml_edit::Value::Integer(number)) => number.value().to_string(),
                _ => return Err(SettingsError::Unknown(name.to_owned())),
            };
            settings.set(name, &text)?;
        }
        Ok(settings)
    }

    /// Returns the text of a settings file with the changed settings, keeping the comments of the old text.
    ///
    /// # Errors
    /// [`SettingsError::Toml`] if the old text is malformed.
    pub fn to_toml(&self, old: &str) -> Result<String, SettingsError> {
        let mut document: DocumentMut =
            old.parse().map_err(|error: toml_edit::TomlError| SettingsError::Toml(error.to_string()))?;
        let usual = Self::default();
        for name in NAMES {
            let text = self.text(name);
            let known: Vec<String> = document.iter().map(|(key, _)| key.to_owned()).collect();
            let key = known.iter().find(|key| key.eq_ignore_ascii_case(name));
            if text == usual.text(name) && key.is_none() {
                continue;
            }
            let key = key.map_or(name, String::as_str);
            let item = match self.json(name) {
                Value::Bool(truth) => value(truth),
                Value::Number(number) => value(number.as_i64().unwrap_or_default()),
                _ => value(text.unwrap_or_default()),
            };
            // Assigning to an existing item keeps the comments before its key.
            match document.get_mut(key) {
                Some(existing) => *existing = item,
                None => {
                    document.insert(key, item);
                }
            }
        }
        Ok(document.to_string())
    }

    /// Returns the value of a setting as JSON: truth values and numbers have their own types.
    #[must_use]
    pub fn json(&self, name: &str) -> Value {
        match canonical(name) {
            Some("EnableRemoteManagement") => json!(self.enable_remote_management),
            Some("Port") => json!(self.port),
            Some("RequiresWindowsCredentials") => json!(self.requires_windows_credentials),
            Some("EnableLogging") => json!(self.enable_logging),
            Some("AllowRemoteServiceConfiguration") => json!(self.allow_remote_service_configuration),
            Some("EnableTerminals") => json!(self.enable_terminals),
            Some("TerminalIdleSeconds") => json!(self.terminal_idle_seconds),
            _ => self.text(name).map_or(Value::Null, Value::String),
        }
    }
}

/// Names of the settings: those of the registry, then our own.
const NAMES: [&str; 15] = [
    "EnableRemoteManagement",
    "IPAddress",
    "Port",
    "SslCertificateHash",
    "RequiresWindowsCredentials",
    "EnableLogging",
    "LoggingDirectory",
    "RemoteRestrictions",
    "AdministratorGroups",
    "AllowRemoteServiceConfiguration",
    "NginxDirectory",
    "ConfigurationRoots",
    "ContentRoots",
    "EnableTerminals",
    "TerminalIdleSeconds",
];

fn canonical(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

fn truth(name: &'static str, value: &str) -> Result<bool, SettingsError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid(name, value, "true or false")),
    }
}

fn parse<T: FromStr>(name: &'static str, value: &str, expected: &'static str) -> Result<T, SettingsError> {
    value.parse().map_err(|_| invalid(name, value, expected))
}

fn certificate_hash(name: &'static str, value: &str) -> Result<Option<CertificateHash>, SettingsError> {
    let digits: String = value.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
    if digits.is_empty() {
        return Ok(None);
    }
    let expected = "a SHA-1 hash of 40 hexadecimal digits";
    let is_hash = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return Err(invalid(name, value, expected));
    }
    let mut hash = [0; 20];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid(name, value, expected))?;
    }
    Ok(Some(CertificateHash(hash)))
}

fn directory(name: &'static str, value: &str) -> Result<Option<PathBuf>, SettingsError> {
    if value.is_empty() {
        return Ok(None);
    }
    let is_path = Path::new(value).is_absolute() && !value.chars().any(char::is_control);
    is_path.then(|| Some(PathBuf::from(value))).ok_or_else(|| invalid(name, value, "an absolute path"))
}

fn directories(name: &'static str, value: &str) -> Result<Vec<PathBuf>, SettingsError> {
    let directories = items(value).map(|item| directory(name, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(directories.into_iter().flatten().collect())
}

fn path_text(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

fn path_list_text(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

/// Returns the items of a list with commas.
fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn groups(name: &'static str, value: &str) -> Result<Vec<String>, SettingsError> {
    if items(value).all(is_group_name) {
        Ok(items(value).map(str::to_owned).collect())
    } else {
        Err(invalid(name, value, "a list of group names with commas"))
    }
}

fn is_group_name(text: &str) -> bool {
    text.len() <= 256 && !text.contains([':', ' ']) && !text.contains(char::is_control)
}

fn invalid(name: &'static str, value: &str, expected: &'static str) -> SettingsError {
    SettingsError::Value { name, value: value.escape_debug().to_string(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_and_comments_are_kept() {
        let old = "# managed by ops\nport = 9000\n";
        let mut settings = Settings::from_toml(old).unwrap();
        assert_eq!(settings.port, 9_000);
        for (name, value) in [
            ("enableremotemanagement", "1"),
            ("IPAddress", "192.0.2.7"),
            ("Port", "8443"),
            ("SslCertificateHash", "a1:b2 c3d4e5f60718293a4b5c6d7e8f9012345678"),
            ("LoggingDirectory", "/var/log/wmsvc"),
            ("RemoteRestrictions", "deny, allow fd00::/8"),
            ("AdministratorGroups", "wheel, webadmins"),
            ("NginxDirectory", "/srv/nginx"),
            ("ConfigurationRoots", "/srv/nginx, /srv/sites"),
            ("ContentRoots", "/srv/www, /var/www"),
            ("EnableTerminals", "1"),
            ("TerminalIdleSeconds", "60"),
        ] {
            settings.set(name, value).unwrap();
        }
        let text = settings.to_toml(old).unwrap();
        assert!(text.starts_with("# managed by ops\nport = 8443\n"), "{text}");
        assert!(
            text.contains("EnableRemoteManagement = true\n") && !text.contains("EnableLogging"),
            "{text}"
        );
        assert_eq!(Settings::from_toml(&text), Ok(settings));
    }

    #[test]
    fn values_that_are_not_allowed_are_rejected() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("Port", "0"),
            ("Port", "65536"),
            ("IPAddress", "host"),
            ("EnableLogging", "yes"),
            ("EnableTerminals", "on"),
            ("TerminalIdleSeconds", "9"),
            ("TerminalIdleSeconds", "901"),
            ("SslCertificateHash", "abc"),
            ("LoggingDirectory", "logs"),
            ("RemoteRestrictions", "allow, deny x"),
            ("AdministratorGroups", "a b"),
            ("ConfigurationRoots", "/etc, sites"),
            ("Color", "red"),
        ] {
            assert!(settings.set(name, value).is_err(), "{name}={value}");
        }
        assert_eq!(settings, Settings::default());
        assert!(Settings::from_toml("[Port]\n").is_err() && Settings::from_toml("=").is_err());
    }
}
