//! Reading a file that may be trusted, and replacing it so that it is never half there.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::StoreError;
use crate::FileError;
use crate::file::MAX_OCTETS;

/// What was on disk.
#[derive(Default)]
pub(super) struct Found {
    pub(super) text: String,
    /// Permissions and group, if there was a file.
    kept: Option<(u32, u32)>,
}

/// The file behind symbolic links, so that replacing it leaves the links alone.
///
/// The file itself need not exist, but its directory must: a wrong path must not look like an empty file.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let disk = |source| StoreError::Disk { action: "find", path: path.to_owned(), source };
    match fs::canonicalize(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or_else(|| disk(error))?;
            Ok(fs::canonicalize(parent(path)).map_err(disk)?.join(name))
        }
        Err(error) => Err(disk(error)),
    }
}

/// Reads the file of settings if nobody who must not could have written it.
pub(super) fn read(path: &Path) -> Result<Found, StoreError> {
    let too_large = || StoreError::Content { path: path.to_owned(), line: 1, error: FileError::TooLarge };
    read_up_to(path, MAX_OCTETS).map_err(|error| match error {
        StoreError::TooLarge { .. } => too_large(),
        error => error,
    })
}

/// Reads a file of a bounded size if nobody who must not could have written it.
pub(super) fn read_up_to(path: &Path, most: usize) -> Result<Found, StoreError> {
    let disk = |source| StoreError::Disk { action: "read", path: path.to_owned(), source };
    let Some((file, metadata)) = open_trusted(path)? else { return Ok(Found::default()) };
    let mut text = String::new();
    file.take(most as u64 + 1).read_to_string(&mut text).map_err(disk)?;
    if text.len() > most {
        return Err(StoreError::TooLarge { path: path.to_owned(), most });
    }
    Ok(Found { text, kept: Some((metadata.mode() & 0o777, metadata.gid())) })
}

/// The octets of a file that nobody who must not could have written; one more than allowed if there are more, and none
/// if there is no file.
pub(crate) fn octets(path: &Path, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let disk = |source| StoreError::Disk { action: "read", path: path.to_owned(), source };
    let Some((file, _)) = open_trusted(path)? else { return Ok(None) };
    let mut octets = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut octets).map_err(disk)?;
    Ok(Some(octets))
}

/// Whether there is a directory in which nobody who must not could have put anything.
pub(crate) fn is_trusted_directory(path: &Path) -> Result<bool, StoreError> {
    let disk = |source| StoreError::Disk { action: "read", path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => trust(path, &metadata).map(|()| true),
        Ok(_) => Err(disk(io::Error::other("it is not a directory"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk(error)),
    }
}

/// Opens a file that nobody who must not could have written; none if there is no file.
fn open_trusted(path: &Path) -> Result<Option<(File, Metadata)>, StoreError> {
    let disk = |source| StoreError::Disk { action: "read", path: path.to_owned(), source };
    let file = match OpenOptions::new().read(true).custom_flags(not_waiting()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(disk(error)),
    };
    let metadata = file.metadata().map_err(disk)?;
    if !metadata.is_file() {
        return Err(disk(io::Error::other("it is not a file")));
    }
    trust(path, &metadata)?;
    Ok(Some((file, metadata)))
}

fn trust(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let (me, owner, group) = (rustix::process::geteuid(), metadata.uid(), metadata.gid());
    if owner != 0 && owner != me.as_raw() {
        return Err(StoreError::ForeignOwner { path: path.to_owned(), owner });
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(StoreError::WorldWritable { path: path.to_owned() });
    }
    // The usual group of a user has nobody else in it; whom root obeys must not be a matter of habit.
    if me.is_root() && group != 0 && metadata.mode() & 0o020 != 0 {
        return Err(StoreError::GroupWritable { path: path.to_owned(), group });
    }
    Ok(())
}

/// The directory of the file, locked against other processes that change files in the same way.
pub(super) struct Directory {
    directory: File,
    /// Closing it gives the lock back.
    _lock: File,
}

impl Directory {
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        let disk = |source| StoreError::Disk { action: "lock", path: path.to_owned(), source };
        let open = || {
            let directory = File::open(parent(path))?;
            // Whoever may open a file may lock it, and this directory and this file are open to everybody: a lock on
            // them would let any user of the machine keep its administrator from changing anything.
            let path = beside(path, "lock");
            let mut options = OpenOptions::new();
            options
                .write(true)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed() | not_waiting());
            let lock = match options.clone().create_new(true).open(&path) {
                Ok(made) => {
                    let owner = directory.metadata()?.uid();
                    if made.metadata()?.uid() != owner && rustix::process::geteuid().is_root() {
                        fchown(&made, Some(owner), None)?;
                    }
                    made
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&path)?,
                Err(error) => return Err(error),
            };
            lock.lock()?;
            Ok(Self { directory, _lock: lock })
        };
        open().map_err(disk)
    }

    /// Puts a new file in the place of the old one.
    pub(super) fn replace(&self, path: &Path, text: &str, found: &Found) -> Result<(), StoreError> {
        let disk = |source| StoreError::Disk { action: "write", path: path.to_owned(), source };
        let beside = beside(path, "new");
        let written = self.write(path, &beside, text, found);
        if written.is_err() {
            // The old file is still there; what is left of the new one is of no use.
            let _ = fs::remove_file(&beside);
        }
        written.map_err(disk)
    }

    fn write(&self, path: &Path, beside: &Path, text: &str, found: &Found) -> io::Result<()> {
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Whoever was killed here before left it.
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        if let Some((_, group)) = found.kept
            && file.metadata()?.gid() != group
        {
            fchown(&file, None, Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(found.kept.map_or_else(new_mode, |(mode, _)| mode)))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, path)?;
        self.directory.sync_all()
    }
}

/// Every user's clients read the file of the system; the file of a user is their own.
fn new_mode() -> u32 {
    if rustix::process::geteuid().is_root() { 0o644 } else { 0o600 }
}

/// Opening a FIFO or a device under this name must fail later instead of waiting now.
fn not_waiting() -> i32 {
    (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, what_for: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(what_for);
    path.with_file_name(name)
}
