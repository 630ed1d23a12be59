//! A mounted file system as administrators mean it, and what is known of it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use wmi::Scan;

use super::block::Block;
use super::statistics::{Answer, Question, Questions, Statistics};
use super::superblock::Superblock;
use crate::Machine;
use crate::mounts::Mount;
use crate::udev::Udev;

/// A mounted file system.
pub(crate) struct FileSystem {
    pub(crate) mount: Mount,
    questions: Arc<Questions>,
    question: OnceCell<Question>,
    answer: OnceCell<Answer>,
    identity: OnceCell<Identity>,
}

/// What a file system is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uuid: Option<String>,
    pub(crate) label: Option<String>,
}

/// The values of `DriveType` (`Win32_LogicalDisk`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriveType {
    Removable = 2,
    Local = 3,
    Network = 4,
    Optical = 5,
    Memory = 6,
}

impl FileSystem {
    /// The file systems that are there for files: without those by which the kernel tells something, those in
    /// memory, and those that only show again what is mounted elsewhere.
    pub(crate) fn all(machine: &Machine, questions: &Arc<Questions>) -> Vec<Self> {
        let mounts = machine.mounts();
        let mut shown: Vec<&Mount> = Vec::new();
        let mut numbers: HashMap<(u32, u32), usize> = HashMap::new();
        for mount in mounts.iter().filter(|mount| is_for_files(mount)) {
            let number = *numbers.entry(mount.device).or_insert(shown.len());
            match shown.get_mut(number) {
                // Of one file system in several places, the one that shows most of it.
                Some(known) if rank(mount) < rank(known) => *known = mount,
                Some(_) => {}
                None => shown.push(mount),
            }
        }
        shown.into_iter().map(|mount| Self::new(mount.clone(), questions)).collect()
    }

    fn new(mount: Mount, questions: &Arc<Questions>) -> Self {
        Self {
            mount,
            questions: questions.clone(),
            question: OnceCell::new(),
            answer: OnceCell::new(),
            identity: OnceCell::new(),
        }
    }

    /// Asks how full it is, without waiting for the answer.
    pub(crate) fn ask(&self, machine: &Machine) -> &Question {
        let place = || machine.path(self.mount.place.trim_start_matches('/'));
        self.question.get_or_init(|| self.questions.ask(place()))
    }

    /// The answer to it.
    pub(crate) fn answer(&self, machine: &Machine) -> Answer {
        *self.answer.get_or_init(|| self.ask(machine).answer())
    }

    /// What it tells of itself, if it answers.
    pub(crate) fn told(&self, machine: &Machine) -> Option<Statistics> {
        self.answer(machine).told()
    }

    /// What it is called, by udev or by its own first block.
    pub(crate) fn identity(&self, machine: &Machine) -> &Identity {
        self.identity.get_or_init(|| {
            let block = self.block(machine);
            block.map(|block| Identity::of(machine, &block)).unwrap_or_default()
        })
    }

    /// The device it is on, if it is on one.
    pub(crate) fn block(&self, machine: &Machine) -> Option<Block> {
        let by_number = Block::numbered(machine, self.mount.device);
        by_number.or_else(|| Block::of_source(machine, &self.mount.source))
    }

    /// What kind of thing it is on.
    pub(crate) fn drive_type(&self, machine: &Machine) -> DriveType {
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

    /// Whether the file system has noticed an error in itself; only ext4 tells.
    pub(crate) fn is_dirty(&self, machine: &Machine) -> Option<bool> {
        let block = self.block(machine)?;
        let errors: u64 = machine.number(format!("sys/fs/ext4/{}/errors_count", block.name))?;
        Some(errors > 0)
    }

    /// Whether it can limit how much a user has.
    pub(crate) fn supports_quotas(&self) -> bool {
        matches!(
            self.mount.kind.as_str(),
            "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "f2fs" | "gfs2" | "ocfs2"
        )
    }

    /// Whether it is mounted with limits.
    pub(crate) fn has_quotas(&self) -> bool {
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

    /// Whether it can keep single files compressed.
    pub(crate) fn supports_compression(&self) -> bool {
        matches!(self.mount.kind.as_str(), "btrfs" | "f2fs")
    }
}

impl Identity {
    /// What the file system on a device is called.
    pub(crate) fn of(machine: &Machine, block: &Block) -> Self {
        let udev = block.udev(machine);
        match udev.exact("ID_FS_UUID") {
            Some(uuid) => Self { uuid: Some(uuid), label: udev.exact("ID_FS_LABEL") },
            None => Superblock::of(&machine.path(block.node().trim_start_matches('/')))
                .map(|superblock| Self { uuid: superblock.uuid, label: superblock.label })
                .unwrap_or_default(),
        }
    }

    /// The same of what udev knows already.
    pub(crate) fn of_udev(udev: &Udev) -> Self {
        Self { uuid: udev.exact("ID_FS_UUID"), label: udev.exact("ID_FS_LABEL") }
    }

    /// The last eight digits of its identity, as serial numbers of volumes have them.
    pub(crate) fn serial_number(&self) -> Option<String> {
        let digits: String = self.uuid.as_ref()?.chars().filter(char::is_ascii_hexdigit).collect();
        digits.get(digits.len().checked_sub(8)?..).map(str::to_ascii_uppercase)
    }
}

/// Whether a question wants to know what only the file system itself can tell.
pub(crate) fn wants_any(scan: &Scan, columns: &[&str]) -> bool {
    let wanted =
        |name: &&str| scan.class().column(name).is_some_and(|column| scan.columns().contains(column));
    columns.iter().any(wanted)
}

/// Whether it is on another machine.
pub(crate) fn is_of_network(mount: &Mount) -> bool {
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
    /// What the kernel and the session tell through files.
    const TOLD: &[&str] = &[
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
    // The root is a disk whatever it is made of; elsewhere an overlay shows what another mount has.
    mount.place == "/" || !(TOLD.contains(&kind) || kind == "overlay")
}

/// How much of its file system a mount shows: the whole before a folder of it, the shorter place before the longer.
fn rank(mount: &Mount) -> (bool, usize) {
    (mount.root != "/", mount.place.len())
}
