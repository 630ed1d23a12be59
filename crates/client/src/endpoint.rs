//! Where a service listens.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

/// The address of a service: `http://node7:5985/wsman`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// INVARIANT: a name, an IPv4 address, or an IPv6 address without its brackets; only such characters as
    /// a `Host` header may hold.
    host: String,
    /// The interface behind which an IPv6 address is.
    ///
    /// INVARIANT: only beside an IPv6 address; not empty, and of the characters a URL holds unescaped.
    zone: Option<String>,
    transport: Transport,
    port: u16,
    /// INVARIANT: begins with `/`, is printable ASCII and has no fragment.
    path: String,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

/// Why a text is not the address of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Neither `http://` nor `https://` is at the beginning.
    #[error("{0:?} is not the address of a service: it must begin with http:// or https://")]
    Transport(String),
    /// A name and password before the host, where they would be shown and logged.
    #[error("credentials do not belong into the address of a service: give them apart")]
    Credentials,
    /// The host is missing, or no host could be called so.
    #[error("{0:?} is not a host name or address")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} is not a port: use a number from 1 to 65535")]
    Port(String),
    /// Behind the `%` of an IPv6 address stands nothing that could be an interface.
    #[error("{0:?} is not a zone: write the interface behind the address, as in [fe80::1%eth0]")]
    Zone(String),
    /// The path holds characters that must be written as `%XX`, or a fragment.
    #[error("{0:?} is not a path: it must begin with / and be printable ASCII without #")]
    Path(String),
}

impl Transport {
    /// The scheme of its URLs.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port when none is named: that of the scheme, as Windows has it, not that of the protocol.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Endpoint {
    /// The path of a service when none is named.
    pub const PATH: &str = "/wsman";

    /// An endpoint of its parts; an IPv6 address may come with or without its brackets.
    ///
    /// Behind an IPv6 address may stand its zone, the interface that leads there: `fe80::1%eth0`, or
    /// `fe80::1%25eth0` as URLs write it (RFC 6874 2). It is of no meaning elsewhere and never sent.
    ///
    /// # Errors
    /// [`EndpointError`] for parts that cannot stand in the head of an HTTP request.
    pub fn new(transport: Transport, host: &str, port: u16, path: &str) -> Result<Self, EndpointError> {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let (address, zone) = match bracketed.unwrap_or(host).split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (bracketed.unwrap_or(host), None),
        };
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        if !is_address && (bracketed.is_some() || zone.is_some() || !is_name(host)) {
            return Err(EndpointError::Host(shown(host)));
        }
        let zone = zone.map(|zone| read_zone(zone).ok_or_else(|| EndpointError::Zone(shown(zone))));
        let zone = zone.transpose()?;
        if port == 0 {
            return Err(EndpointError::Port("0".to_owned()));
        }
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(EndpointError::Path(shown(path)));
        }
        Ok(Self { transport, host: address.to_owned(), zone, port, path: path.to_owned() })
    }

    /// What messages to the service of this machine are addressed to; it takes no notice of host and port.
    pub(crate) fn here() -> Self {
        Self {
            transport: Transport::Http,
            host: "localhost".to_owned(),
            zone: None,
            port: Transport::Http.default_port(),
            path: Self::PATH.to_owned(),
        }
    }

    /// The addresses that the host has, as this machine finds them.
    ///
    /// # Errors
    /// [`Error::NotResolved`](crate::Error::NotResolved).
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, crate::Error> {
        crate::connection::addresses(self).await
    }

    /// Reads `http(s)://host[:port][/path]`.
    ///
    /// Without a port it is 80 or 443; without a path it is [`Endpoint::PATH`].
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.trim().split_once("://").unwrap_or_default();
        let transport = [Transport::Http, Transport::Https]
            .into_iter()
            .find(|transport| transport.scheme().eq_ignore_ascii_case(scheme))
            .ok_or_else(|| EndpointError::Transport(shown(url)))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(EndpointError::Credentials);
        }
        let (host, port) = match authority.rfind([':', ']']) {
            Some(at) if authority.get(at..).is_some_and(|rest| rest.starts_with(':')) => {
                let (host, port) = authority.split_at(at);
                (host, port.get(1..))
            }
            _ => (authority, None),
        };
        let port = match port {
            Some(port) if port.starts_with('+') => return Err(EndpointError::Port(port.to_owned())),
            Some(port) => port.parse().map_err(|_| EndpointError::Port(shown(port)))?,
            None => transport.default_port(),
        };
        // Only in brackets: elsewhere the last group could as well be meant as the port.
        if host.contains(':') && !host.starts_with('[') {
            return Err(EndpointError::Host(shown(host)));
        }
        Self::new(transport, host, port, if path.is_empty() || path == "/" { Self::PATH } else { path })
    }

    /// What carries the messages.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The host, an IPv6 address without brackets and zone.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name or number of the interface behind which an IPv6 address is (RFC 4007 11).
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, with its query if it has one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port as a `Host` header holds them: without a zone, which is nobody else's (RFC 6874 4).
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The URL as it is sent: without a zone.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}{}", self.transport.scheme(), self.authority(), self.path)
    }

    /// The host, for people.
    pub(crate) fn host_and_zone(&self) -> String {
        match &self.zone {
            Some(zone) => format!("{}%{zone}", self.host),
            None => self.host.clone(),
        }
    }

    /// Host and port, for people.
    pub(crate) fn place(&self) -> String {
        match &self.zone {
            Some(_) => format!("[{}]:{}", self.host_and_zone(), self.port),
            None => self.authority(),
        }
    }
}

