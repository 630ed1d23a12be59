//! Service principal names (MS-WSMV 2.2.4, RFC 4120 6.2).

use std::fmt;
use std::num::NonZeroU16;

use crate::KerberosError;
use crate::library::NameForm;

/// A service principal name: `service/host` or `service/host:port`, optionally with `@REALM`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spn {
    /// INVARIANT: not empty, only letters, digits, `-`, `_` and `.`.
    service: String,
    /// INVARIANT: same characters as the service, or an IPv6 address in brackets.
    host: String,
    port: Option<NonZeroU16>,
    /// INVARIANT: not empty, only graphic ASCII characters without `@`, `/` and `\`.
    realm: Option<String>,
}

impl Spn {
    /// Parses `service/host[:port][@REALM]`.
    ///
    /// Without a realm, `krb5.conf` (`[domain_realm]`) or the KDC determines it.
    ///
    /// # Errors
    /// [`KerberosError::NotAnSpn`] for an invalid name.
    pub fn parse(text: &str) -> Result<Self, KerberosError> {
        Self::read(text).ok_or_else(|| KerberosError::NotAnSpn(text.chars().take(MAX_LENGTH).collect()))
    }

    /// Returns the name that WS-Management clients request: `HTTP/host`.
    ///
    /// # Errors
    /// [`KerberosError::NotAnSpn`] for an invalid host.
    pub fn http(host: &str) -> Result<Self, KerberosError> {
        Self::parse(&format!("HTTP/{host}"))
    }

    /// Adds the port to the name, as `-SPNPort` requires.
    #[must_use]
    pub fn with_port(self, port: NonZeroU16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// Service class, such as `HTTP`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Host name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (name, realm) = text.split_once('@').map_or((text, None), |(name, realm)| (name, Some(realm)));
        let (service, instance) = name.split_once('/')?;
        // The colons of an IPv6 address are inside its brackets.
        let (host, port) = match instance.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (instance, None),
        };
        let port = match port {
            // A sign is not allowed.
            Some(port) if port.starts_with(|c: char| c.is_ascii_digit()) => Some(port.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        let is_spn = is_word(service) && is_host(host) && realm.is_none_or(is_realm);
        is_spn.then(|| Self {
            service: service.to_owned(),
            host: host.to_owned(),
            port,
            realm: realm.map(str::to_owned),
        })
    }

    /// Returns the name in the form that the library expects.
    pub(crate) fn name(&self) -> (String, NameForm) {
        // Only host-based names are looked up in [domain_realm]; other names without a realm get the default realm.
        match self.realm {
            Some(_) => (self.to_string(), NameForm::Principal),
            None => (format!("{}@{}", self.service, self.instance()), NameForm::HostService),
        }
    }

    fn instance(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }
}

impl fmt::Display for Spn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.instance())?;
        self.realm.as_ref().map_or(Ok(()), |realm| write!(f, "@{realm}"))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_realm(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !"@/\\".contains(c))
}

fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.map_or_else(
        || is_word(text),
        |address| !address.is_empty() && address.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c)),
    )
}

const MAX_LENGTH: usize = 512;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_converted_for_the_library() {
        use NameForm::{HostService, Principal};
        for (text, name, form) in [
            ("HTTP/web.example.com", "HTTP@web.example.com", HostService),
            ("WSMAN/web", "WSMAN@web", HostService),
            ("HTTP/web:5986", "HTTP@web:5986", HostService),
            ("host/web@EXAMPLE.COM", "host/web@EXAMPLE.COM", Principal),
            ("HTTP/web:5985@EXAMPLE.COM", "HTTP/web:5985@EXAMPLE.COM", Principal),
            ("HTTP/[::1]", "HTTP@[::1]", HostService),
            ("HTTP/[fe80::1]:5985", "HTTP@[fe80::1]:5985", HostService),
        ] {
            let spn = Spn::parse(text).unwrap();
            assert_eq!(spn.name(), (name.to_owned(), form));
            assert_eq!(spn.to_string(), text);
        }
    }

    #[test]
    fn with_port_adds_the_port() {
        let spn = Spn::http("web").unwrap().with_port(NonZeroU16::new(5985).unwrap());
        assert_eq!(spn.to_string(), "HTTP/web:5985");
    }

    #[test]
    fn malformed_names_are_rejected() {
        let long = format!("HTTP/{}", "a".repeat(600));
        for text in [
            "",
            "HTTP",
            "HTTP/",
            "/web",
            "HTTP/web/more",
            "HTTP/web:",
            "HTTP/web:0",
            "HTTP/web:65536",
            "HTTP/web:+1",
            "HTTP/web:x",
            "HTTP/web@",
            "HTTP/web@A@B",
            "HTTP/we b",
            "HTTP/web\n",
            "HT@TP/web",
            "HTTP/[::1",
            "HTTP/::1",
            "HTTP/[]",
            "HTTP/web@A/B",
            &long,
        ] {
            assert!(matches!(Spn::parse(text), Err(KerberosError::NotAnSpn(_))), "{text:?}");
        }
    }
}
