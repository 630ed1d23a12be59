//! `MSFT_Partition`.

use std::sync::Arc;

use cim::{Instance, Value};
use linux::mounts::Mounts;
use linux::storage::block::Block;
use linux::storage::drive::Condition;
use linux::storage::file_system::Identity;
use linux::storage::partition::Partition as Part;
use wmi::{Lookup, MethodCall, ProviderError, Target};

use super::{disk_id, object_id};
use crate::Machine;
use crate::table::{Fill, Table, returned, text_key};

/// Partitions of disks.
pub(super) struct Partition;

/// Returns the object identifier of a partition.
pub(super) fn id(part: &Part) -> String {
    object_id("Partition", &part.block.node())
}

/// Returns whether the running system is on the device.
pub(super) fn is_of_root(machine: &Machine, mounts: &Mounts, block: &Block) -> bool {
    holds(machine, mounts, block, &["/"])
}

/// Returns whether the machine boots from the device.
pub(super) fn is_of_start(machine: &Machine, mounts: &Mounts, block: &Block) -> bool {
    holds(machine, mounts, block, &["/boot/efi", "/efi", "/boot", "/"])
}

/// Returns whether the device holds the file system mounted at the first of these paths that is a mount
/// point.
fn holds(machine: &Machine, mounts: &Mounts, block: &Block, places: &[&str]) -> bool {
    let mounted = mounts.first_at(machine, places).and_then(|mount| {
        Block::numbered(machine, mount.device).or_else(|| Block::of_source(machine, &mount.source))
    });
    mounted.is_some_and(|mounted| mounted.foundations(machine).contains(block))
}

/// Returns the partition type in GPT.
fn gpt_kind(machine: &Machine, part: &Part) -> Option<String> {
    let udev = part.udev(machine);
    let reported =
        udev.property("ID_PART_ENTRY_TYPE").filter(|_| udev.property("ID_PART_ENTRY_SCHEME") == Some("gpt"));
    reported
        .map(str::to_owned)
        .or_else(|| Some(part.drive.partition_table(machine)?.gpt(part.number)?.kind.clone()))
}

fn guid(machine: &Machine, part: &Part) -> Option<String> {
    let udev = part.udev(machine);
    let reported =
        udev.property("ID_PART_ENTRY_UUID").filter(|_| udev.property("ID_PART_ENTRY_SCHEME") == Some("gpt"));
    reported
        .map(str::to_owned)
        .or_else(|| Some(part.drive.partition_table(machine)?.gpt(part.number)?.guid.clone()))
        .map(|guid| format!("{{{guid}}}"))
}

/// Returns the partition type in MBR.
fn mbr_kind(machine: &Machine, part: &Part) -> Option<u16> {
    let udev = part.udev(machine);
    let reported =
        udev.property("ID_PART_ENTRY_TYPE").filter(|_| udev.property("ID_PART_ENTRY_SCHEME") == Some("dos"));
    let reported = reported.and_then(|kind| u16::from_str_radix(kind.trim_start_matches("0x"), 16).ok());
    reported.or_else(|| Some(part.drive.partition_table(machine)?.mbr(part.number)?.kind.into()))
}

/// Returns whether MBR marks the partition as active.
fn is_active(machine: &Machine, part: &Part) -> Option<bool> {
    let udev = part.udev(machine);
    match udev.property("ID_PART_ENTRY_SCHEME") {
        Some("dos") => Some(udev.property("ID_PART_ENTRY_FLAGS") == Some("0x80")),
        Some(_) => Some(false),
        None => match part.drive.partition_table(machine)?.mbr(part.number) {
            Some(entry) => Some(entry.is_active),
            None => Some(false),
        },
    }
}

/// Returns a bit of the attributes in GPT (UEFI specification, 5.3.3; Microsoft defines bits 60, 62 and 63).
fn attribute(machine: &Machine, part: &Part, bit: u32) -> Option<bool> {
    let udev = part.udev(machine);
    let flags =
        udev.property("ID_PART_ENTRY_FLAGS").filter(|_| udev.property("ID_PART_ENTRY_SCHEME") == Some("gpt"));
    let reported = flags.and_then(|flags| u64::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
    // udev omits attributes that are all zero.
    reported
        .or_else(|| (udev.property("ID_PART_ENTRY_SCHEME") == Some("gpt")).then_some(0))
        .or_else(|| Some(part.drive.partition_table(machine)?.gpt(part.number)?.attributes))
        .map(|flags| flags >> bit & 1 == 1)
}

/// Returns the mount points, and the device path by UUID.
fn access_paths(machine: &Machine, part: &Part) -> Vec<String> {
    let own = part.drive.mounts.of_device(machine, part.block.device);
    let mut paths: Vec<String> = own.map(|mount| mount.place.clone()).collect();
    paths.extend(Identity::of(machine, &part.block).uuid.map(|uuid| format!("/dev/disk/by-uuid/{uuid}")));
    paths
}

impl Table for Partition {
    type Row = Part;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_Partition";

    const COLUMNS: &'static [(&'static str, Fill<Part>)] = &[
        ("AccessPaths", |machine, part| access_paths(machine, part).into()),
        ("DiskId", |_, part| disk_id::of(&part.drive).into()),
        ("DiskNumber", |_, part| part.drive.index.into()),
        ("GptType", |machine, part| gpt_kind(machine, part).map(|kind| format!("{{{kind}}}")).into()),
        ("Guid", |machine, part| guid(machine, part).into()),
        ("IsActive", |machine, part| is_active(machine, part).into()),
        ("IsBoot", |machine, part| is_of_root(machine, &part.drive.mounts, &part.block).into()),
        ("IsHidden", |machine, part| attribute(machine, part, 62).into()),
        ("IsOffline", |machine, part| (part.drive.condition(machine) == Condition::Gone).into()),
        ("IsReadOnly", |machine, part| part.block.number::<u8>(machine, "ro").map(|says| says == 1).into()),
        ("IsSystem", |machine, part| is_of_start(machine, &part.drive.mounts, &part.block).into()),
        ("MbrType", |machine, part| mbr_kind(machine, part).into()),
        ("NoDefaultDriveLetter", |machine, part| attribute(machine, part, 63).into()),
        ("ObjectId", |_, part| id(part).into()),
        ("Offset", |machine, part| part.extent(machine).map(|(start, _)| start).into()),
        // 1 is online, 5 failed.
        ("OperationalStatus", |machine, part| {
            if part.drive.condition(machine) == Condition::Gone { 5_u16 } else { 1 }.into()
        }),
        ("PartitionNumber", |_, part| part.number.into()),
        ("Size", |machine, part| part.block.size(machine).into()),
        // 1 is "stable".
        ("TransitionState", |_, _| 1_u16.into()),
        ("UniqueId", |machine, part| guid(machine, part).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Part>, ProviderError> {
        Ok(Part::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Part>, ProviderError> {
        Ok(find(machine, text_key(lookup.keys)))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let wanted = text_key(keys);
        let no_such =
            || ProviderError::failed(cim::Status::NotFound, format!("partition {wanted} not found"));
        let part = find(machine, wanted).ok_or_else(no_such)?;
        match call.operation.method.name.as_str() {
            "GetAccessPaths" => {
                let paths: Value = access_paths(machine, &part).into();
                Ok(returned(call, 0_u32)?.with("AccessPaths", paths)?)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }
}

fn find(machine: &Machine, wanted: &str) -> Option<Part> {
    Part::all(machine).find(|part| id(part).eq_ignore_ascii_case(wanted))
}
