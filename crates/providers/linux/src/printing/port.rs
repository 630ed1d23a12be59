//! `Win32_TCPIPPrinterPort`: network addresses of printers and print servers.

use linux::printing::port::{Port, Protocol};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Network addresses that queues print to.
pub(super) struct Ports;

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
        ("Protocol", |_, port| number(port.protocol).into()),
        ("Queue", |_, port| port.queue.clone().into()),
        ("SNMPEnabled", |_, port| port.is_watched.into()),
        // Network-attached.
        ("Type", |_, _| 8_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Port>, ProviderError> {
        Ok(Port::all(machine).map_err(failure)?.into_iter())
    }
}

/// Returns the number of a protocol (`Win32_TCPIPPrinterPort.Protocol`); `None` for IPP, which has none.
fn number(protocol: Protocol) -> Option<u32> {
    match protocol {
        Protocol::Raw => Some(1),
        Protocol::Lpr => Some(2),
        Protocol::Ipp => None,
    }
}
