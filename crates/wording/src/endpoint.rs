//! Address of a service: `[TRANSPORT://]HOST[:PORT][/PREFIX]`.

use std::fmt;
use std::net::Ipv6Addr;

use crate::failure::bracketed;

/// Transport protocol: HTTP or HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP; messages are encrypted by the authentication scheme unless that is turned off.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Origin of the port number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortOrigin {
    /// Typed by the user.
    Given,
    /// 80 or 443, because a transport was typed without a port (`https://server7`).
    Transport,
    /// Default port of WinRM, 5985 or 5986.
    Default,
}

/// Complete address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    transport: Transport,
    /// INVARIANT: not empty; an IPv6 address is without brackets, with its zone after a `%`.
    host: String,
    port: u16,
    port_origin: PortOrigin,
    /// INVARIANT: no slash at either end.
    prefix: String,
    prefix_origin: PrefixOrigin,
}

/// Origin of the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrefixOrigin {
    Given,
    Default,
}

/// Defaults for parts that were not typed (`Client/DefaultPorts`, `Client/URLPrefix`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Port for HTTP (5985).
    pub http: u16,
    /// Port for HTTPS (5986).
    pub https: u16,
    /// URL prefix (`wsman`).
    pub prefix: String,
}

impl Endpoint {
    /// Transport protocol.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Host name or address; an IPv6 address is without brackets, with an optional zone after a `%`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Origin of the port number.
    #[must_use]
    pub fn port_origin(&self) -> PortOrigin {
        self.port_origin
    }

    /// Path of the listener (`URLPrefix`), without a slash at either end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Replaces the default port and prefix by other defaults; typed values stay.
    #[must_use]
    pub fn with_defaults(mut self, defaults: &Defaults) -> Self {
        if self.port_origin == PortOrigin::Default {
            self.port = match self.transport {
                Transport::Http => defaults.http,
                Transport::Https => defaults.https,
            };
        }
        if self.prefix_origin == PrefixOrigin::Default {
            self.prefix = defaults.prefix.trim_matches('/').to_owned();
        }
        self
    }

    /// Converts the endpoint to the client's type.
    ///
    /// # Errors
    /// [`client::EndpointError`] if the prefix contains characters that a URL path cannot contain.
    pub fn for_client(&self) -> Result<client::Endpoint, client::EndpointError> {
        let transport = match self.transport {
            Transport::Http => client::Transport::Http,
            Transport::Https => client::Transport::Https,
        };
        client::Endpoint::new(transport, &self.host, self.port, &format!("/{}", self.prefix))
    }

    /// Returns the WinRM port (5985 or 5986) if the port is 80 or 443 only because a transport was typed.
    #[must_use]
    pub fn usual_port(&self) -> Option<u16> {
        match (self.port_origin, self.transport) {
            (PortOrigin::Transport, Transport::Http) => Some(5985),
            (PortOrigin::Transport, Transport::Https) => Some(5986),
            _ => None,
        }
    }
}

impl fmt::Display for Endpoint {
    /// Writes the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, host, port, prefix, .. } = self;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{transport}://{open}{host}{close}:{port}/{prefix}")
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}

impl Transport {
    /// All transports.
    pub const ALL: [Self; 2] = [Self::Http, Self::Https];

    /// Returns the URL scheme.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Address as typed, before defaults and other options complete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    transport: Option<Transport>,
    host: String,
    port: Option<u16>,
    prefix: Option<String>,
}

impl Address {
    /// Parses `[TRANSPORT://]HOST[:PORT][/PREFIX]`; an IPv6 address must be in brackets.
    ///
    /// # Errors
    /// [`AddressError`] names the invalid part.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        Parser { text }.address()
    }

    /// Transport, if it was typed.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        self.transport
    }

    /// Port, if it was typed.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host name or address; an IPv6 address is without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Host, if nothing else was typed.
    #[must_use]
    pub fn bare_host(&self) -> Option<&str> {
        let is_bare = self.transport.is_none() && self.port.is_none() && self.prefix.is_none();
        is_bare.then_some(self.host.as_str())
    }

    /// Completes the address; `transport` and `port` replace missing parts.
    #[must_use]
    pub fn complete(self, transport: Transport, port: Option<u16>) -> Endpoint {
        let (port, port_origin) = match (self.port.or(port), self.transport, transport) {
            (Some(port), _, _) => (port, PortOrigin::Given),
            (None, Some(Transport::Http), _) => (80, PortOrigin::Transport),
            (None, Some(Transport::Https), _) => (443, PortOrigin::Transport),
            (None, None, Transport::Http) => (5985, PortOrigin::Default),
            (None, None, Transport::Https) => (5986, PortOrigin::Default),
        };
        Endpoint {
            transport: self.transport.unwrap_or(transport),
            host: self.host,
            port,
            port_origin,
            prefix_origin: if self.prefix.is_some() { PrefixOrigin::Given } else { PrefixOrigin::Default },
            prefix: self.prefix.unwrap_or_else(|| "wsman".to_owned()),
        }
    }
}

