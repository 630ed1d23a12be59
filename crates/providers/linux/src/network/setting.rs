//! `Win32_NetworkAdapterSetting`: association of adapters and their configurations.

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, reference};
use linux::network::link::Link;

/// Adapters with their configurations.
pub(crate) struct AdapterSetting;

impl Table for AdapterSetting {
    type Row = Link;

    const CLASS: &'static str = "Win32_NetworkAdapterSetting";

    const COLUMNS: &'static [(&'static str, Fill<Link>)] = &[
        ("Element", |_, link| reference("Win32_NetworkAdapter", "DeviceID", link.index.to_string())),
        ("Setting", |_, link| reference("Win32_NetworkAdapterConfiguration", "Index", link.index)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Link>, ProviderError> {
        Ok(Link::all(machine).into_iter())
    }
}
