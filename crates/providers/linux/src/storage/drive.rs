//! `Win32_DiskDrive`.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use wmi::{Lookup, ProviderError};

use crate::table::{Fill, Table, text_key};
use crate::{Machine, events};
use linux::mounts::Mounts;
use linux::storage::block::Block;
use linux::storage::partition_table::PartitionTable;
use linux::storage::smart::Smart;
use linux::udev::Udev;

/// Disks of the machine.
pub(crate) struct DiskDrive;

/// A disk.
pub(crate) struct Drive {
    /// Position among all disks, ordered by device number.
    pub(crate) index: u32,
    pub(crate) block: Block,
    /// Mounts, shared by all disks of an answer.
    pub(crate) mounts: Rc<Mounts>,
    udev: OnceCell<Udev>,
    smart: OnceCell<Option<Smart>>,
    partition_table: OnceCell<Option<PartitionTable>>,
}

/// Availability of a disk to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Fine,
    /// Temporarily unavailable.
    Waiting,
    Gone,
}

impl Drive {
    /// Returns all disks.
    pub(crate) fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        let disks = Block::disks(machine).into_iter();
        let mounts = Rc::default();
        let drive = move |(index, block)| Self {
            index,
            block,
            mounts: Rc::clone(&mounts),
            udev: OnceCell::new(),
            smart: OnceCell::new(),
            partition_table: OnceCell::new(),
        };
        (0..).zip(disks).map(drive)
    }

    /// Returns the disk's entry in the database of udev.
    pub(crate) fn udev(&self, machine: &Machine) -> &Udev {
        self.udev.get_or_init(|| self.block.udev(machine))
    }

    /// Returns the disk's health data; `None` if it has none or the caller may not read it.
    pub(crate) fn smart(&self, machine: &Machine) -> Option<&Smart> {
        self.smart.get_or_init(|| Smart::of(machine, &self.block)).as_ref()
    }

    /// Returns the partition table; `None` if there is no table or the caller may not read it.
    pub(crate) fn partition_table(&self, machine: &Machine) -> Option<&PartitionTable> {
        let read = || {
            let size = usize::try_from(self.sector(machine)?).ok()?;
            PartitionTable::of(&machine.path(self.block.node()), size)
        };
        self.partition_table.get_or_init(read).as_ref()
    }

    /// Returns the model that the disk reports.
    pub(crate) fn model(&self, machine: &Machine) -> Option<String> {
        let told =
            self.block.line(machine, "device/model").or_else(|| self.block.line(machine, "device/name"));
        told.or_else(|| self.udev(machine).exact("ID_MODEL"))
    }

    /// Returns the serial number.
    pub(crate) fn serial_number(&self, machine: &Machine) -> Option<String> {
        let known = self.udev(machine).property("ID_SERIAL_SHORT").map(str::to_owned);
        let told =
            || self.block.line(machine, "serial").or_else(|| self.block.line(machine, "device/serial"));
        // The page with the serial number in SCSI's vital product data begins with a header of four bytes
        // (SPC-4).
        let page = || {
            let page = machine.octets(format!("sys{}/device/vpd_pg80", self.block.folder)).ok()?;
            let text = String::from_utf8_lossy(page.get(4..)?).trim_matches(['\0', ' ']).to_owned();
            (!text.is_empty()).then_some(text)
        };
        known.or_else(told).or_else(page)
    }

    /// Returns the firmware version.
    pub(crate) fn firmware(&self, machine: &Machine) -> Option<String> {
        let files = ["device/firmware_rev", "device/rev", "device/fwrev"];
        let told = files.iter().find_map(|file| self.block.line(machine, file));
        told.or_else(|| self.udev(machine).exact("ID_REVISION"))
    }

    /// Returns the manufacturer.
    pub(crate) fn manufacturer(&self, machine: &Machine) -> Option<String> {
        // A number is the vendor id of a bridge or adapter, not the disk's manufacturer.
        self.block.line(machine, "device/vendor").filter(|vendor| !vendor.starts_with("0x"))
    }

    /// Returns the availability: the states "running" of SCSI and "live" of NVMe are fine; other disks have
    /// no state while they are present.
    pub(crate) fn condition(&self, machine: &Machine) -> Condition {
        match self.block.line(machine, "device/state").as_deref() {
            None | Some("running" | "live") => Condition::Fine,
            Some("blocked" | "quiesce" | "resetting" | "connecting") => Condition::Waiting,
            Some(_) => Condition::Gone,
        }
    }

    /// Returns the interface by its name in Windows.
    pub(crate) fn interface(&self, machine: &Machine) -> Option<&'static str> {
        let (folder, name) = (&self.block.folder, &self.block.name);
        if folder.contains("/usb") {
            Some("USB")
        } else if folder.contains("/ata") || name.starts_with("hd") {
            Some("IDE")
        } else if self.address(machine).is_some() || name.starts_with("nvme") || name.starts_with("vd") {
            Some("SCSI")
        } else {
            None
        }
    }

    /// Returns host, channel, target and unit of a SCSI disk.
    pub(crate) fn address(&self, machine: &Machine) -> Option<[u32; 4]> {
        let device = linux::storage::block::folder_of(machine, &format!("sys{}/device", self.block.folder))?;
        let numbers: Vec<u32> =
            device.rsplit('/').next()?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
        numbers.try_into().ok()
    }

    pub(crate) fn sector(&self, machine: &Machine) -> Option<u64> {
        self.block.number(machine, "queue/logical_block_size")
    }

    pub(crate) fn sectors(&self, machine: &Machine) -> Option<u64> {
        self.block.size(machine)?.checked_div(self.sector(machine)?)
    }

    /// Returns the number of cylinders in the conventional geometry of 255 heads and 63 sectors.
    pub(crate) fn cylinders(&self, machine: &Machine) -> Option<u64> {
        Some(self.sectors(machine)? / (255 * 63))
    }

    /// Returns the capabilities: 3 is random access, 4 writing, 7 removable media.
    fn capabilities(&self, machine: &Machine) -> Vec<u16> {
        let is_read_only = self.block.number::<u8>(machine, "ro") == Some(1);
        let removable = self.block.is_removable(machine).then_some(7);
        [Some(3), (!is_read_only).then_some(4), removable].into_iter().flatten().collect()
    }
}

