//! `Win32_NetworkConnection`: mounted network file systems.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::rc::Rc;

use linux::fstab;
use linux::mounts::Mount;
use linux::storage::file_system::is_of_network;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Network file systems.
pub(crate) struct Connection;

/// A mounted file system, and the entries of fstab.
pub(crate) struct Row {
    mount: Mount,
    permanent: Rc<OnceCell<HashSet<(String, String)>>>,
}

impl Table for Connection {
    type Row = Row;

    const CLASS: &'static str = "Win32_NetworkConnection";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.mount.source.clone().into()),
        ("ConnectionState", |_, _| "Connected".into()),
        ("ConnectionType", |machine, row| {
            if row.is_permanent(machine) { "Persistent Connection" } else { "Current Connection" }.into()
        }),
        ("Description", |_, row| format!("{} by {}", row.mount.source, row.mount.kind).into()),
        ("DisplayType", |_, _| "Share".into()),
        ("LocalName", |_, row| row.mount.place.clone().into()),
        ("Name", |_, row| format!("{} ({})", row.mount.source, row.mount.place).into()),
        ("Persistent", |machine, row| row.is_permanent(machine).into()),
        ("ProviderName", |_, row| row.mount.kind.clone().into()),
        ("RemoteName", |_, row| row.mount.source.clone().into()),
        ("RemotePath", |_, row| row.mount.source.clone().into()),
        ("ResourceType", |_, _| "Disk".into()),
        ("UserName", |_, row| row.mount.option("username").map(str::to_owned).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let permanent = Rc::default();
        let mounts = machine.mounts().map_err(failure)?.to_vec().into_iter().filter(is_of_network);
        Ok(mounts.map(move |mount| Row { mount, permanent: Rc::clone(&permanent) }))
    }
}

impl Row {
    /// Returns whether it is also mounted at boot.
    fn is_permanent(&self, machine: &Machine) -> bool {
        let entries =
            || fstab::entries(machine).into_iter().map(|entry| (entry.place, entry.source)).collect();
        self.permanent.get_or_init(entries).contains(&(self.mount.place.clone(), self.mount.source.clone()))
    }
}