impl fmt::Display for Endpoint {
    /// The URL, a zone as URLs write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => {
                let (scheme, host, port) = (self.transport.scheme(), &self.host, self.port);
                write!(f, "{scheme}://[{host}%25{zone}]:{port}{}", self.path)
            }
            None => f.write_str(&self.url()),
        }
    }
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        Self::parse(url)
    }
}

/// Letters, digits and what names in use are made of; names beyond ASCII must come in their `xn--` form.
fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= LONGEST_NAME && host.bytes().all(fits)
}

/// What stands behind the first `%` of an address. A `25` there is the rest of that sign as URLs write it, unless
/// it is everything: then it is the number of an interface.
fn read_zone(text: &str) -> Option<String> {
    let zone = text.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(text);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_zone = !zone.is_empty() && zone.len() <= LONGEST_ZONE && zone.bytes().all(fits);
    is_zone.then(|| zone.to_owned())
}

/// As much of a wrong text as an error repeats.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

/// Names of interfaces have at most 15 octets (netdevice(7), `IFNAMSIZ`).
const LONGEST_ZONE: usize = 15;
/// RFC 1035 2.3.4 counts 255 octets with the length octets.
const LONGEST_NAME: usize = 253;
/// How much of a wrong text an error repeats.
const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (url, shown) in [
            ("http://node7:5985/wsman", "http://node7:5985/wsman"),
            ("https://node7", "https://node7:443/wsman"),
            ("HTTP://node7/", "http://node7:80/wsman"),
            ("http://[::1]:5985/wsman/x?a=b", "http://[::1]:5985/wsman/x?a=b"),
            ("https://[fe80::1]", "https://[fe80::1]:443/wsman"),
            (" http://10.0.0.1:1 ", "http://10.0.0.1:1/wsman"),
            ("http://[fe80::1%eth0]:5985", "http://[fe80::1%25eth0]:5985/wsman"),
            ("https://[fe80::1%25eth0]/x", "https://[fe80::1%25eth0]:443/x"),
            ("http://[fe80::1%25]", "http://[fe80::1%2525]:80/wsman"),
        ] {
            assert_eq!(Endpoint::parse(url).expect(url).to_string(), shown);
        }
        assert_eq!(Endpoint::parse("http://[::1]").expect("IPv6").host(), "::1");
    }

    #[test]
    fn a_zone_is_kept_for_this_machine() {
        for url in ["http://[fe80::1%eth0]:5985", "http://[fe80::1%25eth0]:5985"] {
            let endpoint = Endpoint::parse(url).expect(url);
            assert_eq!((endpoint.host(), endpoint.zone()), ("fe80::1", Some("eth0")), "{url}");
            assert_eq!(endpoint.authority(), "[fe80::1]:5985");
            assert_eq!(endpoint.url(), "http://[fe80::1]:5985/wsman");
            assert_eq!(endpoint.place(), "[fe80::1%eth0]:5985");
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
        }
        let bare = Endpoint::new(Transport::Https, "fe80::1%2", 5986, "/wsman").expect("without brackets");
        assert_eq!(bare.zone(), Some("2"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (url, error) in [
            ("node7:5985", EndpointError::Transport("node7:5985".to_owned())),
            ("ftp://node7", EndpointError::Transport("ftp://node7".to_owned())),
            ("http://user:pass@node7", EndpointError::Credentials),
            ("http://", EndpointError::Host(String::new())),
            ("http://:5985", EndpointError::Host(String::new())),
            ("http://a b", EndpointError::Host("a b".to_owned())),
            ("http://nöde", EndpointError::Host("nöde".to_owned())),
            ("http://::1", EndpointError::Host(":".to_owned())),
            ("http://fe80::1:5985", EndpointError::Host("fe80::1".to_owned())),
            ("http://[::g]", EndpointError::Host("[::g]".to_owned())),
            ("http://[::1", EndpointError::Host("[:".to_owned())),
            ("http://[fe80::1%]", EndpointError::Zone(String::new())),
            ("http://[fe80::1%a b]", EndpointError::Zone("a b".to_owned())),
            ("http://[fe80::1%0123456789abcdef]", EndpointError::Zone("0123456789abcdef".to_owned())),
            ("http://node7%eth0", EndpointError::Host("node7%eth0".to_owned())),
            ("http://[10.0.0.1%eth0]", EndpointError::Host("[10.0.0.1%eth0]".to_owned())),
            ("http://node7:", EndpointError::Port(String::new())),
            ("http://node7:0", EndpointError::Port("0".to_owned())),
            ("http://node7:+80", EndpointError::Port("+80".to_owned())),
            ("http://node7:65536", EndpointError::Port("65536".to_owned())),
            ("http://node7/a\r\nb", EndpointError::Path("/a\r\nb".to_owned())),
            ("http://node7/a#b", EndpointError::Path("/a#b".to_owned())),
        ] {
            assert_eq!(Endpoint::parse(url), Err(error), "{url}");
        }
    }
}
