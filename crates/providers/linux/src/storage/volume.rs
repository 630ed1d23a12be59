//! `Win32_Volume`: local file systems, mounted or not, and swap space.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cim::{ColumnSet, Instance, Value};
use linux::mounts::Mount;
use linux::program;
use linux::storage::file_system::FileSystem;
use linux::storage::statistics::StatisticsQueries;
use linux::storage::volume::{Volume as Row, volumes};
use wmi::{Context, EventSource, Lookup, MethodCall, ProviderError, Scan, Target, Watch};

use super::checks;
use super::logical_disk::{TOLD, access, description};
use crate::storage::logical_disk::drive_number;
use crate::storage::wants_any;
use crate::table::{Fill, Push, Table, failure, is_set, returned, text_key};
use crate::{Machine, events};

/// Volumes of the machine.
pub(crate) struct Volume {
    queries: Arc<StatisticsQueries>,
}

impl Volume {
    pub(crate) fn new(queries: &Arc<StatisticsQueries>) -> Self {
        Self { queries: queries.clone() }
    }
}

impl Table for Volume {
    type Row = Row;

    const CLASS: &'static str = "Win32_Volume";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Access", |_, row| row.file_system.as_ref().map_or(3, access).into()),
        ("Automount", |machine, row| row.entry(machine).is_some().into()),
        ("Availability", |machine, row| {
            let is_online = row.file_system.is_none() || row.statistics(machine).is_some();
            if is_online { 3_u16 } else { 8 }.into()
        }),
        ("BlockSize", |machine, row| row.statistics(machine).map(|statistics| statistics.block).into()),
        ("BootVolume", |_, row| (row.place() == Some("/")).into()),
        ("Capacity", |machine, row| {
            row.statistics(machine)
                .map(linux::storage::statistics::Statistics::size)
                .or_else(|| row.block.as_ref().filter(|_| row.file_system.is_none())?.size(machine))
                .into()
        }),
        ("Caption", |_, row| {
            row.place()
                .map_or_else(|| row.source(), |place| format!("{}/", place.trim_end_matches('/')))
                .into()
        }),
        ("Compressed", |_, _| false.into()),
        ("Description", |machine, row| description(row.drive_type(machine)).into()),
        ("DeviceID", |_, row| row.device_id().into()),
        ("DirtyBitSet", |machine, row| row.file_system.as_ref().and_then(|one| one.is_dirty(machine)).into()),
        ("DriveLetter", |_, row| row.place().map(str::to_owned).into()),
        ("DriveType", |machine, row| drive_number(row.drive_type(machine)).into()),
        ("FileSystem", |_, row| row.kind.clone().into()),
        ("FreeSpace", |machine, row| {
            row.statistics(machine).map(linux::storage::statistics::Statistics::free).into()
        }),
        ("IndexingEnabled", |_, _| false.into()),
        ("Label", |_, row| row.identity.label.clone().into()),
        ("MaximumFileNameLength", |machine, row| {
            row.statistics(machine).and_then(|statistics| u32::try_from(statistics.longest_name).ok()).into()
        }),
        ("Name", |_, row| row.place().map_or_else(|| row.device_id(), str::to_owned).into()),
        ("PageFilePresent", |machine, row| row.has_swap(machine).into()),
        ("QuotasEnabled", |_, row| row.file_system.as_ref().map(FileSystem::has_quotas).into()),
        ("SerialNumber", |_, row| {
            let digits = row.identity.serial_number();
            digits.and_then(|digits| u32::from_str_radix(&digits, 16).ok()).into()
        }),
        ("Status", |machine, row| {
            row.file_system.as_ref().map_or("OK", |file_system| file_system.answer(machine).status()).into()
        }),
        ("StatusInfo", |_, row| if row.file_system.is_some() { 3_u16 } else { 4 }.into()),
        ("SupportsDiskQuotas", |_, row| row.file_system.as_ref().map(FileSystem::supports_quotas).into()),
        ("SupportsFileBasedCompression", |_, row| {
            row.file_system.as_ref().map(FileSystem::supports_compression).into()
        }),
        ("SystemVolume", |machine, row| {
            let first = row.mounts().first_at(machine, &["/boot/efi", "/efi", "/boot", "/"]);
            let own = row.file_system.as_ref().map(|file_system| file_system.mount.device);
            first.map(|first| Some(first.device) == own).into()
        }),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        events::of_volumes(machine, watch)
    }

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        let rows = volumes(machine, &self.queries).map_err(failure)?;
        if wants_any(scan, TOLD) || wants_any(scan, &["Availability"]) {
            for file_system in rows.iter().filter_map(|row| row.file_system.as_ref()) {
                file_system.ask(machine);
            }
        }
        rows.into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let id = text_key(lookup.keys);
        self.find(machine, id)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let method = call.operation.method.name.as_str();
        let row = match (method, call.target) {
            ("ScheduleAutoChk", _) => {
                let volumes = call.input.value("Volume");
                let code = checks::schedule(machine, volumes, |name| self.file_system(machine, name))?;
                return returned(call, code as u32);
            }
            ("ExcludeFromAutoChk", _) => {
                let volumes = call.input.value("Volume");
                let code = checks::exclude(machine, volumes, |name| self.file_system(machine, name))?;
                return returned(call, code as u32);
            }
            (_, Target::Class) => return Err(ProviderError::NotCapable),
            (_, Target::Instance(keys)) => {
                let id = text_key(keys);
                self.find(machine, id)?.ok_or_else(|| no_such(id))?
            }
        };
        match method {
            "Chkdsk" => match &row.file_system {
                Some(file_system) => returned(call, checks::of_mounted(file_system, call.input)? as u32),
                None => returned(call, checks::of_device(&row.source(), &row.kind, call.input)? as u32),
            },
            "Mount" => returned(call, mount(&row, machine)),
            "Dismount" => returned(
                call,
                dismount(&row, machine, is_set(call.input, "Force"), is_set(call.input, "Permanent"))?,
            ),
            "AddMountPoint" => {
                let folder = call.input.value("Directory").and_then(Value::as_str).unwrap_or_default();
                returned(call, add_mount_point(&row, folder))
            }
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
        let id = instance.value("DeviceID").and_then(Value::as_str).unwrap_or_default();
        let row = self.find(machine, id)?.ok_or_else(|| no_such(id))?;
        let is_label =
            |name: &str| instance.class().column(name).is_some_and(|column| changed.contains(column));
        if !is_label("Label") || changed.len() > 1 {
            return Err(ProviderError::NotCapable);
        }
        let label = instance.value("Label").and_then(Value::as_str).unwrap_or_default();
        checks::relabel_device(&row.source(), &row.kind, row.place(), label, SHORT)
    }
}

