//! Block devices of the kernel (`/sys/class/block`).

use std::path::{Path, PathBuf};

use crate::Machine;

use crate::udev::Udev;

/// A block device: a disk or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Name in the kernel, such as `sda1`.
    pub name: String,
    /// Major and minor device number.
    pub device: (u32, u32),
    /// Folder below `/sys`, such as `/devices/pci0000:00/…/block/sda/sda1`.
    pub folder: String,
}

impl Block {
    /// Returns all block devices, by device number.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/class/block").unwrap_or_default();
        let mut blocks: Vec<Self> =
            names.iter().filter_map(|name| Self::named(machine, name.to_str()?)).collect();
        blocks.sort_by_key(|block| block.device);
        blocks
    }

    /// Finds a device by name.
    pub fn named(machine: &Machine, name: &str) -> Option<Self> {
        if name.contains('/') {
            return None;
        }
        let link = format!("sys/class/block/{name}");
        let folder = folder_of(machine, &link)?;
        let device = number(&machine.line(format!("{link}/dev"))?)?;
        Some(Self { name: name.to_owned(), device, folder })
    }

    /// Finds a device by its major and minor number.
    pub fn numbered(machine: &Machine, (major, minor): (u32, u32)) -> Option<Self> {
        let folder = folder_of(machine, &format!("sys/dev/block/{major}:{minor}"))?;
        Some(Self { name: folder.rsplit('/').next()?.to_owned(), device: (major, minor), folder })
    }

    /// Finds the device that a mount names, such as `/dev/mapper/root`.
    pub fn of_source(machine: &Machine, source: &str) -> Option<Self> {
        let node = source.strip_prefix('/').filter(|_| source.starts_with("/dev/"))?;
        let path = std::fs::canonicalize(machine.path(node)).unwrap_or_else(|_| PathBuf::from(source));
        Self::named(machine, path.file_name()?.to_str()?)
    }

    /// Returns the disks that have a device, which excludes those backed by files, memory or other disks;
    /// also excludes optical and floppy drives.
    pub fn disks(machine: &Machine) -> Vec<Self> {
        Self::all(machine).into_iter().filter(|block| block.is_disk(machine)).collect()
    }

    fn is_disk(&self, machine: &Machine) -> bool {
        let is_part = ["boot", "rpmb", "gp"].iter().any(|part| {
            self.name.starts_with("mmcblk") && self.name.trim_start_matches("mmcblk").contains(part)
        });
        let is_other = self.name.starts_with("sr") || self.name.starts_with("fd") || is_part;
        let has_device = machine.path(format!("sys/class/block/{}/device", self.name)).exists();
        let is_hidden = self.number::<u8>(machine, "hidden") == Some(1);
        !is_other && has_device && !self.is_partition(machine) && !is_hidden
    }

    /// Returns the partitions, by number.
    pub fn partitions(&self, machine: &Machine) -> Vec<(u32, Self)> {
        let names = machine.names(self.path("")).unwrap_or_default();
        let mut partitions: Vec<(u32, Self)> = names
            .iter()
            .filter_map(|name| name.to_str().filter(|name| name.starts_with(&self.name)))
            .filter_map(|name| {
                let number = machine.number(self.path(&format!("{name}/partition")))?;
                Some((number, Self::named(machine, name)?))
            })
            .collect();
        partitions.sort_by_key(|(number, _)| *number);
        partitions
    }

    /// Returns the devices at the bottom of the stack: those below a device of the device mapper or md,
    /// otherwise the device itself.
    pub fn foundations(&self, machine: &Machine) -> Vec<Self> {
        let mut found = Vec::new();
        let mut open = vec![(self.clone(), 0)];
        while let Some((block, depth)) = open.pop() {
            let slaves = machine.names(block.path("slaves")).unwrap_or_default();
            let below: Vec<Self> =
                slaves.iter().filter_map(|name| Self::named(machine, name.to_str()?)).collect();
            if below.is_empty() || depth >= DEEPEST {
                if !found.contains(&block) {
                    found.push(block);
                }
            } else {
                open.extend(below.into_iter().rev().map(|block| (block, depth + 1)));
            }
        }
        found
    }

    /// Returns whether the device is a partition.
    pub fn is_partition(&self, machine: &Machine) -> bool {
        machine.path(self.path("partition")).exists()
    }

    /// Returns whether the medium is removable; for a partition, that of its disk.
    pub fn is_removable(&self, machine: &Machine) -> bool {
        self.number(machine, "removable").or_else(|| {
            machine.number::<u8>(
                Path::new("sys").join(self.folder.trim_start_matches('/')).parent()?.join("removable"),
            )
        }) == Some(1)
    }

    /// Reads a number from a file in the device's folder.
    pub fn number<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        machine.number(self.path(file))
    }

    /// Reads a line from a file in the device's folder.
    pub fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(self.path(file))
    }

    /// Returns the size in bytes.
    pub fn size(&self, machine: &Machine) -> Option<u64> {
        self.number::<u64>(machine, "size")?.checked_mul(KERNEL_SECTOR)
    }

    /// Reads the device's entry in the database of udev.
    pub fn udev(&self, machine: &Machine) -> Udev {
        Udev::of_block(machine, self.device)
    }

    /// Returns the path of the device file.
    pub fn node(&self) -> String {
        // The kernel replaces slashes in names by `!`.
        format!("/dev/{}", self.name.replace('!', "/"))
    }

    /// Returns the path of a file in the device's folder.
    pub fn path(&self, file: &str) -> String {
        format!("sys{}/{file}", self.folder)
    }
}

/// Size of a sector in bytes, in which the kernel counts for every device.
pub const KERNEL_SECTOR: u64 = 512;

/// Maximum depth of a stack of devices.
const DEEPEST: u32 = 8;

/// Returns the device folder below `/sys` that a link leads to.
pub fn folder_of(machine: &Machine, link: &str) -> Option<String> {
    let target = std::fs::read_link(machine.path(link)).ok()?;
    let text = target.to_str()?;
    Some(format!("/{}", text.trim_start_matches("../")))
}

/// Parses a device number such as `8:1`.
fn number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
