//! Mounted file systems, and their properties.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::block::Block;
use super::statistics::{QueryResult, Statistics, StatisticsQueries, StatisticsQuery};
use super::superblock::Superblock;
use crate::Machine;
use crate::mounts::Mount;
use crate::udev::Udev;

/// A mounted file system.
pub struct FileSystem {
    /// The mount.
    pub mount: Mount,
    queries: Arc<StatisticsQueries>,
    query: OnceCell<StatisticsQuery>,
    answer: OnceCell<QueryResult>,
    identity: OnceCell<Identity>,
}

/// UUID and label of a file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// UUID, or serial number of a FAT file system.
    pub uuid: Option<String>,
    /// Label.
    pub label: Option<String>,
}

/// Kind of device that holds a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveType {
    /// A disk with removable medium.
    Removable,
    /// A disk of the machine.
    Local,
    /// A directory of another machine.
    Network,
    /// An optical disc.
    Optical,
    /// Memory.
    Memory,
}

impl FileSystem {
    /// Returns the file systems that hold files. Leaves out virtual file systems of the kernel, those in
    /// memory, and repeated mounts of the same file system.
    ///
    /// # Errors
    /// If the mounts cannot be read.
    pub fn all(machine: &Machine, queries: &Arc<StatisticsQueries>) -> io::Result<Vec<Self>> {
        let mounts = machine.mounts()?;
        let mut shown: Vec<&Mount> = Vec::new();
        let mut numbers: HashMap<(u32, u32), usize> = HashMap::new();
        for mount in mounts.iter().filter(|mount| is_for_files(mount)) {
            let number = *numbers.entry(mount.device).or_insert(shown.len());
            match shown.get_mut(number) {
                // Of several mounts of a file system, keeps the one that shows most of it.
                Some(known) if rank(mount) < rank(known) => *known = mount,
                Some(_) => {}
                None => shown.push(mount),
            }
        }
        Ok(shown.into_iter().map(|mount| Self::new(mount.clone(), queries)).collect())
    }

    fn new(mount: Mount, queries: &Arc<StatisticsQueries>) -> Self {
        Self {
            mount,
            queries: queries.clone(),
            query: OnceCell::new(),
            answer: OnceCell::new(),
            identity: OnceCell::new(),
        }
    }

    /// Asks the file system for its statistics without waiting for the answer.
    pub fn ask(&self, machine: &Machine) -> &StatisticsQuery {
        self.query.get_or_init(|| self.queries.ask(machine.path(self.mount.place.trim_start_matches('/'))))
    }

    /// Waits for the answer to [`FileSystem::ask`].
    pub fn answer(&self, machine: &Machine) -> QueryResult {
        *self.answer.get_or_init(|| self.ask(machine).answer())
    }

    /// Returns the statistics of the file system; `None` if it does not answer.
    pub fn statistics(&self, machine: &Machine) -> Option<Statistics> {
        self.answer(machine).statistics()
    }

    /// Returns UUID and label, from udev or from the superblock.
    pub fn identity(&self, machine: &Machine) -> &Identity {
        self.identity.get_or_init(|| {
            let block = self.block(machine);
            block.map(|block| Identity::of(machine, &block)).unwrap_or_default()
        })
    }

    /// Returns the block device of the file system, if it has one.
    pub fn block(&self, machine: &Machine) -> Option<Block> {
        let by_number = Block::numbered(machine, self.mount.device);
        by_number.or_else(|| Block::of_source(machine, &self.mount.source))
    }

    /// Returns the type of the device.
    pub fn drive_type(&self, machine: &Machine) -> DriveType {
        let kind = self.mount.kind.as_str();
        if is_of_network(&self.mount) {
            return DriveType::Network;
        }
        if matches!(kind, "tmpfs" | "ramfs") {
            return DriveType::Memory;
        }
        match self.block(machine) {
            Some(block) if matches!(kind, "iso9660" | "udf") && block.name.starts_with("sr") => {
                DriveType::Optical
            }
            Some(block) if block.is_removable(machine) => DriveType::Removable,
            _ => DriveType::Local,
        }
    }

    /// Returns whether the file system has recorded errors; only ext4 reports this.
    pub fn is_dirty(&self, machine: &Machine) -> Option<bool> {
        let block = self.block(machine)?;
        let errors: u64 = machine.number(format!("sys/fs/ext4/{}/errors_count", block.name))?;
        Some(errors > 0)
    }

    /// Returns whether the file system supports quotas.
    pub fn supports_quotas(&self) -> bool {
        matches!(
            self.mount.kind.as_str(),
            "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "f2fs" | "gfs2" | "ocfs2"
        )
    }

    /// Returns whether it is mounted with quotas.
    pub fn has_quotas(&self) -> bool {
        let names = [
            "usrquota",
            "grpquota",
            "prjquota",
            "quota",
            "uquota",
            "gquota",
            "pquota",
            "usrjquota",
            "grpjquota",
        ];
        names.iter().any(|name| self.mount.has(name) || self.mount.has_any(&format!("{name}=")))
    }

    /// Returns whether the file system can compress single files.
    pub fn supports_compression(&self) -> bool {
        matches!(self.mount.kind.as_str(), "btrfs" | "f2fs")
    }
}

impl Identity {
    /// Returns UUID and label of the file system on a device.
    pub fn of(machine: &Machine, block: &Block) -> Self {
        let udev = block.udev(machine);
        match udev.exact("ID_FS_UUID") {
            Some(uuid) => Self { uuid: Some(uuid), label: udev.exact("ID_FS_LABEL") },
            None => Superblock::of(&machine.path(block.node().trim_start_matches('/')))
                .map(|superblock| Self { uuid: superblock.uuid, label: superblock.label })
                .unwrap_or_default(),
        }
    }

    /// Returns UUID and label as stored by udev.
    pub fn of_udev(udev: &Udev) -> Self {
        Self { uuid: udev.exact("ID_FS_UUID"), label: udev.exact("ID_FS_LABEL") }
    }

    /// Returns the last eight hexadecimal digits of the UUID, used as the volume serial number.
    pub fn serial_number(&self) -> Option<String> {
        let digits: String = self.uuid.as_ref()?.chars().filter(char::is_ascii_hexdigit).collect();
        digits.get(digits.len().checked_sub(8)?..).map(str::to_ascii_uppercase)
    }
}

/// Returns whether the file system is on another machine.
pub fn is_of_network(mount: &Mount) -> bool {
    const NETWORK: &[&str] = &[
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.ceph-fuse",
        "fuse.cephfs",
        "fuse.davfs2",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "pvfs2",
        "smb3",
        "smbfs",
    ];
    NETWORK.contains(&mount.kind.as_str())
}

fn is_for_files(mount: &Mount) -> bool {
    /// Virtual file systems of the kernel and of user sessions.
    const VIRTUAL: &[&str] = &[
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fuse.gvfsd-fuse",
        "fuse.lxcfs",
        "fuse.portal",
        "fuse.snapfuse",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nfsd",
        "nsfs",
        "proc",
        "pstore",
        "ramfs",
        "resctrl",
        "rootfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "squashfs",
        "sysfs",
        "tmpfs",
        "tracefs",
    ];
    let kind = mount.kind.as_str();
    // The root is a disk whatever its type; elsewhere an overlay shows files of other mounts.
    mount.place == "/" || !(VIRTUAL.contains(&kind) || kind == "overlay")
}

/// Returns a sort key: mounts of a whole file system before those of a subfolder, then shorter paths before
/// longer ones.
fn rank(mount: &Mount) -> (bool, usize) {
    (mount.root != "/", mount.place.len())
}
