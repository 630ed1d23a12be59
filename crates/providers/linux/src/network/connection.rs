//! `Win32_NetworkConnection`: what of other machines is in use.

use std::sync::Arc;

use wmi::{ProviderError, Scan};

use crate::mounts::Mount;
use crate::storage::is_of_network;
use crate::table::{Fill, Push, Table};
use crate::{Machine, fstab};

/// The file systems of other machines.
pub(crate) struct Connection;

impl Table for Connection {
    type Row = Mount;

    const CLASS: &'static str = "Win32_NetworkConnection";

    const COLUMNS: &'static [(&'static str, Fill<Mount>)] = &[
        ("Caption", |_, mount| mount.source.clone().into()),
        ("ConnectionState", |_, _| "Connected".into()),
        ("ConnectionType", |machine, mount| {
            if is_permanent(machine, mount) { "Persistent Connection" } else { "Current Connection" }.into()
        }),
        ("Description", |_, mount| format!("{} by {}", mount.source, mount.kind).into()),
        ("DisplayType", |_, _| "Share".into()),
        ("LocalName", |_, mount| mount.place.clone().into()),
        ("Name", |_, mount| format!("{} ({})", mount.source, mount.place).into()),
        ("Persistent", |machine, mount| is_permanent(machine, mount).into()),
        ("ProviderName", |_, mount| mount.kind.clone().into()),
        ("RemoteName", |_, mount| mount.source.clone().into()),
        ("RemotePath", |_, mount| mount.source.clone().into()),
        ("ResourceType", |_, _| "Disk".into()),
        ("UserName", |_, mount| mount.option("username").map(str::to_owned).into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["AccessMask", "Comment", "Status"];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Mount>,
    ) -> Result<(), ProviderError> {
        Mount::all(machine).into_iter().filter(is_of_network).try_for_each(push)
    }
}

/// Whether it comes back at the next start.
fn is_permanent(machine: &Machine, mount: &Mount) -> bool {
    fstab::entries(machine).iter().any(|entry| entry.place == mount.place && entry.source == mount.source)
}