impl Volume {
    fn find(&self, machine: &Machine, id: &str) -> Result<Option<Row>, ProviderError> {
        let mut all = volumes(machine, &self.queries).map_err(failure)?.into_iter();
        Ok(all.find(|row| row.device_id().eq_ignore_ascii_case(id)))
    }

    /// Returns the file system mounted at a folder, or that of the volume with a name.
    fn file_system(&self, machine: &Machine, name: &str) -> Result<Option<FileSystem>, ProviderError> {
        let mut all = FileSystem::all(machine, &self.queries).map_err(failure)?.into_iter();
        match all.find(|one| one.mount.place == name) {
            None => Ok(self.find(machine, name)?.and_then(|row| row.file_system)),
            found => Ok(found),
        }
    }
}

pub(super) fn no_such(id: &str) -> ProviderError {
    ProviderError::failed(cim::Status::NotFound, format!("volume {id} not found"))
}

/// Time limit for mounting.
const SHORT: Duration = Duration::from_secs(30);

/// Result codes of the methods for denied access and other errors.
const ACCESS_DENIED: u32 = 1;

const UNKNOWN_ERROR: u32 = 6;

/// Mounts the volume at its path in fstab (`Mount`: 0, or 1 for an unspecified error).
fn mount(volume: &Row, machine: &Machine) -> u32 {
    if volume.file_system.is_some() {
        return 0;
    }
    let Some(entry) = volume.entry(machine) else { return 1 };
    u32::from(!succeeds(program::of_system("mount", [&entry.place], SHORT)))
}

/// Unmounts the volume from all mount points (`Dismount`: 0, 1 access denied, 2 other volumes are mounted
/// below, 3 cannot be kept from being mounted again, 4 in use).
fn dismount(volume: &Row, machine: &Machine, by_force: bool, for_ever: bool) -> Result<u32, ProviderError> {
    let Some(own) = &volume.file_system else { return Ok(0) };
    // Automatic mounting is configured in fstab, which belongs to the administrator.
    if for_ever {
        return Ok(3);
    }
    let mounts = machine.mounts().map_err(failure)?;
    let (own, others): (Vec<&Mount>, Vec<&Mount>) =
        mounts.iter().partition(|mount| mount.device == own.mount.device);
    let places: HashSet<_> = own.iter().map(|mount| Path::new(&mount.place)).collect();
    let has_others =
        others.iter().any(|other| Path::new(&other.place).ancestors().any(|above| places.contains(above)));
    if has_others {
        return Ok(2);
    }
    if !rustix::process::geteuid().is_root() {
        return Ok(ACCESS_DENIED);
    }
    // Unmounts in reverse order. A forced unmount is lazy: processes keep access to the files they have
    // open.
    for mount in own.iter().rev() {
        let arguments: &[&str] = if by_force { &["-l", "--", &mount.place] } else { &["--", &mount.place] };
        if !succeeds(program::of_system("umount", arguments, SHORT)) {
            return Ok(4);
        }
    }
    Ok(0)
}

/// Mounts the volume at another path (`AddMountPoint`: 0, 1 access denied, 2 invalid argument, 3 folder
/// not empty, 4 folder not found, 6 other errors).
fn add_mount_point(volume: &Row, folder: &str) -> u32 {
    let path = Path::new(folder);
    let is_plain =
        path.is_absolute() && path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    if !is_plain {
        return 2;
    }
    let found = match std::fs::read_dir(path) {
        Ok(mut names) => names.next(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return ACCESS_DENIED,
        Err(_) => return 4,
    };
    if found.is_some() {
        return 3;
    }
    if !rustix::process::geteuid().is_root() {
        return ACCESS_DENIED;
    }
    let source = volume.source();
    let ended = match volume.place() {
        Some(place) => program::of_system("mount", ["--bind", "--", place, folder], SHORT),
        None => program::of_system("mount", ["--", &source, folder], SHORT),
    };
    if succeeds(ended) { 0 } else { UNKNOWN_ERROR }
}

fn succeeds(ended: io::Result<program::Ended>) -> bool {
    ended.is_ok_and(|ended| ended.code == 0)
}
