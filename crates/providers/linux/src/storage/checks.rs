//! Checks of file systems, now or at the next start, and changes of their labels.

use std::io;
use std::path::Path;
use std::time::Duration;

use cim::{Instance, Status, Value};
use linux::fstab;
use linux::program;
use linux::storage::file_system::{DriveType, FileSystem};
use wmi::ProviderError;

use crate::Machine;

/// Result codes of `Chkdsk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Done = 0,
    Scheduled = 1,
    UnknownFileSystem = 2,
    Failed = 3,
}

/// Result codes of `ScheduleAutoChk` and `ExcludeFromAutoChk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheduling {
    Done = 0,
    Remote = 1,
    Removable = 2,
    NotARoot = 3,
    Unknown = 4,
}

/// Time limit for a check that the client waits for.
const LONGEST_CHECK: Duration = Duration::from_secs(50);

/// Time limit for the other programs.
const SHORT: Duration = Duration::from_secs(20);

/// Returns the error for an unknown disk.
pub(super) fn no_such(name: &str) -> ProviderError {
    ProviderError::failed(Status::NotFound, format!("no file system is mounted at {name}"))
}

/// Schedules the check of a mounted file system for its next mount, if the caller allows that.
pub(super) fn of_mounted(file_system: &FileSystem, input: &Instance) -> Result<Checked, ProviderError> {
    if input.value("OkToRunAtBootUp") == Some(&Value::Boolean(false)) {
        return Ok(Checked::Failed);
    }
    if !is_extended(&file_system.mount.kind) {
        return Ok(Checked::UnknownFileSystem);
    }
    Ok(if force_check(&file_system.mount.source)? { Checked::Scheduled } else { Checked::Failed })
}

/// Checks a file system that is not mounted, and repairs it if the caller requests it.
pub(super) fn of_device(device: &str, kind: &str, input: &Instance) -> Result<Checked, ProviderError> {
    let mends = input.value("FixErrors") == Some(&Value::Boolean(true));
    let (name, arguments): (&str, &[&str]) = match (kind, mends) {
        ("ext2" | "ext3" | "ext4", false) => ("e2fsck", &["-f", "-n"]),
        ("ext2" | "ext3" | "ext4", true) => ("e2fsck", &["-f", "-p"]),
        ("vfat", false) => ("fsck.vfat", &["-n"]),
        ("vfat", true) => ("fsck.vfat", &["-a"]),
        ("xfs", false) => ("xfs_repair", &["-n"]),
        ("xfs", true) => ("xfs_repair", &[]),
        ("btrfs", false) => ("btrfs", &["check", "--readonly"]),
        _ => return Ok(Checked::UnknownFileSystem),
    };
    let arguments = arguments.iter().copied().chain([device]);
    let ended = match program::of_system(name, arguments, LONGEST_CHECK) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Checked::UnknownFileSystem),
        ended => ended.map_err(|error| failed(name, &error.to_string()))?,
    };
    // Code 1 means "errors were corrected" (fsck(8)), except for xfs_repair, where it means that there are
    // errors.
    let is_well = ended.code == 0 || (ended.code == 1 && mends && name != "xfs_repair");
    Ok(if is_well { Checked::Done } else { Checked::Failed })
}

/// Schedules the check of disks for the next start.
pub(super) fn schedule(
    machine: &Machine,
    names: Option<&Value>,
    find: impl Fn(&str) -> Result<Option<FileSystem>, ProviderError>,
) -> Result<Scheduling, ProviderError> {
    of_each(machine, names, find, |file_system| {
        if is_extended(&file_system.mount.kind) && !force_check(&file_system.mount.source)? {
            return Err(failed("tune2fs", "it cannot be scheduled"));
        }
        let pass = if file_system.mount.place == "/" { 1 } else { 2 };
        fstab::set_pass(machine, &file_system.mount.place, |before| if before == 0 { pass } else { before })
            .map_err(|error| failed("fstab", &error.to_string()))
    })
}

/// Excludes disks from checks at start.
pub(super) fn exclude(
    machine: &Machine,
    names: Option<&Value>,
    find: impl Fn(&str) -> Result<Option<FileSystem>, ProviderError>,
) -> Result<Scheduling, ProviderError> {
    of_each(machine, names, find, |file_system| {
        fstab::set_pass(machine, &file_system.mount.place, |_| 0)
            .map_err(|error| failed("fstab", &error.to_string()))
    })
}

