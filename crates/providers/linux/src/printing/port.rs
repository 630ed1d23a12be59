//! `Win32_TCPIPPrinterPort`: network addresses of printers and print servers.

use std::collections::BTreeSet;
use std::sync::Arc;

use wmi::{ProviderError, Scan};

use super::printer::all;
use crate::Machine;
use crate::table::{Fill, Push, Table};

/// Network addresses that queues print to.
pub(super) struct Ports;

/// An address, such as `socket://printer.example:9100`, `lpd://server/queue` or
/// `ipp://server/printers/queue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    uri: String,
    protocol: Protocol,
    host: String,
    port: u16,
    queue: Option<String>,
    /// Whether CUPS queries the printer's status by SNMP; `None` if the address does not say.
    is_watched: Option<bool>,
}

/// Protocol of an address (cups-backends: socket, lpd, ipp).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Raw,
    Lpr,
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

    /// Returns the number of the protocol in Windows: 1 is RAW, 2 LPR; `None` for other protocols.
    fn number(self) -> Option<u32> {
        match self {
            Self::Raw => Some(1),
            Self::Lpr => Some(2),
            Self::Ipp => None,
        }
    }
}

impl Port {
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

impl Table for Ports {
    type Row = Port;

    const CLASS: &'static str = "Win32_TCPIPPrinterPort";

    const COLUMNS: &'static [(&'static str, Fill<Port>)] = &[
        ("Caption", |_, port| port.uri.clone().into()),
        ("Description", |_, port| port.uri.clone().into()),
        ("HostAddress", |_, port| port.host.clone().into()),
        // Matches `Win32_Printer.PortName`.
        ("Name", |_, port| port.uri.clone().into()),
        ("PortNumber", |_, port| u32::from(port.port).into()),
        ("Protocol", |_, port| port.protocol.number().into()),
        ("Queue", |_, port| port.queue.clone().into()),
        ("SNMPEnabled", |_, port| port.is_watched.into()),
        // Network-attached.
        ("Type", |_, _| 8_u32.into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["ByteCount", "SNMPCommunity", "SNMPDevIndex", "Status"];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Port>) -> Result<(), ProviderError> {
        let queues = all(machine)?;
        // Several queues may print to the same address.
        let addresses: BTreeSet<&str> =
            queues.iter().filter_map(|queue| queue.told.text("device-uri")).collect();
        addresses.into_iter().filter_map(Port::parse).try_for_each(push)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_queues_are_taken_apart() {
        let parts = |uri: &str| {
            let port = Port::parse(uri)?;
            Some((port.protocol.number(), port.host, port.port, port.queue, port.is_watched))
        };
        let told = |number, host: &str, port, queue: Option<&str>, is_watched| {
            Some((number, host.to_owned(), port, queue.map(str::to_owned), is_watched))
        };
        assert_eq!(parts("socket://attic"), told(Some(1), "attic", 9_100, None, None));
        assert_eq!(
            parts("socket://192.0.2.7:9101/?snmp=false"),
            told(Some(1), "192.0.2.7", 9_101, None, Some(false))
        );
        assert_eq!(parts("lpd://u:p@node9/laser"), told(Some(2), "node9", 515, Some("laser"), None));
        assert_eq!(parts("ipp://[2001:db8::1]/ipp/print"), told(None, "2001:db8::1", 631, None, None));
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
