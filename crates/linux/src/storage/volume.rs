//! Volumes: file systems, mounted or not, and swap areas.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::Machine;
use crate::fstab::{Entry, Fstab};
use crate::mounts::Mounts;
use crate::storage::block::Block;
use crate::storage::file_system::{DriveType, FileSystem, Identity, is_of_network};
use crate::storage::statistics::{Statistics, StatisticsQueries};
use crate::storage::superblock::Superblock;

/// A volume: a mounted file system, or a device with a file system or swap space.
pub struct Volume {
    /// The file system, if it is mounted.
    pub file_system: Option<FileSystem>,
    /// The device, if there is one.
    pub block: Option<Block>,
    /// Type of the file system, such as `ext4`, or `swap`.
    pub kind: String,
    /// UUID and label.
    pub identity: Identity,
    shared: Rc<Shared>,
}

/// Data shared by all volumes of an answer, each read once when it is needed.
#[derive(Default)]
struct Shared {
    mounts: Mounts,
    fstab: OnceCell<Fstab>,
    swap: OnceCell<Swap>,
}

/// Swap space in use.
struct Swap {
    /// Paths of swap devices.
    nodes: HashSet<String>,
    /// Mount points of the volumes that hold swap files.
    places: HashSet<String>,
}

impl Shared {
    fn fstab(&self, machine: &Machine) -> &Fstab {
        self.fstab.get_or_init(|| Fstab::of(machine))
    }

    fn swap(&self, machine: &Machine) -> &Swap {
        self.swap.get_or_init(|| {
            let text = machine.text("proc/swaps").unwrap_or_default();
            let names = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
            let (nodes, files): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with("/dev/"));
            Swap {
                nodes: nodes.into_iter().map(str::to_owned).collect(),
                places: files
                    .into_iter()
                    .filter_map(|file| Some(self.mounts.holding(machine, Path::new(file))?.place.clone()))
                    .collect(),
            }
        })
    }
}

/// Returns all volumes of a machine.
///
/// # Errors
/// If the mounts cannot be read: a volume in use would look unused.
pub fn volumes(machine: &Machine, queries: &Arc<StatisticsQueries>) -> io::Result<Vec<Volume>> {
    let mounted = FileSystem::all(machine, queries)?;
    let shared = Rc::<Shared>::default();
    let mut rows: Vec<Volume> = mounted
        .into_iter()
        .filter(|file_system| !is_of_network(&file_system.mount))
        .map(|file_system| Volume {
            block: file_system.block(machine),
            kind: file_system.mount.kind.clone(),
            identity: file_system.identity(machine).clone(),
            file_system: Some(file_system),
            shared: Rc::clone(&shared),
        })
        .collect();
    let devices: HashSet<_> = rows.iter().filter_map(|row| Some(row.block.as_ref()?.device)).collect();
    for block in Block::all(machine) {
        let is_mounted = devices.contains(&block.device);
        // Empty loop devices are left out, and so are parts of a stacked device, which is listed itself.
        let is_used = machine.names(block_folder(&block, "holders")).is_ok_and(|holders| !holders.is_empty());
        if is_mounted || is_used || block.size(machine).unwrap_or_default() == 0 {
            continue;
        }
        if let Some((kind, identity)) = on_device(machine, &block) {
            rows.push(Volume {
                file_system: None,
                block: Some(block),
                kind,
                identity,
                shared: Rc::clone(&shared),
            });
        }
    }
    Ok(rows)
}

/// Returns type and identity of the file system on a device, from udev or its superblock.
fn on_device(machine: &Machine, block: &Block) -> Option<(String, Identity)> {
    let udev = block.udev(machine);
    if let Some(kind) = udev.property("ID_FS_TYPE") {
        let is_volume = matches!(udev.property("ID_FS_USAGE"), Some("filesystem")) || kind == "swap";
        return is_volume.then(|| (kind.to_owned(), Identity::of_udev(&udev)));
    }
    let superblock = Superblock::of(&machine.path(block.node().trim_start_matches('/')))?;
    Some((superblock.kind.to_owned(), Identity { uuid: superblock.uuid, label: superblock.label }))
}

fn block_folder(block: &Block, name: &str) -> String {
    format!("sys{}/{name}", block.folder)
}

impl Volume {
    /// Returns a stable name by UUID, or else the device or the mount point.
    pub fn device_id(&self) -> String {
        if let Some(uuid) = &self.identity.uuid {
            return format!("/dev/disk/by-uuid/{uuid}");
        }
        self.block.as_ref().map_or_else(|| self.place().unwrap_or_default().to_owned(), Block::node)
    }

    /// Returns the mount point.
    pub fn place(&self) -> Option<&str> {
        self.file_system.as_ref().map(|file_system| file_system.mount.place.as_str())
    }

    /// Returns the source of the mount.
    pub fn source(&self) -> String {
        let source = self.file_system.as_ref().map(|file_system| file_system.mount.source.clone());
        source.or_else(|| self.block.as_ref().map(Block::node)).unwrap_or_default()
    }

    /// Returns the statistics of the file system, if it is mounted and answers.
    pub fn statistics(&self, machine: &Machine) -> Option<Statistics> {
        self.file_system.as_ref()?.statistics(machine)
    }

    /// Returns the type of the device.
    pub fn drive_type(&self, machine: &Machine) -> DriveType {
        match (&self.file_system, &self.block) {
            (Some(file_system), _) => file_system.drive_type(machine),
            (None, Some(block)) if block.is_removable(machine) => DriveType::Removable,
            _ => DriveType::Local,
        }
    }

    /// Returns the first entry of fstab that names the volume, by UUID, label, source or device.
    pub fn entry(&self, machine: &Machine) -> Option<&Entry> {
        let fstab = self.shared.fstab(machine);
        let node = self.block.as_ref().map(Block::node);
        let names = [
            self.identity.uuid.as_ref().map(|uuid| format!("UUID={uuid}")),
            self.identity.label.as_ref().map(|label| format!("LABEL={label}")),
            Some(self.source()),
            node,
        ];
        fstab.first_of(names.iter().flatten().map(String::as_str))
    }

    /// Returns the mounts, shared with the other volumes of the answer.
    pub fn mounts(&self) -> &Mounts {
        &self.shared.mounts
    }

    /// Returns whether the volume holds swap space in use.
    pub fn has_swap(&self, machine: &Machine) -> bool {
        let swap = self.shared.swap(machine);
        match self.place() {
            Some(place) => swap.places.contains(place),
            None => self.block.as_ref().is_some_and(|block| swap.nodes.contains(&block.node())),
        }
    }
}