impl Table for DiskDrive {
    type Row = Drive;

    const CLASS: &'static str = "Win32_DiskDrive";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("BytesPerSector", |machine, drive| {
            drive.sector(machine).and_then(|octets| u32::try_from(octets).ok()).into()
        }),
        ("Capabilities", |machine, drive| drive.capabilities(machine).into()),
        ("CapabilityDescriptions", |machine, drive| {
            let words = drive.capabilities(machine).into_iter().map(|capability| match capability {
                3 => "Random Access",
                4 => "Supports Writing",
                _ => "Supports Removable Media",
            });
            words.collect::<Vec<_>>().into()
        }),
        ("Caption", |machine, drive| drive.model(machine).unwrap_or_else(|| drive.block.node()).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, _| "Disk drive".into()),
        ("DeviceID", |_, drive| drive.block.node().into()),
        ("FirmwareRevision", |machine, drive| drive.firmware(machine).into()),
        ("Index", |_, drive| drive.index.into()),
        ("InterfaceType", |machine, drive| drive.interface(machine).into()),
        ("Manufacturer", |machine, drive| drive.manufacturer(machine).into()),
        ("MediaLoaded", |machine, drive| (drive.block.size(machine).unwrap_or_default() > 0).into()),
        ("MediaType", |machine, drive| {
            let is_removable = drive.block.is_removable(machine);
            if is_removable { "Removable Media" } else { "Fixed hard disk media" }.into()
        }),
        ("Model", |machine, drive| drive.model(machine).into()),
        ("Name", |_, drive| drive.block.node().into()),
        ("Partitions", |machine, drive| u32::try_from(drive.block.partitions(machine).len()).ok().into()),
        ("PNPDeviceID", |_, drive| drive.block.folder.clone().into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("SCSIBus", |machine, drive| drive.address(machine).map(|[_, channel, ..]| channel).into()),
        ("SCSILogicalUnit", |machine, drive| narrow(drive.address(machine).map(|[.., unit]| unit))),
        ("SCSIPort", |machine, drive| narrow(drive.address(machine).map(|[host, ..]| host))),
        ("SCSITargetId", |machine, drive| narrow(drive.address(machine).map(|[_, _, target, _]| target))),
        ("SectorsPerTrack", |_, _| 63_u32.into()),
        ("SerialNumber", |machine, drive| drive.serial_number(machine).into()),
        ("Signature", |machine, drive| {
            let udev = drive.udev(machine);
            let is_mbr = udev.property("ID_PART_TABLE_TYPE") == Some("dos");
            let signature = udev.property("ID_PART_TABLE_UUID").filter(|_| is_mbr);
            signature.and_then(|digits| u32::from_str_radix(digits, 16).ok()).into()
        }),
        ("Size", |machine, drive| drive.block.size(machine).into()),
        ("Status", |machine, drive| {
            match drive.condition(machine) {
                Condition::Gone => "Error",
                _ if drive.smart(machine).is_some_and(|smart| smart.expects_failure() == Some(true)) => {
                    "Pred Fail"
                }
                Condition::Waiting => "Degraded",
                Condition::Fine => "OK",
            }
            .into()
        }),
        ("TotalCylinders", |machine, drive| drive.cylinders(machine).into()),
        ("TotalHeads", |_, _| 255_u32.into()),
        ("TotalSectors", |machine, drive| drive.sectors(machine).into()),
        ("TotalTracks", |machine, drive| drive.cylinders(machine).map(|cylinders| cylinders * 255).into()),
        ("TracksPerCylinder", |_, _| 255_u32.into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BLOCK_DEVICES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Drive>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Drive::all(machine).find(|drive| drive.block.node().eq_ignore_ascii_case(id)))
    }
}

fn narrow(number: Option<u32>) -> Value {
    number.and_then(|number| u16::try_from(number).ok()).into()
}
