//! HTTP proxy between a session and its service.
//!
//! For a service on HTTPS the client requests a tunnel (`CONNECT`, RFC 9110 9.3.6); for a service on HTTP the proxy
//! forwards each request, which has an absolute-form target (RFC 9112 3.2.2).

mod authenticator;
mod tunnel;

use std::{fmt, io};

use crate::authentication::Credentials;
use crate::error::{Error, UnexpectedBody, Violation};
use crate::{Endpoint, EndpointError, Secret};

pub(crate) use authenticator::ProxyAuthenticator;
pub(crate) use tunnel::through;

/// Address of a proxy and the credentials for it.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// INVARIANT: its transport is plain HTTP.
    endpoint: Endpoint,
    authentication: ProxyAuthentication,
}

/// Authentication to a proxy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ProxyAuthentication {
    /// No authentication.
    #[default]
    None,
    /// User name and password, which can be read on the network (RFC 7617).
    Basic(Credentials),
    /// A digest of the password (RFC 7616).
    Digest(Credentials),
    /// Kerberos or NTLM (RFC 4559); without credentials the user's Kerberos ticket.
    Negotiate(Option<Credentials>),
}

/// Error of [`Proxy::parse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyAddressError {
    /// The URL scheme is not `http`.
    #[error("unsupported proxy type {0}://: only http:// is supported")]
    Kind(String),
    /// Host or port is invalid.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// Reason why a proxy does not connect to the service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy cannot be reached.
    #[error("proxy unreachable: {0}")]
    Unreachable(#[source] io::Error),
    /// The proxy requires authentication or rejected the credentials.
    #[error("{}", describe_rejection(offered, *tried))]
    Refused {
        /// Schemes that the proxy offers.
        offered: Vec<String>,
        /// Scheme that was tried, if any.
        tried: Option<&'static str>,
    },
    /// The proxy cannot or will not connect to the service.
    #[error("proxy returned HTTP {status}{}; the body is {body}", explain_status(*status))]
    Status {
        /// HTTP status.
        status: u16,
        /// Description of the body.
        body: UnexpectedBody,
    },
    /// The proxy's response violates HTTP.
    #[error(transparent)]
    Unreadable(#[from] Violation),
}

impl Proxy {
    /// Parses `[http://][USER:PASSWORD@]HOST[:PORT][/]`, the format of `https_proxy`; the default port is 80.
    ///
    /// # Errors
    /// [`ProxyAddressError`], which never contains the password.
    pub fn parse(address: &str) -> Result<Self, ProxyAddressError> {
        let address = address.trim();
        let (kind, rest) = address.split_once("://").unwrap_or(("http", address));
        if !kind.eq_ignore_ascii_case("http") {
            return Err(ProxyAddressError::Kind(kind.chars().take(LONGEST_SHOWN).collect()));
        }
        let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, authority),
        };
        let endpoint = Endpoint::parse(&format!("http://{address}"))?;
        let authentication = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            None => ProxyAuthentication::None,
            Some((user, password)) => ProxyAuthentication::Basic(Credentials {
                user: percent_decode(user),
                password: Secret::new(percent_decode(password)),
            }),
        };
        Ok(Self { endpoint, authentication })
    }

    /// Sets the authentication, replacing credentials from the address.
    #[must_use]
    pub fn authentication(mut self, authentication: ProxyAuthentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.endpoint.host_and_port()
    }

    /// Converts a connection error into one of the proxy.
    pub(crate) fn unreachable(&self, error: Error) -> Error {
        match error {
            Error::NotResolved { source, .. } | Error::Connect { source, .. } => {
                Error::Proxy { proxy: self.address(), reason: ProxyError::Unreachable(source) }
            }
            error => error,
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl fmt::Display for Proxy {
    /// Writes host and port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

/// Decodes `%XX` in a part of a URL (RFC 3986 2.1); invalid escapes are unchanged.
fn percent_decode(text: &str) -> String {
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

fn describe_rejection(offered: &[String], tried: Option<&'static str>) -> String {
    let list = if offered.is_empty() { "no scheme".to_owned() } else { offered.join(", ") };
    match tried {
        None => format!("the proxy requires authentication (it offers {list})"),
        Some(tried) if offered.iter().any(|scheme| scheme.eq_ignore_ascii_case(tried)) => {
            format!("the proxy rejected the credentials for {tried}: check name and password")
        }
        Some(tried) => format!("the proxy does not offer {tried} (it offers {list})"),
    }
}

fn explain_status(status: u16) -> &'static str {
    match status {
        403 => ": the rules of the proxy do not allow this connection",
        404 | 405 | 501 => ": the server may not be a proxy",
        502 | 503 => ": the proxy cannot reach the host",
        504 => ": the host does not respond to the proxy",
        _ => "",
    }
}

/// Maximum length of an invalid URL scheme in an error, in characters.
const LONGEST_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_as_in_environment_variables() {
        for (address, parsed) in [
            ("http://proxy.example:3128/", "proxy.example:3128"),
            ("proxy:8080", "proxy:8080"),
            (" HTTP://10.0.0.1 ", "10.0.0.1:80"),
            ("http://[fd00::1]:3128", "[fd00::1]:3128"),
            ("http://ann:p%40ss%3A@proxy:3128", "proxy:3128"),
        ] {
            assert_eq!(Proxy::parse(address).expect(address).address(), parsed);
        }
        for (address, text) in [
            ("socks5://proxy:1080", "unsupported proxy type socks5://: only http:// is supported"),
            ("https://proxy:443", "unsupported proxy type https://: only http:// is supported"),
            ("http://ann:secret@", "invalid host name or address \"\""),
            ("http://proxy:0", "invalid port \"0\": use a number from 1 to 65535"),
        ] {
            let error = Proxy::parse(address).expect_err(address).to_string();
            assert_eq!(error, text);
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn credentials_in_the_address_are_used_and_never_shown() {
        let proxy = Proxy::parse("http://ann:p%40ss%zz@proxy:3128").expect("an address");
        let ProxyAuthentication::Basic(credentials) = &proxy.authentication else { panic!("{proxy:?}") };
        assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("ann", "p@ss%zz"));
        assert!(!format!("{proxy:?}{proxy}").contains("p@ss"));
    }
}
