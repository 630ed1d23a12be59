//! URL of a service.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

/// URL of a service: `http://node7:5985/wsman`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// INVARIANT: a name, an IPv4 address, or an IPv6 address without brackets; contains only characters that a `Host`
    /// header allows.
    host: String,
    /// Zone of an IPv6 address: the network interface (RFC 4007 11).
    ///
    /// INVARIANT: only with an IPv6 address; not empty; only characters that a URL contains unescaped.
    zone: Option<String>,
    transport: Transport,
    port: u16,
    /// INVARIANT: begins with `/`, is printable ASCII and has no fragment.
    path: String,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

/// Error of [`Endpoint::parse`] and [`Endpoint::new`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The URL begins with neither `http://` nor `https://`.
    #[error("invalid service URL \"{0}\": it must begin with http:// or https://")]
    Transport(String),
    /// The URL contains a user name, which would be displayed and logged.
    #[error("a service URL must not contain credentials: specify them separately")]
    Credentials,
    /// The host is missing or invalid.
    #[error("invalid host name or address \"{0}\"")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("invalid port \"{0}\": use a number from 1 to 65535")]
    Port(String),
    /// The zone of an IPv6 address is invalid.
    #[error("invalid zone \"{0}\": append the network interface to the address, as in [fe80::1%eth0]")]
    Zone(String),
    /// The path contains a fragment or characters that must be percent-encoded.
    #[error("invalid path \"{0}\": it must begin with / and be printable ASCII without #")]
    Path(String),
}

impl Transport {
    /// Returns the URL scheme.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the port for a URL without one: 80 or 443, as for Windows, and not the WinRM port.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Endpoint {
    /// Default path of a service.
    pub const PATH: &str = "/wsman";

    /// Creates an endpoint from its parts; an IPv6 address may be in brackets.
    ///
    /// An IPv6 address may have a zone, the network interface: `fe80::1%eth0`, or `fe80::1%25eth0` as in URLs
    /// (RFC 6874 2). The zone is significant only on this machine and never sent.
    ///
    /// # Errors
    /// [`EndpointError`] for parts that an HTTP request cannot contain.
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

    /// Returns the placeholder for the service of this machine, which ignores host and port.
    pub(crate) fn local() -> Self {
        Self {
            transport: Transport::Http,
            host: "localhost".to_owned(),
            zone: None,
            port: Transport::Http.default_port(),
            path: Self::PATH.to_owned(),
        }
    }

    /// Resolves the host to its addresses.
    ///
    /// # Errors
    /// [`Error::NotResolved`](crate::Error::NotResolved) if the name cannot be resolved or has no address.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, crate::Error> {
        crate::connection::addresses(self).await
    }

    /// Parses `http(s)://host[:port][/path]`.
    ///
    /// The default port is 80 or 443, the default path [`Endpoint::PATH`].
    ///
    /// # Errors
    /// [`EndpointError`] names the invalid part.
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
        // An IPv6 address must be in brackets, because its last group could be a port.
        if host.contains(':') && !host.starts_with('[') {
            return Err(EndpointError::Host(shown(host)));
        }
        Self::new(transport, host, port, if path.is_empty() || path == "/" { Self::PATH } else { path })
    }

    /// Transport protocol.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Host name or address; an IPv6 address is without brackets and zone.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Zone of an IPv6 address: name or number of the network interface (RFC 4007 11).
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path, with the query if there is one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns host and port for the `Host` header, without the zone (RFC 6874 4).
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Returns the URL for messages, without the zone.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}{}", self.transport.scheme(), self.authority(), self.path)
    }

    /// Returns the host with its zone, for error messages.
    pub(crate) fn host_and_zone(&self) -> String {
        match &self.zone {
            Some(zone) => format!("{}%{zone}", self.host),
            None => self.host.clone(),
        }
    }

    /// Returns host with zone and port, for error messages.
    pub(crate) fn host_and_port(&self) -> String {
        match &self.zone {
            Some(_) => format!("[{}]:{}", self.host_and_zone(), self.port),
            None => self.authority(),
        }
    }
}

impl fmt::Display for Endpoint {
    /// Writes the URL with the zone in percent-encoded form (RFC 6874 2).
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

/// Returns whether the host is a valid name; names beyond ASCII must be in `xn--` form.
fn is_name(host: &str) -> bool {
    !host.is_empty() && host.len() <= LONGEST_NAME && host.bytes().all(is_name_byte)
}

/// Parses the zone after the first `%` of an address. A leading `25` belongs to the percent-encoded `%`, unless it is
/// the whole zone, which is then an interface number.
fn read_zone(text: &str) -> Option<String> {
    let zone = text.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(text);
    (!zone.is_empty()
        && zone.len() <= LONGEST_ZONE
        && zone.bytes().all(|byte| is_name_byte(byte) || byte == b'~'))
    .then(|| zone.to_owned())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// Truncates an invalid text for an error.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

/// Maximum length of an interface name (netdevice(7), `IFNAMSIZ`).
const LONGEST_ZONE: usize = 15;
/// Maximum length of a DNS name; RFC 1035 2.3.4 counts 255 including the length bytes.
const LONGEST_NAME: usize = 253;
/// Maximum length of an invalid text in an error, in characters.
const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_and_written() {
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
    fn a_zone_is_not_sent() {
        for url in ["http://[fe80::1%eth0]:5985", "http://[fe80::1%25eth0]:5985"] {
            let endpoint = Endpoint::parse(url).expect(url);
            assert_eq!((endpoint.host(), endpoint.zone()), ("fe80::1", Some("eth0")), "{url}");
            assert_eq!(endpoint.authority(), "[fe80::1]:5985");
            assert_eq!(endpoint.url(), "http://[fe80::1]:5985/wsman");
            assert_eq!(endpoint.host_and_port(), "[fe80::1%eth0]:5985");
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
        }
        let bare = Endpoint::new(Transport::Https, "fe80::1%2", 5986, "/wsman").expect("without brackets");
        assert_eq!(bare.zone(), Some("2"));
    }

    #[test]
    fn invalid_urls_are_rejected() {
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
