//! The names under which Kerberos knows services: `HTTP/node7.example.com` (RFC 4120 6.2.1, MS-WSMV 3.2.4.1.2).

use std::fmt;
use std::net::Ipv6Addr;

/// The class of a service that answers WS-Management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceClass {
    /// What nearly every client asks for.
    Http,
    /// What Windows registers for WS-Management besides.
    Wsman,
    /// What every machine in a domain has. Written in small letters, as MIT Kerberos has it in its keytabs; a domain
    /// of Windows does not mind.
    Host,
}

impl ServiceClass {
    /// All of them, in the order in which they are worth trying.
    pub const ALL: [Self; 3] = [Self::Http, Self::Wsman, Self::Host];

    /// Returns the class of this name, in any case of letters.
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

/// The name of a service without its realm: `HTTP/node7.example.com`, with a port if `-SPNPort` asks for one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServicePrincipalName {
    /// INVARIANT: letters, digits and hyphens.
    class: String,
    /// INVARIANT: what a host may be called or an IPv6 address without brackets; ASCII letters are small.
    host: String,
    port: Option<u16>,
}

/// Why a text is not the name of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpnError {
    /// No class and no slash.
    #[error("a service principal name is CLASS/HOST or CLASS/HOST:PORT, such as HTTP/node7.example.com")]
    Shape,
    /// A class with other characters than letters, digits and hyphens, or none.
    #[error("the class of a service principal name is 1 to 32 letters, digits and hyphens, such as HTTP")]
    Class,
    /// A host with characters that none has.
    #[error("{host:?} cannot be the host of a service principal name")]
    Host {
        /// As it was written, cut short.
        host: String,
    },
    /// A port that is none.
    #[error("the port of a service principal name is a number from 1 to 65535")]
    Port,
}

impl ServicePrincipalName {
    /// The name of a service on a host; `port` only where its name was registered with one.
    ///
    /// # Errors
    /// [`SpnError::Host`].
    pub fn new(class: ServiceClass, host: &str, port: Option<u16>) -> Result<Self, SpnError> {
        Self::of(class.name(), host, port)
    }

    /// Reads a name that someone has chosen, in place of what would follow from the host.
    ///
    /// # Errors
    /// [`SpnError`].
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

    /// The class: `HTTP`.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The host, in small letters and without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if it is part of the name.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The name as GSS-API takes it for a host-based service: `HTTP@node7.example.com` (RFC 2743 4.1).
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
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.len() <= MAX_HOST
        && host.chars().all(fits)
        && !host.trim_end_matches('.').is_empty()
        && !host.starts_with('.')
}

fn parse_port(text: &str) -> Result<u16, SpnError> {
    let is_number = !text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit());
    if is_number { text.parse().map_err(|_| SpnError::Port) } else { Err(SpnError::Port) }
}

const MAX_HOST: usize = 255;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_host_class_and_port() {
        let name = |class, host, port| ServicePrincipalName::new(class, host, port).unwrap().to_string();
        let all = ServiceClass::ALL.map(|class| name(class, "Node7.Example.COM", None));
        assert_eq!(all, ["HTTP/node7.example.com", "WSMAN/node7.example.com", "host/node7.example.com"]);
        assert_eq!(name(ServiceClass::Http, "node7", Some(5985)), "HTTP/node7:5985");
        assert_eq!(name(ServiceClass::Http, "node7.example.com.", None), "HTTP/node7.example.com");
        assert_eq!(name(ServiceClass::Http, "10.0.0.1", Some(80)), "HTTP/10.0.0.1:80");
        assert_eq!(name(ServiceClass::Http, "[FE80::1]", None), "HTTP/fe80::1");
        assert_eq!(name(ServiceClass::Http, "fe80::1", Some(5985)), "HTTP/[fe80::1]:5985");
    }

    #[test]
    fn a_name_that_was_chosen_is_read_and_written_again() {
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
    fn what_names_no_service_is_refused() {
        let host = |host: &str| SpnError::Host { host: host.to_owned() };
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
