//! Names of services (MS-WSMV 2.2.4, RFC 4120 6.2).

use std::fmt;
use std::num::NonZeroU16;

use crate::KerberosError;
use crate::library::NameForm;

/// A service principal name: `service/host`, `service/host:port`, either with `@REALM`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spn {
    /// INVARIANT: not empty, only of letters, digits, `-`, `_` and `.`.
    service: String,
    /// INVARIANT: as the service; or an IPv6 address in brackets.
    host: String,
    port: Option<NonZeroU16>,
    /// INVARIANT: not empty, only of graphic ASCII characters without `@`, `/` and `\`.
    realm: Option<String>,
}

impl Spn {
    /// Reads `service/host[:port][@REALM]`.
    ///
    /// Without a realm, `krb5.conf` (`[domain_realm]`) or else the KDC says where the host belongs.
    ///
    /// # Errors
    /// [`KerberosError::NotAnSpn`].
    pub fn parse(text: &str) -> Result<Self, KerberosError> {
        Self::read(text).ok_or_else(|| KerberosError::NotAnSpn(text.chars().take(MAX_OCTETS).collect()))
    }

    /// The name that clients of WS-Management ask for: `HTTP/host`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn http(host: &str) -> Result<Self, KerberosError> {
        Self::parse(&format!("HTTP/{host}"))
    }

    /// The same service with the port in its name, as `-SPNPort` demands.
    #[must_use]
    pub fn with_port(self, port: NonZeroU16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// The kind of service, such as `HTTP`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_OCTETS {
            return None;
        }
        let (name, realm) = text.split_once('@').map_or((text, None), |(name, realm)| (name, Some(realm)));
        let (service, place) = name.split_once('/')?;
        // The colons of an IPv6 address are inside its brackets.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (place, None),
        };
        let port = match port {
            // Not even a sign is allowed before it.
            Some(port) if port.starts_with(|c: char| c.is_ascii_digit()) => Some(port.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        let is_realm = |realm: &str| {
            !realm.is_empty() && realm.chars().all(|c| c.is_ascii_graphic() && !"@/\\".contains(c))
        };
        let is_spn = is_word(service) && is_host(host) && realm.is_none_or(is_realm);
        is_spn.then(|| Self {
            service: service.to_owned(),
            host: host.to_owned(),
            port,
            realm: realm.map(str::to_owned),
        })
    }

    /// As the library wants it.
    pub(crate) fn name(&self) -> (String, NameForm) {
        // Only a host-based name is looked up in [domain_realm]; any other without a realm is of the default one.
        match self.realm {
            Some(_) => (self.to_string(), NameForm::Principal),
            None => (format!("{}@{}", self.service, self.place()), NameForm::HostService),
        }
    }

    fn place(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }
}

impl fmt::Display for Spn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.place())?;
        self.realm.as_ref().map_or(Ok(()), |realm| write!(f, "@{realm}"))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.map_or_else(
        || is_word(text),
        |address| !address.is_empty() && address.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c)),
    )
}

const MAX_OCTETS: usize = 512;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_for_by_host_or_by_realm() {
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
    fn the_port_is_added_on_demand() {
        let spn = Spn::http("web").unwrap().with_port(NonZeroU16::new(5985).unwrap());
        assert_eq!(spn.to_string(), "HTTP/web:5985");
    }

    #[test]
    fn what_is_no_service_is_refused() {
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
