//! `Win32_NetworkAdapterSetting`: association of adapters and their configurations.

use linux::network::link::Link;

use crate::table::association::Association;
use crate::table::reference;

/// Adapters with their configurations.
pub(crate) static ADAPTER_SETTING: Association<Link> = Association {
    namespace: "root/cimv2",
    class: "Win32_NetworkAdapterSetting",
    columns: &[
        ("Element", |_, link| reference("Win32_NetworkAdapter", "DeviceID", link.index.to_string())),
        ("Setting", |_, link| reference("Win32_NetworkAdapterConfiguration", "Index", link.index)),
    ],
    rows: |machine| Ok(Link::all(machine)),
    subsystems: &[],
};
