//! Network addresses of printers and print servers.

use std::collections::BTreeSet;

use super::printer::Printer;
use crate::{Error, Machine};

/// An address, such as `socket://printer.example:9100`, `lpd://server/queue` or
/// `ipp://server/printers/queue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Complete address.
    pub uri: String,
    /// Protocol of the address.
    pub protocol: Protocol,
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Queue of an LPD server; `None` for other protocols.
    pub queue: Option<String>,
    /// Whether CUPS queries the printer's status by SNMP; `None` if the address does not say.
    pub is_watched: Option<bool>,
}

/// Protocol of an address (cups-backends: socket, lpd, ipp).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Documents without a protocol, as to port 9100.
    Raw,
    /// Line Printer Daemon (RFC 1179).
    Lpr,
    /// Internet Printing Protocol (RFC 8010).
    Ipp,
}

impl Protocol {
    fn of(scheme: &str) -> Option<(Self, u16)> {
        Some(match scheme {
            "socket" => (Self::Raw, 9_100),
            "lpd" => (Self::Lpr, 515),
            "ipp" | "ipps" => (Self::Ipp, 631),
            "http" => (Self::Ipp, 80),
            "https" => (Self::Ipp, 443),
            _ => return None,
        })
    }
}

impl Port {
    /// Returns the addresses that queues print to, without duplicates.
    ///
    /// # Errors
    /// If CUPS cannot be queried.
    pub fn all(machine: &Machine) -> Result<Vec<Self>, Error> {
        let printers = Printer::all(machine)?;
        let addresses: BTreeSet<&str> =
            printers.iter().filter_map(|printer| printer.attributes.text("device-uri")).collect();
        Ok(addresses.into_iter().filter_map(Self::parse).collect())
    }

    fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let (protocol, usual) = Protocol::of(scheme)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // Removes user name and password; CUPS does not show passwords either.
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = match authority.strip_prefix('[') {
            Some(address) => {
                let (address, port) = address.split_once(']')?;
                (address, port.strip_prefix(':'))
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(usual), |port| port.parse().ok())?;
        let watched = options.split('&').find_map(|option| option.strip_prefix("snmp="));
        let queue = (protocol == Protocol::Lpr && !path.is_empty()).then(|| path.to_owned());
        (!host.is_empty()).then(|| Self {
            uri: uri.to_owned(),
            protocol,
            host: host.to_owned(),
            port,
            queue,
            is_watched: watched.map(|says| matches!(says, "true" | "on" | "yes")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_addresses_are_parsed() {
        let parts = |uri: &str| {
            let port = Port::parse(uri)?;
            Some((port.protocol, port.host, port.port, port.queue, port.is_watched))
        };
        let port = |protocol, host: &str, port, queue: Option<&str>, is_watched| {
            Some((protocol, host.to_owned(), port, queue.map(str::to_owned), is_watched))
        };
        assert_eq!(parts("socket://attic"), port(Protocol::Raw, "attic", 9_100, None, None));
        assert_eq!(
            parts("socket://192.0.2.7:9101/?snmp=false"),
            port(Protocol::Raw, "192.0.2.7", 9_101, None, Some(false))
        );
        assert_eq!(parts("lpd://u:p@node9/laser"), port(Protocol::Lpr, "node9", 515, Some("laser"), None));
        assert_eq!(
            parts("ipp://[2001:db8::1]/ipp/print"),
            port(Protocol::Ipp, "2001:db8::1", 631, None, None)
        );
        for none in [
            "usb://HP/LaserJet",
            "file:///dev/null",
            "socket://",
            "socket://a:x",
            "socket://[::1",
            "",
            "dnssd://x",
        ] {
            assert_eq!(parts(none), None, "{none}");
        }
    }
}
