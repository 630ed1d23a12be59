//! Partitions.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::Machine;
use crate::storage::block::{Block, KERNEL_SECTOR};
use crate::storage::drive::Drive;
use crate::udev::Udev;

/// A partition, or a whole disk without partition table that holds data; Windows shows such a disk with one
/// partition.
pub struct Partition {
    /// Disk of the partition.
    pub drive: Rc<Drive>,
    /// Number in the kernel, from 1.
    pub number: u32,
    /// The block device.
    pub block: Block,
    udev: OnceCell<Udev>,
}

/// All partitions by device number, to find those below a volume.
pub struct Foundations(HashMap<(u32, u32), Rc<Partition>>);

impl Foundations {
    /// Returns the partitions of a machine.
    pub fn of(machine: &Machine) -> Self {
        Self(Partition::all(machine).map(|part| (part.block.device, Rc::new(part))).collect())
    }

    /// Returns the partitions below a device, such as a volume of LVM or RAID, ordered by disk and number.
    pub fn below(&self, machine: &Machine, block: &Block) -> Vec<&Rc<Partition>> {
        let blocks = block.foundations(machine);
        let mut parts: Vec<_> = blocks.iter().filter_map(|block| self.0.get(&block.device)).collect();
        parts.sort_by_key(|part| (part.drive.index, part.number));
        parts
    }
}

impl Partition {
    /// Returns all partitions.
    pub fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        Drive::all(machine).flat_map(move |drive| {
            let (partitions, drive) = (drive.partitions(machine), Rc::new(drive));
            partitions.into_iter().map(move |(number, block)| Self {
                drive: drive.clone(),
                number,
                block,
                udev: OnceCell::new(),
            })
        })
    }

    /// Returns the offsets of the first byte and of the byte after the last, on the disk.
    pub fn extent(&self, machine: &Machine) -> Option<(u64, u64)> {
        let start = if self.is_whole_disk() {
            0
        } else {
            self.block.number::<u64>(machine, "start")?.checked_mul(KERNEL_SECTOR)?
        };
        Some((start, start.checked_add(self.block.size(machine)?)?))
    }

    /// Returns whether it is a disk without partition table.
    pub fn is_whole_disk(&self) -> bool {
        self.block.device == self.drive.block.device
    }

    /// Returns the number, counted from 0.
    pub fn index(&self) -> u32 {
        self.number.saturating_sub(1)
    }

    /// Returns the partition's entry in the database of udev.
    pub fn udev(&self, machine: &Machine) -> &Udev {
        self.udev.get_or_init(|| self.block.udev(machine))
    }

    /// Returns the kind of partition table that contains the partition.
    pub fn table(&self, machine: &Machine) -> Option<TableKind> {
        if self.is_whole_disk() {
            return None;
        }
        let scheme = self.udev(machine).property("ID_PART_ENTRY_SCHEME");
        match scheme.or_else(|| self.drive.udev(machine).property("ID_PART_TABLE_TYPE"))? {
            "gpt" => Some(TableKind::Gpt),
            "dos" => Some(TableKind::Mbr),
            _ => None,
        }
    }

    /// Returns the type in the partition table: a GUID or a number.
    pub fn kind<'m>(&'m self, machine: &Machine) -> Option<(TableKind, &'m str)> {
        Some((self.table(machine)?, self.udev(machine).property("ID_PART_ENTRY_TYPE")?))
    }

    /// Returns whether the firmware boots from the partition.
    pub fn is_for_start(&self, machine: &Machine) -> Option<bool> {
        Some(match self.kind(machine)? {
            (TableKind::Gpt, kind) => kind.eq_ignore_ascii_case(EFI_SYSTEM),
            // The highest bit of the first byte of an entry marks it as active.
            (TableKind::Mbr, kind) => {
                kind == "0xef" || self.udev(machine).property("ID_PART_ENTRY_FLAGS") == Some("0x80")
            }
        })
    }

    /// Returns the size of a logical block of the disk in bytes.
    pub fn block_size(&self, machine: &Machine) -> Option<u64> {
        self.drive.block.number(machine, "queue/logical_block_size")
    }
}

/// Kind of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

/// Type of the EFI system partition (UEFI specification, 5.3.3).
pub const EFI_SYSTEM: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
