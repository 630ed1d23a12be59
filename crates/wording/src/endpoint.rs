//! Where a service listens: `[TRANSPORT://]HOST[:PORT][/PREFIX]`.

use std::fmt;
use std::net::Ipv6Addr;

use crate::failure::bracketed;

/// HTTP or HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP; messages are sealed unless that was turned off.
    Http,
    /// HTTP inside TLS.
    Https,
}

/// Whose choice the port was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortOrigin {
    /// It was typed.
    Given,
    /// 80 or 443, because a transport was typed without a port.
    Transport,
    /// 5985 or 5986.
    Default,
}

/// The address of a listener, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    transport: Transport,
    /// INVARIANT: not empty; an IPv6 address stands without brackets, its zone behind a `%`.
    host: String,
    port: u16,
    port_origin: PortOrigin,
    /// INVARIANT: without slashes at its ends.
    prefix: String,
    prefix_origin: PrefixOrigin,
}

/// Whose choice the prefix was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrefixOrigin {
    Given,
    Default,
}

/// What an endpoint is completed with where nothing was typed (`Client/DefaultPorts`, `Client/URLPrefix`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The port of HTTP.
    pub http: u16,
    /// The port of HTTPS.
    pub https: u16,
    /// The prefix.
    pub prefix: String,
}

impl Endpoint {
    /// HTTP or HTTPS.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Name or address; an IPv6 address without brackets, perhaps with its zone behind a `%`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whose choice the port was.
    #[must_use]
    pub fn port_origin(&self) -> PortOrigin {
        self.port_origin
    }

    /// The path of the listener (`URLPrefix`), without slashes at its ends.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The same with other defaults in the place of those that were taken.
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

    /// The endpoint as the client takes it.
    ///
    /// # Errors
    /// [`client::EndpointError`] for a prefix that cannot stand in a URL.
    pub fn for_client(&self) -> Result<client::Endpoint, client::EndpointError> {
        let transport = match self.transport {
            Transport::Http => client::Transport::Http,
            Transport::Https => client::Transport::Https,
        };
        client::Endpoint::new(transport, &self.host, self.port, &format!("/{}", self.prefix))
    }

    /// Where the administrator probably meant to go: the WinRM port beside 80 or 443.
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
    /// The URL.
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
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http, Self::Https];

    /// The scheme of its URLs.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An endpoint as it was typed, before other switches fill the gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    transport: Option<Transport>,
    host: String,
    port: Option<u16>,
    prefix: Option<String>,
}

impl Address {
    /// Reads `[TRANSPORT://]HOST[:PORT][/PREFIX]`; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// [`AddressError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        Parts { text }.address()
    }

    /// The transport, if it was typed.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        self.transport
    }

    /// The port, if it was typed.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, if nothing but that was typed.
    #[must_use]
    pub fn bare_host(&self) -> Option<&str> {
        let is_bare = self.transport.is_none() && self.port.is_none() && self.prefix.is_none();
        is_bare.then_some(self.host.as_str())
    }

    /// The complete endpoint; `transport` and `port` count where the address left a gap.
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
    /// As it was typed.
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

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {text:?}: {problem}")]
#[non_exhaustive]
pub struct AddressError {
    /// As it was typed.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
    /// How to write it.
    pub way_out: &'static str,
}

/// An endpoint being taken apart.
struct Parts<'t> {
    text: &'t str,
}

impl Parts<'_> {
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
            return Err(self.wrong("it has a user name in it", "give the user as -username:NAME"));
        }
        let (host, port) = self.host_and_port(authority)?;
        Ok(Address { transport, host, port, prefix })
    }

    fn transport(&self, word: &str) -> Result<Transport, AddressError> {
        Transport::ALL
            .into_iter()
            .find(|transport| transport.scheme().eq_ignore_ascii_case(word))
            .ok_or_else(|| self.wrong("the transport is neither http nor https", FORM))
    }

    fn prefix(&self, path: &str) -> Result<Option<String>, AddressError> {
        let path = path.trim_matches('/');
        if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\')) {
            return Err(self.wrong("the prefix has a character that no path has", FORM));
        }
        Ok((!path.is_empty()).then(|| path.to_owned()))
    }

    fn host_and_port(&self, authority: &str) -> Result<(String, Option<u16>), AddressError> {
        if let Some(inner) = authority.strip_prefix('[') {
            let Some((host, behind)) = inner.split_once(']') else {
                return Err(self.wrong("the bracket is not closed", IPV6));
            };
            let address = host.split_once('%').map_or(host, |(address, _zone)| address);
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(self.wrong("what stands in brackets is no IPv6 address", IPV6));
            }
            let port = match behind.strip_prefix(':') {
                Some(port) => Some(self.port(port)?),
                None if behind.is_empty() => None,
                None => return Err(self.wrong("something stands behind the bracket", IPV6)),
            };
            return Ok((host.to_owned(), port));
        }
        let (host, port) = match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(self.wrong("an IPv6 address stands in brackets", IPV6));
            }
            Some((host, port)) => (host, Some(self.port(port)?)),
            None => (authority, None),
        };
        self.host(host)?;
        Ok((host.to_owned(), port))
    }

    fn host(&self, host: &str) -> Result<(), AddressError> {
        if host.is_empty() {
            return Err(self.wrong("there is no host", FORM));
        }
        // Names of the domain name system have at most 253 characters (RFC 1035, 2.3.4).
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.len() > 253 || !host.chars().all(fits) {
            return Err(self.wrong(
                "the host is neither a name nor an address",
                "use letters, digits, '-' and '.'; write an international name in its xn-- form",
            ));
        }
        Ok(())
    }

    fn port(&self, port: &str) -> Result<u16, AddressError> {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| port.parse().ok()).flatten().filter(|port| *port != 0);
        port.ok_or_else(|| self.wrong("the port is not a number from 1 to 65535", FORM))
    }

    fn wrong(&self, problem: &'static str, way_out: &'static str) -> AddressError {
        AddressError { text: self.text.to_owned(), problem, way_out }
    }
}

const FORM: &str = "write [TRANSPORT://]HOST[:PORT][/PREFIX], such as server7 or https://server7:5986";
const IPV6: &str = "write an IPv6 address as [2001:db8::7]:5985";
