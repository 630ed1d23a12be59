//! Addresses on which a site listens.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::{FilePath, HostPattern, InvalidValue};

/// Address on which a site listens, written as in nginx: `80`, `127.0.0.1:8080`, `[::]:443`, `localhost:80` or
/// `unix:/run/site.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// TCP port on an interface.
    Tcp {
        /// The interface.
        host: ListenHost,
        /// Port, 1 to 65535.
        port: u16,
    },
    /// Socket in the file system.
    Unix(FilePath),
}

/// Interface of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenHost {
    /// All IPv4 addresses.
    Any,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; `::` for all.
    V6(Ipv6Addr),
    /// A host name, which the web server resolves when it starts.
    Name(HostPattern),
}

impl ListenAddress {
    /// Parses an address. The port defaults to 80.
    ///
    /// # Errors
    /// [`InvalidValue`] with the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if let Some(path) = text.strip_prefix("unix:") {
            return FilePath::parse(path).map(Self::Unix);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = port(text).ok_or_else(|| invalid(text, "the port must be 1 to 65535"))?;
            return Ok(Self::Tcp { host: ListenHost::Any, port });
        }
        let (host, port_text) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            Some((host, rest)) => {
                let address = host.parse().map_err(|_| invalid(text, "the IPv6 address is malformed"))?;
                let rest = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or("")) };
                (ListenHost::V6(address), rest)
            }
            None => {
                let (host, port) =
                    text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                (listen_host(host)?, port)
            }
        };
        let port =
            port_text.map_or(Some(80), port).ok_or_else(|| invalid(text, "the port must be 1 to 65535"))?;
        Ok(Self::Tcp { host, port })
    }

    /// Returns the TCP port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }
}

fn invalid(text: &str, reason: &'static str) -> InvalidValue {
    InvalidValue::new("listening address", text, reason)
}

fn listen_host(text: &str) -> Result<ListenHost, InvalidValue> {
    if text == "*" {
        return Ok(ListenHost::Any);
    }
    if let Ok(address) = text.parse() {
        return Ok(ListenHost::V4(address));
    }
    let name = HostPattern::parse(text)?;
    if name.is_exact() {
        Ok(ListenHost::Name(name))
    } else {
        Err(InvalidValue::new("listening address", text, "it is neither an address nor a host name"))
    }
}

fn port(text: &str) -> Option<u16> {
    if text.starts_with('+') {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host: ListenHost::Any, port } => write!(f, "{port}"),
            Self::Tcp { host: ListenHost::V4(address), port } => write!(f, "{address}:{port}"),
            Self::Tcp { host: ListenHost::V6(address), port } => write!(f, "[{address}]:{port}"),
            Self::Tcp { host: ListenHost::Name(name), port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::parse(&text)
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["80", "127.0.0.1:8080", "[::1]:443", "[::]:80", "localhost:81", "unix:/run/a.sock"] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ListenAddress::parse("*:80").unwrap().to_string(), "80");
        assert_eq!(ListenAddress::parse("127.0.0.1").unwrap().to_string(), "127.0.0.1:80");
        for text in ["", "0", "65536", "a:b", "[::1", "[::1]80", "unix:a", "127.0.0.1:80;", "*.a:80", "1:+1"]
        {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }
}
