//! Disks.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::Machine;
use crate::mounts::Mounts;
use crate::storage::block::Block;
use crate::storage::partition_table::PartitionTable;
use crate::storage::smart::Smart;
use crate::storage::superblock::Superblock;
use crate::udev::Udev;

/// A disk.
pub struct Drive {
    /// Position among all disks, ordered by device number.
    pub index: u32,
    /// The block device.
    pub block: Block,
    /// Mounts, shared by all disks of an answer.
    pub mounts: Rc<Mounts>,
    udev: OnceCell<Udev>,
    smart: OnceCell<Option<Smart>>,
    partition_table: OnceCell<Option<PartitionTable>>,
}

/// Availability of a disk to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Available.
    Fine,
    /// Temporarily unavailable.
    Waiting,
    /// Removed or failed.
    Gone,
}

impl Drive {
    /// Returns all disks.
    pub fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        let disks = Block::disks(machine).into_iter();
        let mounts = Rc::default();
        (0..).zip(disks).map(move |(index, block)| Self {
            index,
            block,
            mounts: Rc::clone(&mounts),
            udev: OnceCell::new(),
            smart: OnceCell::new(),
            partition_table: OnceCell::new(),
        })
    }

    /// Returns the partitions, by number; a disk without partitions that holds data has itself as the first.
    pub fn partitions(&self, machine: &Machine) -> Vec<(u32, Block)> {
        let mut partitions = self.block.partitions(machine);
        if partitions.is_empty() && self.holds_data(machine) {
            partitions.push((1, self.block.clone()));
        }
        partitions
    }

    /// Returns whether the whole disk holds a file system, swap space, or a part of a volume of LVM, RAID or
    /// the device mapper.
    fn holds_data(&self, machine: &Machine) -> bool {
        let node = self.block.node();
        let is_mounted = || {
            let mounts = machine.mounts().unwrap_or_default();
            mounts.iter().any(|one| one.device == self.block.device || one.source == node)
        };
        let is_used = || machine.names(self.block.path("holders")).is_ok_and(|holders| !holders.is_empty());
        self.udev(machine).property("ID_FS_TYPE").is_some()
            || is_used()
            || is_mounted()
            || Superblock::of(&machine.path(&node)).is_some()
    }

    /// Returns the disk's entry in the database of udev.
    pub fn udev(&self, machine: &Machine) -> &Udev {
        self.udev.get_or_init(|| self.block.udev(machine))
    }

    /// Returns the disk's health data; `None` if it has none or the caller may not read it.
    pub fn smart(&self, machine: &Machine) -> Option<&Smart> {
        self.smart.get_or_init(|| Smart::of(machine, &self.block)).as_ref()
    }

    /// Returns the partition table; `None` if there is no table or the caller may not read it.
    pub fn partition_table(&self, machine: &Machine) -> Option<&PartitionTable> {
        self.partition_table
            .get_or_init(|| {
                let size = usize::try_from(self.sector(machine)?).ok()?;
                PartitionTable::of(&machine.path(self.block.node()), size)
            })
            .as_ref()
    }

    /// Returns the model that the disk reports.
    pub fn model(&self, machine: &Machine) -> Option<String> {
        let reported =
            self.block.line(machine, "device/model").or_else(|| self.block.line(machine, "device/name"));
        reported.or_else(|| self.udev(machine).exact("ID_MODEL"))
    }

    /// Returns the serial number.
    pub fn serial_number(&self, machine: &Machine) -> Option<String> {
        let known = self.udev(machine).property("ID_SERIAL_SHORT").map(str::to_owned);
        let reported =
            || self.block.line(machine, "serial").or_else(|| self.block.line(machine, "device/serial"));
        // The page with the serial number in SCSI's vital product data begins with a header of four bytes
        // (SPC-4).
        known.or_else(reported).or_else(|| {
            let page = machine.octets(format!("sys{}/device/vpd_pg80", self.block.folder)).ok()?;
            let text = String::from_utf8_lossy(page.get(4..)?).trim_matches(['\0', ' ']).to_owned();
            (!text.is_empty()).then_some(text)
        })
    }

    /// Returns the firmware version.
    pub fn firmware(&self, machine: &Machine) -> Option<String> {
        let files = ["device/firmware_rev", "device/rev", "device/fwrev"];
        let reported = files.iter().find_map(|file| self.block.line(machine, file));
        reported.or_else(|| self.udev(machine).exact("ID_REVISION"))
    }

    /// Returns the manufacturer.
    pub fn manufacturer(&self, machine: &Machine) -> Option<String> {
        // A number is the vendor id of a bridge or adapter, not the disk's manufacturer.
        self.block.line(machine, "device/vendor").filter(|vendor| !vendor.starts_with("0x"))
    }

    /// Returns the availability: the states "running" of SCSI and "live" of NVMe are fine; other disks have
    /// no state while they are present.
    pub fn condition(&self, machine: &Machine) -> Condition {
        match self.block.line(machine, "device/state").as_deref() {
            None | Some("running" | "live") => Condition::Fine,
            Some("blocked" | "quiesce" | "resetting" | "connecting") => Condition::Waiting,
            Some(_) => Condition::Gone,
        }
    }

    /// Returns the kind of interface: USB, IDE (also SATA) or SCSI (also NVMe and virtio).
    pub fn interface(&self, machine: &Machine) -> Option<&'static str> {
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
    pub fn address(&self, machine: &Machine) -> Option<[u32; 4]> {
        let device = crate::storage::block::folder_of(machine, &format!("sys{}/device", self.block.folder))?;
        let numbers: Vec<u32> =
            device.rsplit('/').next()?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
        numbers.try_into().ok()
    }

    /// Returns the size of a logical block in bytes.
    pub fn sector(&self, machine: &Machine) -> Option<u64> {
        self.block.number(machine, "queue/logical_block_size")
    }

    /// Returns the number of logical blocks.
    pub fn sectors(&self, machine: &Machine) -> Option<u64> {
        self.block.size(machine)?.checked_div(self.sector(machine)?)
    }

    /// Returns the number of cylinders in the conventional geometry of 255 heads and 63 sectors.
    pub fn cylinders(&self, machine: &Machine) -> Option<u64> {
        Some(self.sectors(machine)? / (255 * 63))
    }

    /// Returns the capabilities: 3 is random access, 4 writing, 7 removable media.
    pub fn capabilities(&self, machine: &Machine) -> Vec<u16> {
        let is_read_only = self.block.number::<u8>(machine, "ro") == Some(1);
        let removable = self.block.is_removable(machine).then_some(7);
        [Some(3), (!is_read_only).then_some(4), removable].into_iter().flatten().collect()
    }
}
