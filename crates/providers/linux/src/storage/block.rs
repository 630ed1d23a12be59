//! The block devices that the kernel knows (`/sys/class/block`).

use std::path::{Path, PathBuf};

use crate::Machine;

use crate::udev::Udev;

/// A block device: a disk, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What the kernel calls it, such as `sda1`.
    pub(crate) name: String,
    /// Major and minor number.
    pub(crate) device: (u32, u32),
    /// Its folder below `/sys`, as `/devices/pci0000:00/…/block/sda/sda1`.
    pub(crate) folder: String,
}

impl Block {
    /// All of them, by number.
    pub(crate) fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/class/block").unwrap_or_default();
        let mut blocks: Vec<Self> =
            names.iter().filter_map(|name| Self::named(machine, name.to_str()?)).collect();
        blocks.sort_by_key(|block| block.device);
        blocks
    }

    /// The device of a name.
    pub(crate) fn named(machine: &Machine, name: &str) -> Option<Self> {
        if name.contains('/') {
            return None;
        }
        let link = format!("sys/class/block/{name}");
        let folder = folder_of(machine, &link)?;
        let device = number(&machine.line(format!("{link}/dev"))?)?;
        Some(Self { name: name.to_owned(), device, folder })
    }

    /// The device of a number.
    pub(crate) fn numbered(machine: &Machine, (major, minor): (u32, u32)) -> Option<Self> {
        let folder = folder_of(machine, &format!("sys/dev/block/{major}:{minor}"))?;
        Some(Self { name: folder.rsplit('/').next()?.to_owned(), device: (major, minor), folder })
    }

    /// The device that a mount names, such as `/dev/mapper/root`.
    pub(crate) fn of_source(machine: &Machine, source: &str) -> Option<Self> {
        let node = source.strip_prefix('/').filter(|_| source.starts_with("/dev/"))?;
        let path = std::fs::canonicalize(machine.path(node)).unwrap_or_else(|_| PathBuf::from(source));
        Self::named(machine, path.file_name()?.to_str()?)
    }

    /// All disks that are devices: not those made of files, memory or other disks, and not those for discs.
    pub(crate) fn disks(machine: &Machine) -> Vec<Self> {
        let is_disk = |block: &Self| {
            let is_part = ["boot", "rpmb", "gp"].iter().any(|part| {
                block.name.starts_with("mmcblk") && block.name.trim_start_matches("mmcblk").contains(part)
            });
            let is_other = block.name.starts_with("sr") || block.name.starts_with("fd") || is_part;
            let has_device = machine.path(format!("sys/class/block/{}/device", block.name)).exists();
            let is_hidden = block.number::<u8>(machine, "hidden") == Some(1);
            !is_other && has_device && !block.is_partition(machine) && !is_hidden
        };
        Self::all(machine).into_iter().filter(is_disk).collect()
    }

    /// Its partitions, by number.
    pub(crate) fn partitions(&self, machine: &Machine) -> Vec<(u32, Self)> {
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

    /// The devices that it is made of: itself, unless it is one of the device mapper or of md.
    pub(crate) fn foundations(&self, machine: &Machine) -> Vec<Self> {
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

    /// Whether it is a part of another.
    pub(crate) fn is_partition(&self, machine: &Machine) -> bool {
        machine.path(self.path("partition")).exists()
    }

    /// Whether what is in it can be taken out; of a partition, that of its disk.
    pub(crate) fn is_removable(&self, machine: &Machine) -> bool {
        let of_disk = || {
            machine.number::<u8>(
                Path::new("sys").join(self.folder.trim_start_matches('/')).parent()?.join("removable"),
            )
        };
        self.number(machine, "removable").or_else(of_disk) == Some(1)
    }

    /// A number of its folder.
    pub(crate) fn number<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        machine.number(self.path(file))
    }

    /// A line of its folder.
    pub(crate) fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(self.path(file))
    }

    /// How many octets it has.
    pub(crate) fn size(&self, machine: &Machine) -> Option<u64> {
        self.number::<u64>(machine, "size")?.checked_mul(KERNEL_SECTOR)
    }

    /// What udev knows of it.
    pub(crate) fn udev(&self, machine: &Machine) -> Udev {
        Udev::of_block(machine, self.device)
    }

    /// The file of the device.
    pub(crate) fn node(&self) -> String {
        // The kernel writes a slash in a name as `!`.
        format!("/dev/{}", self.name.replace('!', "/"))
    }

    /// Where a file of its folder is.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("sys{}/{file}", self.folder)
    }
}

/// The octets of a sector, in numbers of the kernel.
pub(crate) const KERNEL_SECTOR: u64 = 512;

/// How many devices are looked for below each other.
const DEEPEST: u32 = 8;

/// The folder of a device that a link of `/sys` leads to, below `/sys`.
pub(crate) fn folder_of(machine: &Machine, link: &str) -> Option<String> {
    let target = std::fs::read_link(machine.path(link)).ok()?;
    let text = target.to_str()?;
    Some(format!("/{}", text.trim_start_matches("../")))
}

/// A number such as `8:1`.
fn number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
