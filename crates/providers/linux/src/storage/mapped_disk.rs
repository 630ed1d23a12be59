//! `Win32_MappedLogicalDisk`: network file systems.

use std::sync::Arc;

use linux::storage::file_system::{FileSystem, is_of_network};
use linux::storage::statistics::StatisticsQueries;
use wmi::{ProviderError, Scan};

use super::logical_disk::{TOLD, access};
use crate::Machine;
use crate::storage::wants_any;
use crate::table::{Fill, Push, Table, failure};

/// Network file systems, which every session sees.
pub(crate) struct MappedDisk {
    queries: Arc<StatisticsQueries>,
}

impl MappedDisk {
    pub(crate) fn new(queries: &Arc<StatisticsQueries>) -> Self {
        Self { queries: queries.clone() }
    }
}

impl Table for MappedDisk {
    type Row = FileSystem;

    const CLASS: &'static str = "Win32_MappedLogicalDisk";

    const COLUMNS: &'static [(&'static str, Fill<FileSystem>)] = &[
        ("Access", |_, disk| access(disk).into()),
        ("BlockSize", |machine, disk| disk.statistics(machine).map(|statistics| statistics.block).into()),
        ("Caption", |_, disk| disk.mount.place.clone().into()),
        ("Compressed", |_, _| false.into()),
        ("Description", |_, _| "Network Connection".into()),
        ("DeviceID", |_, disk| disk.mount.place.clone().into()),
        ("FileSystem", |_, disk| disk.mount.kind.clone().into()),
        ("FreeSpace", |machine, disk| {
            disk.statistics(machine).map(linux::storage::statistics::Statistics::free).into()
        }),
        ("MaximumComponentLength", |machine, disk| {
            disk.statistics(machine).and_then(|statistics| u32::try_from(statistics.longest_name).ok()).into()
        }),
        ("Name", |_, disk| disk.mount.place.clone().into()),
        ("NumberOfBlocks", |machine, disk| {
            disk.statistics(machine).map(|statistics| statistics.blocks).into()
        }),
        ("ProviderName", |_, disk| disk.mount.source.clone().into()),
        // Logon session of the system (MS-DTYP, LUID of LocalSystem); mounts do not belong to a session.
        ("SessionID", |_, _| "999".into()),
        ("Size", |machine, disk| {
            disk.statistics(machine).map(linux::storage::statistics::Statistics::size).into()
        }),
        ("Status", |machine, disk| disk.answer(machine).status().into()),
        ("SupportsDiskQuotas", |_, disk| disk.supports_quotas().into()),
        ("SupportsFileBasedCompression", |_, disk| disk.supports_compression().into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, FileSystem>,
    ) -> Result<(), ProviderError> {
        let mut disks = FileSystem::all(machine, &self.queries).map_err(failure)?;
        disks.retain(|disk| is_of_network(&disk.mount));
        if wants_any(scan, TOLD) {
            for disk in &disks {
                disk.ask(machine);
            }
        }
        disks.into_iter().try_for_each(push)
    }
}
