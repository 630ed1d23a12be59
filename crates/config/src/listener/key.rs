use std::fmt;
use std::net::IpAddr;

use super::ListenerError;
use crate::value::excerpt;

/// Key of a listener: the selectors `Address` and `Transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerKey {
    /// Local addresses.
    pub address: ListenerAddress,
    /// HTTP or HTTPS.
    pub transport: Transport,
}

/// Local addresses of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerAddress {
    /// `*`: all addresses that the address filters of the service admit.
    Any,
    /// `IP:` and an address.
    Ip(IpAddr),
    /// `MAC:` and the hardware address of the interface.
    Mac([u8; 6]),
}

/// Transport of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl ListenerKey {
    /// Parses both selectors.
    ///
    /// # Errors
    /// [`ListenerError::Address`] or [`ListenerError::Transport`].
    pub fn parse(address: &str, transport: &str) -> Result<Self, ListenerError> {
        Ok(Self { address: ListenerAddress::parse(address)?, transport: Transport::parse(transport)? })
    }
}

impl ListenerAddress {
    /// Parses `*`, `IP:10.0.0.1`, `IP:fe80::1` (also in brackets) or `MAC:00-15-5D-00-00-01`.
    ///
    /// # Errors
    /// [`ListenerError::Address`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ListenerError> {
        let text = text.trim();
        let found = match text.split_once(':') {
            None if text == "*" => Some(Self::Any),
            Some((kind, address)) if kind.eq_ignore_ascii_case("IP") => ip(address).map(Self::Ip),
            Some((kind, address)) if kind.eq_ignore_ascii_case("MAC") => mac(address).map(Self::Mac),
            _ => None,
        };
        found.ok_or_else(|| ListenerError::Address(excerpt(text)))
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split('-');
    for octet in &mut octets {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

impl Transport {
    /// Parses `HTTP` or `HTTPS`; case is ignored.
    ///
    /// # Errors
    /// [`ListenerError::Transport`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ListenerError> {
        let text = text.trim();
        [Self::Http, Self::Https]
            .into_iter()
            .find(|transport| transport.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ListenerError::Transport(excerpt(text)))
    }

    /// Name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address={}+Transport={}", self.address, self.transport)
    }
}

impl fmt::Display for ListenerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("*"),
            Self::Ip(address) => write!(formatter, "IP:{address}"),
            Self::Mac([a, b, c, d, e, f]) => {
                write!(formatter, "MAC:{a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{f:02X}")
            }
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_address_is_parsed_and_normalized() {
        for (given, printed) in [
            ("*", "*"),
            (" ip:10.0.0.1 ", "IP:10.0.0.1"),
            ("IP:[FE80::1]", "IP:fe80::1"),
            ("IP:::1", "IP:::1"),
            ("mac:00-15-5d-00-0a-ff", "MAC:00-15-5D-00-0A-FF"),
        ] {
            assert_eq!(ListenerAddress::parse(given).unwrap().to_string(), printed, "{given}");
        }
    }

    #[test]
    fn an_invalid_address_or_transport_is_rejected() {
        for wrong in [
            "",
            "10.0.0.1",
            "IP:",
            "IP:*",
            "IP:host",
            "MAC:00-15",
            "MAC:00-15-5d-00-0a-ff-00",
            "MAC:0-15-5d-00-0a-ff",
            "MAC:+0-15-5d-00-0a-ff",
            "::1",
            "**",
            "IP",
        ] {
            assert_eq!(ListenerAddress::parse(wrong), Err(ListenerError::Address(wrong.to_owned())));
        }
        assert!(Transport::parse("TCP").is_err());
        assert_eq!(Transport::parse(" https"), Ok(Transport::Https));
    }
}
