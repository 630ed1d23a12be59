//! An HTTP proxy between a session and its service.
//!
//! To a service on HTTPS it makes a tunnel (`CONNECT`, RFC 9110 9.3.6), in which it sees nothing; to one on HTTP it
//! passes each request on by its whole URL (RFC 9112 3.2.2).

mod gate;
mod tunnel;

use std::{fmt, io};

use crate::authentication::Credentials;
use crate::error::{Error, Seen, Violation};
use crate::{Endpoint, EndpointError, Secret};

pub(crate) use gate::Gate;
pub(crate) use tunnel::through;

/// Where a proxy is, and who asks it.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// INVARIANT: of plain HTTP.
    endpoint: Endpoint,
    authentication: ProxyAuthentication,
}

/// How a proxy learns who asks.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ProxyAuthentication {
    /// Not at all.
    #[default]
    None,
    /// By name and password, which everybody before the proxy can read (RFC 7617).
    Basic(Credentials),
    /// By a digest of the password (RFC 7616).
    Digest(Credentials),
    /// By Kerberos or NTLM (RFC 4559); without credentials by a ticket of Kerberos that the user has.
    Negotiate(Option<Credentials>),
}

/// Why a text is not the address of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyAddressError {
    /// A proxy of another kind.
    #[error("a proxy of {0}:// is not spoken to: only those of http:// are")]
    Kind(String),
    /// Host or port are none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// Why a proxy does not lead to the service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Nobody answers there.
    #[error("it cannot be reached: {0}")]
    Unreached(#[source] io::Error),
    /// It does not accept who is asking, or wants to know.
    #[error("{}", refusal_of(offered, *tried))]
    Refused {
        /// The schemes it offers.
        offered: Vec<String>,
        /// The scheme that was tried, if any was.
        tried: Option<&'static str>,
    },
    /// It cannot or will not reach the service.
    #[error("it answers HTTP {status}{}; what came with it is {seen}", meaning_of(*status))]
    Status {
        /// The status.
        status: u16,
        /// What came with it.
        seen: Seen,
    },
    /// What it sent is not what the protocol allows.
    #[error(transparent)]
    Unreadable(#[from] Violation),
}

impl Proxy {
    /// Reads `[http://][USER:PASSWORD@]HOST[:PORT][/]`, as `https_proxy` holds it; without a port it is 80.
    ///
    /// # Errors
    /// [`ProxyAddressError`], which repeats no password.
    pub fn parse(address: &str) -> Result<Self, ProxyAddressError> {
        let address = address.trim();
        let (kind, rest) = address.split_once("://").unwrap_or(("http", address));
        if !kind.eq_ignore_ascii_case("http") {
            return Err(ProxyAddressError::Kind(kind.chars().take(LONGEST_SHOWN).collect()));
        }
        let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let endpoint = Endpoint::parse(&format!("http://{place}"))?;
        let authentication = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            None => ProxyAuthentication::None,
            Some((user, password)) => ProxyAuthentication::Basic(Credentials {
                user: unescaped(user),
                password: Secret::new(unescaped(password)),
            }),
        };
        Ok(Self { endpoint, authentication })
    }

    /// Says who asks, in place of what stood in the address.
    #[must_use]
    pub fn authentication(mut self, authentication: ProxyAuthentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Host and port, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.endpoint.place()
    }

    /// What a failure to reach it means for the way to the service.
    pub(crate) fn unreached(&self, error: Error) -> Error {
        match error {
            Error::NotResolved { source, .. } | Error::Connect { source, .. } => {
                Error::Proxy { proxy: self.place(), reason: ProxyError::Unreached(source) }
            }
            error => error,
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl fmt::Display for Proxy {
    /// Host and port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// A part of a URL without its `%XX` (RFC 3986 2.1); what is no escape stays as it is.
fn unescaped(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = (*first == b'%').then(|| behind.first_chunk::<2>()).flatten();
        let escaped =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        octets.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => behind.get(2..).unwrap_or_default(),
            None => behind,
        };
    }
    String::from_utf8(octets).unwrap_or_else(|_| text.to_owned())
}

fn refusal_of(offered: &[String], tried: Option<&'static str>) -> String {
    let list = if offered.is_empty() { "no scheme".to_owned() } else { offered.join(", ") };
    match tried {
        None => format!("it asks who is there, and nobody said it (it offers {list})"),
        Some(tried) if offered.iter().any(|scheme| scheme.eq_ignore_ascii_case(tried)) => {
            format!("it does not accept what was sent with {tried}: check name and password")
        }
        Some(tried) => format!("it does not offer {tried} (it offers {list})"),
    }
}

fn meaning_of(status: u16) -> &'static str {
    match status {
        403 => ": its rules do not let anybody go there",
        404 | 405 | 501 => ": it may be no proxy at all",
        502 | 503 => ": it cannot reach the host",
        504 => ": the host does not answer it",
        _ => "",
    }
}

/// How much of a wrong text an error repeats.
const LONGEST_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_environments_hold_them() {
        for (address, place) in [
            ("http://proxy.example:3128/", "proxy.example:3128"),
            ("proxy:8080", "proxy:8080"),
            (" HTTP://10.0.0.1 ", "10.0.0.1:80"),
            ("http://[fd00::1]:3128", "[fd00::1]:3128"),
            ("http://ann:p%40ss%3A@proxy:3128", "proxy:3128"),
        ] {
            assert_eq!(Proxy::parse(address).expect(address).place(), place);
        }
        for (address, text) in [
            ("socks5://proxy:1080", "a proxy of socks5:// is not spoken to: only those of http:// are"),
            ("https://proxy:443", "a proxy of https:// is not spoken to: only those of http:// are"),
            ("http://ann:secret@", "\"\" is not a host name or address"),
            ("http://proxy:0", "\"0\" is not a port: use a number from 1 to 65535"),
        ] {
            let error = Proxy::parse(address).expect_err(address).to_string();
            assert_eq!(error, text);
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn a_name_and_a_password_in_the_address_are_taken_and_never_shown() {
        let proxy = Proxy::parse("http://ann:p%40ss%zz@proxy:3128").expect("an address");
        let ProxyAuthentication::Basic(credentials) = &proxy.authentication else { panic!("{proxy:?}") };
        assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("ann", "p@ss%zz"));
        assert!(!format!("{proxy:?}{proxy}").contains("p@ss"));
    }
}