/// Applies an action to all disks, or to none of them if one is unsuitable.
fn of_each(
    machine: &Machine,
    names: Option<&Value>,
    find: impl Fn(&str) -> Result<Option<FileSystem>, ProviderError>,
    act: impl Fn(&FileSystem) -> Result<(), ProviderError>,
) -> Result<Scheduling, ProviderError> {
    let mut found = Vec::new();
    for name in names.map(Value::elements).unwrap_or_default().iter().filter_map(Value::as_str) {
        let Some(file_system) = find(name)? else {
            let is_folder =
                Path::new(name).is_absolute() && machine.path(name.trim_start_matches('/')).is_dir();
            return Ok(if is_folder { Scheduling::NotARoot } else { Scheduling::Unknown });
        };
        match file_system.drive_type(machine) {
            DriveType::Network => return Ok(Scheduling::Remote),
            DriveType::Removable | DriveType::Optical => return Ok(Scheduling::Removable),
            DriveType::Local | DriveType::Memory => found.push(file_system),
        }
    }
    // An empty list is reported as an error.
    if found.is_empty() {
        return Ok(Scheduling::Unknown);
    }
    found.iter().try_for_each(act)?;
    Ok(Scheduling::Done)
}

/// Changes the label of a mounted file system.
pub(super) fn relabel(file_system: &FileSystem, label: &str, limit: Duration) -> Result<(), ProviderError> {
    relabel_device(
        &file_system.mount.source,
        &file_system.mount.kind,
        Some(&file_system.mount.place),
        label,
        limit,
    )
}

/// Changes the label of the file system on a device.
///
/// # Errors
/// If the label is invalid for the file system, or its labels cannot be changed.
pub(super) fn relabel_device(
    device: &str,
    kind: &str,
    place: Option<&str>,
    label: &str,
    limit: Duration,
) -> Result<(), ProviderError> {
    // Maximum lengths in bytes: struct ext2_super_block, xfs_dsb, btrfs_super_block, the FAT specification.
    let longest = match kind {
        "ext2" | "ext3" | "ext4" => 16,
        "xfs" => 12,
        "btrfs" => 255,
        "vfat" => 11,
        _ => return Err(ProviderError::NotCapable),
    };
    if label.len() > longest
        || label.starts_with('-')
        || label.chars().any(|character| character.is_control() || character == '"')
    {
        let message = format!("label \"{label}\" is not valid for {kind}\n  use at most {longest} bytes");
        return Err(ProviderError::failed(Status::InvalidParameter, message));
    }
    let of_xfs = if label.is_empty() { "label -c".to_owned() } else { format!("label -s \"{label}\"") };
    let (name, arguments): (&str, Vec<&str>) = match (kind, place) {
        ("xfs", Some(place)) => ("xfs_io", vec!["-c", &of_xfs, place]),
        ("xfs", None) => ("xfs_admin", vec!["-L", if label.is_empty() { "--" } else { label }, device]),
        ("btrfs", place) => ("btrfs", vec!["filesystem", "label", place.unwrap_or(device), label]),
        ("vfat", _) if label.is_empty() => ("fatlabel", vec!["-r", device]),
        ("vfat", _) => ("fatlabel", vec![device, label]),
        _ => ("e2label", vec![device, label]),
    };
    let ended =
        program::of_system(name, arguments, limit).map_err(|error| failed(name, &error.to_string()))?;
    if ended.code == 0 { Ok(()) } else { Err(failed(name, ended.stderr.trim())) }
}

/// Marks an ext4 file system to be checked at its next mount.
fn force_check(device: &str) -> Result<bool, ProviderError> {
    let ended = program::of_system("tune2fs", ["-E", "force_fsck", device], SHORT);
    Ok(ended.map_err(|error| failed("tune2fs", &error.to_string()))?.code == 0)
}

fn is_extended(kind: &str) -> bool {
    matches!(kind, "ext2" | "ext3" | "ext4")
}

fn failed(what: &str, why: &str) -> ProviderError {
    ProviderError::failed(Status::Failed, format!("{what}: {why}"))
}
