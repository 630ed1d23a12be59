//! `SCX_FileSystem`: the file systems of [`crate::storage`].

use std::sync::Arc;

use cim::{Instance, Value};
use linux::storage::file_system::FileSystem as Mounted;
use linux::storage::statistics::{Statistics, StatisticsQueries};
use rustix::fs::statvfs;
use wmi::{MethodCall, ProviderError, Scan};

use crate::Machine;
use crate::storage::wants_any;
use crate::table::{Fill, Push, Table, failure, returned};

/// Mounted file systems that hold files.
#[derive(Default)]
pub(super) struct FileSystem {
    queries: Arc<StatisticsQueries>,
}

/// Columns that only the file system itself can fill; asking may take long.
const ASKED: [&str; 7] = [
    "AvailableSpace",
    "BlockSize",
    "FileSystemSize",
    "FreeInodes",
    "MaxFileNameLength",
    "NumberOfFiles",
    "TotalInodes",
];

/// Returns the total and free number of inodes; asked only after the file system has answered the first
/// query.
fn inodes(machine: &Machine, mounted: &Mounted) -> Option<(u64, u64)> {
    mounted.statistics(machine)?;
    let reported = statvfs(machine.path(&mounted.mount.place)).ok()?;
    // File systems that allocate inodes on demand report zero.
    (reported.f_files > 0).then_some((reported.f_files, reported.f_ffree))
}

impl Table for FileSystem {
    type Row = Mounted;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_FileSystem";

    const COLUMNS: &'static [(&'static str, Fill<Mounted>)] = &[
        ("AvailableSpace", |machine, mounted| mounted.statistics(machine).map(Statistics::free).into()),
        ("BlockSize", |machine, mounted| {
            mounted.statistics(machine).map(|statistics| statistics.block).into()
        }),
        ("Caption", |_, _| "File system".into()),
        ("CasePreserved", |_, _| true.into()),
        ("CaseSensitive", |_, mounted| match mounted.mount.kind.as_str() {
            "vfat" | "msdos" | "exfat" | "ntfs3" | "cifs" | "smb3" => Value::Null,
            _ => true.into(),
        }),
        ("CSCreationClassName", |_, _| "SCX_ComputerSystem".into()),
        ("Description", |_, mounted| mounted.mount.source.clone().into()),
        ("FileSystemSize", |machine, mounted| mounted.statistics(machine).map(Statistics::size).into()),
        ("FileSystemType", |_, mounted| mounted.mount.kind.clone().into()),
        ("FreeInodes", |machine, mounted| inodes(machine, mounted).map(|(_, free)| free).into()),
        ("IsOnline", |machine, mounted| mounted.statistics(machine).is_some().into()),
        ("MaxFileNameLength", |machine, mounted| {
            mounted
                .statistics(machine)
                .and_then(|statistics| u32::try_from(statistics.longest_name).ok())
                .into()
        }),
        ("Name", |_, mounted| mounted.mount.place.clone().into()),
        ("NumberOfFiles", |machine, mounted| {
            inodes(machine, mounted).and_then(|(all, free)| all.checked_sub(free)).into()
        }),
        // 2 is persistent, 3 temporary, 4 external (CIM_FileSystem of DMTF).
        ("PersistenceType", |machine, mounted| {
            use linux::storage::file_system::DriveType;
            match mounted.drive_type(machine) {
                DriveType::Memory => 3_u16,
                DriveType::Network => 4,
                _ => 2,
            }
            .into()
        }),
        ("ReadOnly", |_, mounted| mounted.mount.has("ro").into()),
        ("Root", |_, mounted| mounted.mount.source.clone().into()),
        ("TotalInodes", |machine, mounted| inodes(machine, mounted).map(|(all, _)| all).into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Mounted>,
    ) -> Result<(), ProviderError> {
        let mounted = Mounted::all(machine, &self.queries).map_err(failure)?;
        if wants_any(scan, &ASKED) {
            // Asks all file systems before waiting for the first answer.
            for mounted in &mounted {
                mounted.ask(machine);
            }
        }
        mounted.into_iter().try_for_each(push)
    }

    fn invoke(&self, _: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        super::forget(call).map_or_else(|| Err(ProviderError::NotCapable), |done| returned(call, done))
    }
}
