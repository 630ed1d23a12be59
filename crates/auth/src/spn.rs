//! Kerberos service principal names: `HTTP/node7.example.com` (RFC 4120 6.2.1, MS-WSMV 3.2.4.1.2).

use std::fmt;
use std::net::Ipv6Addr;

/// Service class used for WS-Management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceClass {
    /// `HTTP`, which nearly every client requests.
    Http,
    /// `WSMAN`, which Windows registers as well.
    Wsman,
    /// `host`, which every domain member has. Lower case, as in keytabs of MIT Kerberos; Windows domains ignore case.
    Host,
}

impl ServiceClass {
    /// All classes, in the order in which to try them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Wsman, Self::Host];

    /// Returns the class of this name, compared without case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Wsman => "WSMAN",
            Self::Host => "host",
        }
    }
}

/// Service principal name without its realm: `HTTP/node7.example.com`, with a port if `-SPNPort` requests it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServicePrincipalName {
    /// INVARIANT: letters, digits and hyphens.
    class: String,
    /// INVARIANT: a host name or an IPv6 address without brackets; ASCII letters are lower case.
    host: String,
    port: Option<u16>,
}

/// Reason why a text is not a service principal name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpnError {
    /// Class or slash is missing.
    #[error(
        "invalid service principal name: write CLASS/HOST or CLASS/HOST:PORT, such as HTTP/node7.example.com"
    )]
    Shape,
    /// The class is empty, too long, or contains other characters than letters, digits and hyphens.
    #[error(
        "invalid class of a service principal name: use 1 to 32 letters, digits and hyphens, such as HTTP"
    )]
    Class,
    /// The host is empty or contains invalid characters.
    #[error("invalid host \"{host}\" of a service principal name")]
    Host {
        /// Host as written, cut to 40 characters.
        host: String,
    },
    /// The port is invalid.
    #[error("invalid port of a service principal name: use a number from 1 to 65535")]
    Port,
}

impl ServicePrincipalName {
    /// Creates the name of a service on a host. `port` is set only if the name was registered with it.
    ///
    /// # Errors
    /// [`SpnError::Host`] or [`SpnError::Port`] if they are invalid.
    pub fn new(class: ServiceClass, host: &str, port: Option<u16>) -> Result<Self, SpnError> {
        Self::of(class.name(), host, port)
    }

    /// Parses a name that the user has chosen.
    ///
    /// # Errors
    /// [`SpnError`] if a part is missing or invalid.
    pub fn parse(text: &str) -> Result<Self, SpnError> {
        let (class, instance) = text.split_once('/').ok_or(SpnError::Shape)?;
        let (host, port) = match instance.rsplit_once(':') {
            Some((host, port)) if host.ends_with(']') || !host.contains([':', '[']) => (host, Some(port)),
            _ => (instance, None),
        };
        Self::of(class, host, port.map(parse_port).transpose()?)
    }

    fn of(class: &str, host: &str, port: Option<u16>) -> Result<Self, SpnError> {
        let is_class =
            (1..=32).contains(&class.len()) && class.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        if !is_class {
            return Err(SpnError::Class);
        }
        if port == Some(0) {
            return Err(SpnError::Port);
        }
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match bare.unwrap_or(host).parse::<Ipv6Addr>() {
            Ok(_) => true,
            Err(_) => bare.is_none() && is_host_name(host),
        };
        if !is_host {
            return Err(SpnError::Host { host: host.chars().take(40).collect() });
        }
        let host = bare.unwrap_or(host).trim_end_matches('.').to_ascii_lowercase();
        Ok(Self { class: class.to_owned(), host, port })
    }

    /// Service class, such as `HTTP`.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Host in lower case, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port, if it is part of the name.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Formats the name for GSS-API as a host-based service: `HTTP@node7.example.com` (RFC 2743 4.1).
    #[must_use]
    pub fn host_based(&self) -> String {
        self.joined('@')
    }