impl fmt::Display for Address {
    /// Writes the address as it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(transport) = self.transport {
            write!(f, "{transport}://")?;
        }
        f.write_str(&bracketed(&self.host))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.prefix.as_ref().map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
    }
}

/// Error of [`Address::parse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid endpoint \"{text}\": {problem}")]
#[non_exhaustive]
pub struct AddressError {
    /// The address as typed.
    pub text: String,
    /// Description of the error.
    pub problem: &'static str,
    /// Advice: the correct form.
    pub way_out: &'static str,
}

/// Parser for one address.
struct Parser<'t> {
    text: &'t str,
}

impl Parser<'_> {
    fn address(&self) -> Result<Address, AddressError> {
        let (transport, rest) = match self.text.split_once("://") {
            Some((word, rest)) => (Some(self.transport(word)?), rest),
            None => (None, self.text),
        };
        let (authority, prefix) = match rest.split_once('/') {
            Some((authority, path)) => (authority, self.prefix(path)?),
            None => (rest, None),
        };
        if authority.contains('@') {
            return Err(self.wrong("it contains a user name", "specify the user with -username:NAME"));
        }
        let (host, port) = self.host_and_port(authority)?;
        Ok(Address { transport, host, port, prefix })
    }

    fn transport(&self, word: &str) -> Result<Transport, AddressError> {
        Transport::ALL
            .into_iter()
            .find(|transport| transport.scheme().eq_ignore_ascii_case(word))
            .ok_or_else(|| self.wrong("the transport must be http or https", FORM))
    }

    fn prefix(&self, path: &str) -> Result<Option<String>, AddressError> {
        let path = path.trim_matches('/');
        if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\')) {
            return Err(self.wrong("the prefix contains a character that is not allowed in a URL path", FORM));
        }
        Ok((!path.is_empty()).then(|| path.to_owned()))
    }

    fn host_and_port(&self, authority: &str) -> Result<(String, Option<u16>), AddressError> {
        if let Some(inner) = authority.strip_prefix('[') {
            let Some((host, behind)) = inner.split_once(']') else {
                return Err(self.wrong("the closing bracket is missing", IPV6));
            };
            let address = host.split_once('%').map_or(host, |(address, _zone)| address);
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(self.wrong("the text in brackets is not an IPv6 address", IPV6));
            }
            let port = match behind.strip_prefix(':') {
                Some(port) => Some(self.port(port)?),
                None if behind.is_empty() => None,
                None => return Err(self.wrong("unexpected text after the closing bracket", IPV6)),
            };
            return Ok((host.to_owned(), port));
        }
        let (host, port) = match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(self.wrong("an IPv6 address must be in brackets", IPV6));
            }
            Some((host, port)) => (host, Some(self.port(port)?)),
            None => (authority, None),
        };
        self.host(host)?;
        Ok((host.to_owned(), port))
    }

    fn host(&self, host: &str) -> Result<(), AddressError> {
        if host.is_empty() {
            return Err(self.wrong("the host is missing", FORM));
        }
        // A DNS name has at most 253 characters (RFC 1035 2.3.4).
        if host.len() > 253
            || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        {
            return Err(self.wrong(
                "the host is neither a valid name nor an address",
                "use letters, digits, '-' and '.'; write an international name in its xn-- form",
            ));
        }
        Ok(())
    }

    fn port(&self, port: &str) -> Result<u16, AddressError> {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| port.parse().ok()).flatten().filter(|port| *port != 0);
        port.ok_or_else(|| self.wrong("the port must be a number from 1 to 65535", FORM))
    }

    fn wrong(&self, problem: &'static str, way_out: &'static str) -> AddressError {
        AddressError { text: self.text.to_owned(), problem, way_out }
    }
}

const FORM: &str = "write [TRANSPORT://]HOST[:PORT][/PREFIX], such as server7 or https://server7:5986";
const IPV6: &str = "write an IPv6 address as [2001:db8::7]:5985";
