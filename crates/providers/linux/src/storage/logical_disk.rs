//! `Win32_LogicalDisk`: file systems by mount point.

use std::sync::Arc;
use std::time::Duration;

use cim::{ColumnSet, Instance, Value};
use linux::storage::file_system::{DriveType, FileSystem};
use linux::storage::statistics::StatisticsQueries;
use wmi::{Context, EventSource, Lookup, MethodCall, ProviderError, Scan, Target, Watch};

use super::checks;
use crate::storage::wants_any;
use crate::table::{Fill, Push, Table, failure, returned, text_key};
use crate::{Machine, events};

/// Mounted file systems.
pub(crate) struct LogicalDisk {
    queries: Arc<StatisticsQueries>,
}

/// A file system under its mount point or an alias.
pub(crate) struct Disk {
    pub(crate) name: String,
    pub(crate) file_system: FileSystem,
}

impl LogicalDisk {
    pub(crate) fn new(queries: &Arc<StatisticsQueries>) -> Self {
        Self { queries: queries.clone() }
    }

    fn find(&self, machine: &Machine, name: &str) -> Result<Option<Disk>, ProviderError> {
        Ok(disks(machine, &self.queries)?.into_iter().find(|disk| disk.is_called(name)))
    }

    fn file_system(&self, machine: &Machine, name: &str) -> Result<Option<FileSystem>, ProviderError> {
        Ok(self.find(machine, name)?.map(|disk| disk.file_system))
    }
}

/// Returns the mounted file systems, and once more those that have an alias.
///
/// # Errors
/// If the mounts cannot be read.
pub(crate) fn disks(machine: &Machine, queries: &Arc<StatisticsQueries>) -> Result<Vec<Disk>, ProviderError> {
    let mut disks: Vec<Disk> = FileSystem::all(machine, queries)
        .map_err(failure)?
        .into_iter()
        .map(|file_system| Disk { name: file_system.mount.place.clone(), file_system })
        .collect();
    for (alias, place) in machine.drive_aliases() {
        let again = FileSystem::all(machine, queries).map_err(failure)?.into_iter();
        let aliased = again.filter(|one| one.mount.place == place);
        disks.extend(aliased.map(|file_system| Disk { name: alias.clone(), file_system }));
    }
    Ok(disks)
}

impl Disk {
    /// Returns whether the name is that of the disk; mount points are case-sensitive, drive letters are not.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || (!self.name.starts_with('/') && self.name.eq_ignore_ascii_case(name))
    }
}

/// Columns that only the file system itself can fill; asking may take long.
pub(super) const TOLD: &[&str] = &[
    "BlockSize",
    "Capacity",
    "FreeSpace",
    "MaximumComponentLength",
    "MaximumFileNameLength",
    "NumberOfBlocks",
    "Size",
    "Status",
];

impl Table for LogicalDisk {
    type Row = Disk;

    const CLASS: &'static str = "Win32_LogicalDisk";