    fn joined(&self, sign: char) -> String {
        let Self { class, host, port } = self;
        match port {
            None => format!("{class}{sign}{host}"),
            Some(port) if host.contains(':') => format!("{class}{sign}[{host}]:{port}"),
            Some(port) => format!("{class}{sign}{host}:{port}"),
        }
    }
}

impl fmt::Display for ServicePrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined('/'))
    }
}

impl fmt::Debug for ServicePrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_host_name(host: &str) -> bool {
    host.len() <= MAX_HOST
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && !host.trim_end_matches('.').is_empty()
        && !host.starts_with('.')
}

fn parse_port(text: &str) -> Result<u16, SpnError> {
    let is_number = !text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit());
    if is_number { text.parse().map_err(|_| SpnError::Port) } else { Err(SpnError::Port) }
}

const MAX_HOST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(class: ServiceClass, host: &str, port: Option<u16>) -> String {
        ServicePrincipalName::new(class, host, port).unwrap().to_string()
    }

    fn host(host: &str) -> SpnError {
        SpnError::Host { host: host.to_owned() }
    }

    #[test]
    fn names_are_formatted_from_class_host_and_port() {
        let all = ServiceClass::ALL.map(|class| name(class, "Node7.Example.COM", None));
        assert_eq!(all, ["HTTP/node7.example.com", "WSMAN/node7.example.com", "host/node7.example.com"]);
        assert_eq!(name(ServiceClass::Http, "node7", Some(5985)), "HTTP/node7:5985");
        assert_eq!(name(ServiceClass::Http, "node7.example.com.", None), "HTTP/node7.example.com");
        assert_eq!(name(ServiceClass::Http, "10.0.0.1", Some(80)), "HTTP/10.0.0.1:80");
        assert_eq!(name(ServiceClass::Http, "[FE80::1]", None), "HTTP/fe80::1");
        assert_eq!(name(ServiceClass::Http, "fe80::1", Some(5985)), "HTTP/[fe80::1]:5985");
    }

    #[test]
    fn chosen_names_round_trip() {
        for (text, class, host, port) in [
            ("HTTP/web.example.com", "HTTP", "web.example.com", None),
            ("http/web:8080", "http", "web", Some(8080)),
            ("WSMAN/[fe80::1]:5985", "WSMAN", "fe80::1", Some(5985)),
            ("my-class/fe80::1", "my-class", "fe80::1", None),
        ] {
            let name = ServicePrincipalName::parse(text).unwrap();
            assert_eq!((name.class(), name.host(), name.port()), (class, host, port), "{text}");
            assert_eq!(name.to_string(), text);
            assert_eq!(name.host_based(), text.replacen('/', "@", 1));
        }
    }

    #[test]
    fn malformed_names_are_rejected() {
        for (text, error) in [
            ("", SpnError::Shape),
            ("node7", SpnError::Shape),
            ("/node7", SpnError::Class),
            ("HT TP/node7", SpnError::Class),
            ("HTTP/", host("")),
            ("HTTP/.", host(".")),
            ("HTTP/.a", host(".a")),
            ("HTTP/a/b", host("a/b")),
            ("HTTP/a@REALM", host("a@REALM")),
            ("HTTP/a\n", host("a\n")),
            ("HTTP/[a]", host("[a]")),
            ("HTTP/[fe80::1", host("[fe80::1")),
            ("HTTP/node7:", SpnError::Port),
            ("HTTP/node7:0", SpnError::Port),
            ("HTTP/node7:080", SpnError::Port),
            ("HTTP/node7:65536", SpnError::Port),
            ("HTTP/node7:+80", SpnError::Port),
        ] {
            assert_eq!(ServicePrincipalName::parse(text), Err(error), "{text:?}");
        }
        assert!(ServicePrincipalName::new(ServiceClass::Http, &"a".repeat(256), None).is_err());
        assert_eq!(ServicePrincipalName::new(ServiceClass::Http, "a", Some(0)), Err(SpnError::Port));
    }
}
