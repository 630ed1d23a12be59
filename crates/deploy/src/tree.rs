//! Folders that are read and written relative to their descriptors, without following symbolic links.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, mkdirat, openat, readlinkat,
    statat, symlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::DeployError;
use crate::limits::MAX_ENTRIES;
use crate::path::ContentPath;

/// An open folder.
#[derive(Debug)]
pub(crate) struct Tree(OwnedFd);

/// Owner and permissions of a new file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Without the type; set-user-ID is never kept.
    pub(crate) mode: u32,
}

/// Entry of a folder of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) ownership: Ownership,
    /// Times of the last change of the content and of the metadata: seconds and nanoseconds.
    pub(crate) modified: (i64, u64),
    pub(crate) changed: (i64, u64),
}

/// Kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File {
        size: u64,
    },
    Folder,
    /// Symbolic link with its target.
    Link(CString),
    /// Device, FIFO or socket.
    Special,
}

impl Entry {
    fn of(status: &Stat, link: Option<CString>) -> Self {
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Kind::File { size: u64::try_from(status.st_size).unwrap_or_default() },
            FileType::Directory => Kind::Folder,
            FileType::Symlink => link.map_or(Kind::Special, Kind::Link),
            _ => Kind::Special,
        };
        Self {
            kind,
            ownership: Ownership {
                uid: status.st_uid,
                gid: status.st_gid,
                mode: status.st_mode & 0o1777 | status.st_mode & 0o2000,
            },
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
        }
    }
}

impl Tree {
    /// Opens a folder that no other user can replace.
    pub(crate) fn open(path: &Path) -> Result<Self, DeployError> {
        openat(CWD, path, FOLDER, Mode::empty()).map(Self).map_err(DeployError::disk("open", path))
    }

    /// Opens a folder in this one; a symbolic link is an error.
    pub(crate) fn folder(&self, name: &str) -> Result<Self, Errno> {
        openat(&self.0, name, FOLDER, Mode::empty()).map(Self)
    }

    /// Creates a folder, which only this user can enter.
    pub(crate) fn create_folder(&self, name: &str) -> Result<Self, Errno> {
        mkdirat(&self.0, name, Mode::RWXU)?;
        self.folder(name)
    }

    /// Opens the folder that contains an entry.
    pub(crate) fn parent(&self, path: &ContentPath) -> Result<Self, Errno> {
        let mut folder = Self(self.0.try_clone().map_err(|_| Errno::MFILE)?);
        for part in path.split().0 {
            folder = folder.folder(part)?;
        }
        Ok(folder)
    }

    /// Creates a file, which must not exist.
    pub(crate) fn create_file(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    /// Opens a regular file for reading.
    pub(crate) fn file(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty())?;
        let status = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            _ => Err(Errno::LOOP),
        }
    }

    /// Creates a symbolic link with an owner.
    pub(crate) fn create_link(&self, name: &str, target: &CString, owner: Ownership) -> Result<(), Errno> {
        symlinkat(target.as_c_str(), &self.0, name)?;
        give(&self.0, name, owner)
    }

    /// Returns the status of an entry; `None` if it does not exist.
    pub(crate) fn status(&self, name: &str) -> Result<Option<Stat>, Errno> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Returns owner and permissions of this folder.
    pub(crate) fn ownership(&self) -> Result<Ownership, Errno> {
        rustix::fs::fstat(&self.0).map(|status| Entry::of(&status, None).ownership)
    }

    /// Sets owner and permissions of this folder.
    pub(crate) fn set_ownership(&self, ownership: Ownership) -> Result<(), Errno> {
        set_ownership(&self.0, ownership)
    }

    /// Returns all entries below this folder, by path.
    pub(crate) fn entries(&self) -> Result<BTreeMap<ContentPath, Entry>, DeployError> {
        let mut found = BTreeMap::new();
        self.collect(None, &mut found)?;
        Ok(found)
    }

    fn collect(
        &self,
        folder: Option<&ContentPath>,
        found: &mut BTreeMap<ContentPath, Entry>,
    ) -> Result<(), DeployError> {
        let shown = folder.map_or(".", ContentPath::as_str);
        for item in Dir::read_from(&self.0).map_err(DeployError::disk("read", shown))? {
            let item = item.map_err(DeployError::disk("read", shown))?;
            let name = item.file_name().to_owned().into_bytes();
            if matches!(name.as_slice(), b"." | b"..") {
                continue;
            }
            let name = String::from_utf8(name).map_err(|error| {
                DeployError::Special(String::from_utf8_lossy(error.as_bytes()).into_owned())
            })?;
            let path = match folder {
                Some(folder) => folder.join(&name)?,
                None => ContentPath::parse(&name)?,
            };
            if found.len() >= MAX_ENTRIES {
                let limit = MAX_ENTRIES.to_string();
                return Err(DeployError::Limit {
                    what: "the number of files in the folder of the site",
                    limit,
                });
            }
            // An entry that was deleted meanwhile is none.
            let Some(status) = self.status(&name).map_err(DeployError::disk("read", path.as_str()))? else {
                continue;
            };
            let link = match FileType::from_raw_mode(status.st_mode) {
                FileType::Symlink => Some(
                    readlinkat(&self.0, &name, Vec::new())
                        .map_err(DeployError::disk("read", path.as_str()))?,
                ),
                _ => None,
            };
            let entry = Entry::of(&status, link);
            let is_folder = entry.kind == Kind::Folder;
            found.insert(path.clone(), entry);
            if is_folder {
                let below = self.folder(&name).map_err(DeployError::disk("open", path.as_str()))?;
                below.collect(Some(&path), found)?;
            }
        }
        Ok(())
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sets owner and permissions of an open file or folder.
pub(crate) fn set_ownership(file: impl AsFd, ownership: Ownership) -> Result<(), Errno> {
    // Only root gives files away. The mode follows, because a change of the owner clears bits of it.
    if geteuid().is_root() {
        let (uid, gid) = (Uid::from_raw(ownership.uid), Gid::from_raw(ownership.gid));
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    fchmod(&file, Mode::from_raw_mode(ownership.mode))
}

fn give(folder: impl AsFd, name: &str, owner: Ownership) -> Result<(), Errno> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// Flags for folders.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