    const COLUMNS: &'static [(&'static str, Fill<Disk>)] = &[
        ("Access", |_, disk| access(&disk.file_system).into()),
        ("Availability", |machine, disk| {
            // 3 is "Running or Full Power", 8 "Off Line".
            let answers = disk.file_system.answer(machine).statistics().is_some();
            if answers { 3_u16 } else { 8 }.into()
        }),
        ("BlockSize", |machine, disk| {
            disk.file_system.statistics(machine).map(|statistics| statistics.block).into()
        }),
        ("Caption", |_, disk| disk.name.clone().into()),
        ("Compressed", |_, _| false.into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, disk| description(disk.file_system.drive_type(machine)).into()),
        ("DeviceID", |_, disk| disk.name.clone().into()),
        ("DriveType", |machine, disk| drive_number(disk.file_system.drive_type(machine)).into()),
        ("FileSystem", |_, disk| disk.file_system.mount.kind.clone().into()),
        ("FreeSpace", |machine, disk| {
            disk.file_system.statistics(machine).map(linux::storage::statistics::Statistics::free).into()
        }),
        ("MaximumComponentLength", |machine, disk| {
            disk.file_system
                .statistics(machine)
                .and_then(|statistics| u32::try_from(statistics.longest_name).ok())
                .into()
        }),
        ("MediaType", |machine, disk| match disk.file_system.drive_type(machine) {
            DriveType::Local => 12_u32.into(),
            DriveType::Removable | DriveType::Optical => 11_u32.into(),
            DriveType::Network | DriveType::Memory => Value::Null,
        }),
        ("Name", |_, disk| disk.name.clone().into()),
        ("NumberOfBlocks", |machine, disk| {
            disk.file_system.statistics(machine).map(|statistics| statistics.blocks).into()
        }),
        ("PowerManagementSupported", |_, _| false.into()),
        ("ProviderName", |machine, disk| {
            let is_remote = disk.file_system.drive_type(machine) == DriveType::Network;
            is_remote.then(|| disk.file_system.mount.source.clone()).into()
        }),
        ("Purpose", |_, disk| disk.file_system.mount.source.clone().into()),
        ("QuotasDisabled", |_, disk| (!disk.file_system.has_quotas()).into()),
        ("QuotasIncomplete", |_, _| false.into()),
        ("QuotasRebuilding", |_, _| false.into()),
        ("Size", |machine, disk| {
            disk.file_system.statistics(machine).map(linux::storage::statistics::Statistics::size).into()
        }),
        ("Status", |machine, disk| disk.file_system.answer(machine).status().into()),
        ("StatusInfo", |machine, disk| {
            // 3 is "Enabled", 4 "Disabled": a file system that does not answer serves no requests.
            let answers = disk.file_system.answer(machine).statistics().is_some();
            if answers { 3_u16 } else { 4 }.into()
        }),
        ("SupportsDiskQuotas", |_, disk| disk.file_system.supports_quotas().into()),
        ("SupportsFileBasedCompression", |_, disk| disk.file_system.supports_compression().into()),
        ("VolumeDirty", |machine, disk| disk.file_system.is_dirty(machine).into()),
        ("VolumeName", |machine, disk| disk.file_system.identity(machine).label.clone().into()),
        ("VolumeSerialNumber", |machine, disk| disk.file_system.identity(machine).serial_number().into()),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        events::of_mounted(machine, watch)
    }

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Disk>,
    ) -> Result<(), ProviderError> {
        let disks = disks(machine, &self.queries)?;
        // Asks all before waiting for the first, so that several silent file systems take no longer than one.
        if wants_any(scan, TOLD) || wants_any(scan, &["Availability", "StatusInfo"]) {
            for disk in &disks {
                disk.file_system.ask(machine);
            }
        }
        disks.into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Disk>, ProviderError> {
        let name = text_key(lookup.keys);
        // A mount point in different case must be searched among all.
        self.find(machine, name)?.map(Some).ok_or(ProviderError::NotCapable)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        match (call.operation.method.name.as_str(), call.target) {
            ("Chkdsk", Target::Instance(keys)) => {
                let name = text_key(keys);
                let disk = self.find(machine, name)?.ok_or_else(|| checks::no_such(name))?;
                returned(call, checks::of_mounted(&disk.file_system, call.input)? as u32)
            }
            ("ScheduleAutoChk", _) => returned(
                call,
                checks::schedule(machine, call.input.value("LogicalDisk"), |name: &str| {
                    self.file_system(machine, name)
                })? as u32,
            ),
            ("ExcludeFromAutochk", _) => returned(
                call,
                checks::exclude(machine, call.input.value("LogicalDisk"), |name: &str| {
                    self.file_system(machine, name)
                })? as u32,
            ),
            _ => Err(ProviderError::NotCapable),
        }
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let name = instance.value("DeviceID").and_then(Value::as_str).unwrap_or_default();
        let disk = self.find(machine, name)?.ok_or_else(|| checks::no_such(name))?;
        let column = instance.class().column("VolumeName");
        if column.is_some_and(|column| changed.contains(column)) {
            let label = instance.value("VolumeName").and_then(Value::as_str).unwrap_or_default();
            checks::relabel(&disk.file_system, label, Duration::from_secs(20))?;
        }
        Ok(())
    }
}

/// Returns the value of `Access`: 1 is readable, 3 readable and writable.
pub(super) fn access(file_system: &FileSystem) -> u16 {
    if file_system.mount.has("ro") { 1 } else { 3 }
}

pub(super) fn description(of: DriveType) -> &'static str {
    match of {
        DriveType::Local => "Local Fixed Disk",
        DriveType::Network => "Network Connection",
        DriveType::Removable => "Removable Disk",
        DriveType::Optical => "CD-ROM Disc",
        DriveType::Memory => "RAM Disk",
    }
}

/// Returns the number of a kind of device (`DriveType`).
pub(super) fn drive_number(kind: DriveType) -> u32 {
    match kind {
        DriveType::Removable => 2,
        DriveType::Local => 3,
        DriveType::Network => 4,
        DriveType::Optical => 5,
        DriveType::Memory => 6,
    }
}
