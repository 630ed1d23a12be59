//! Files that arrive in pieces: written under a temporary name, and renamed once they are complete.
//!
//! Names are single components, resolved in an open directory and never through a symbolic link. So nothing outside the
//! directory is written, even if a peer chooses the names or another user changes the directory in the meantime.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawMode, fsync, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Open directory that receives files.
#[derive(Debug)]
pub struct Directory(OwnedFd);

/// Reason why a file cannot be received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncomingError {
    /// The name is empty, `.` or `..`, or contains a slash or a NUL character.
    #[error("\"{}\" is not a file name", .0.display())]
    Name(OsString),
    /// The target is a directory.
    #[error("{} is a directory", .0.display())]
    IsDirectory(OsString),
    /// The target is a device, a FIFO or a socket, or the partial file is not a regular file of this user.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(OsString),
    /// A directory below the destination is a symbolic link or another file.
    #[error("{} is a symbolic link or not a directory", .0.display())]
    NotADirectory(OsString),
    /// A system call failed.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl From<Errno> for IncomingError {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

/// Permissions of a received file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// An existing file keeps its permissions; a new one has these without those of the umask.
    New(u32),
    /// The file has exactly these permissions.
    Exact(u32),
}

/// State of the temporary file when reception begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The temporary file must not exist.
    Empty,
    /// A temporary file of an earlier attempt is continued.
    Continued,
}

/// Moment at which a received file is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before it gets its name.
    Synced,
    /// When the system writes it. After a crash, the file may be empty.
    Later,
}

/// File that is being received. Dropping it before [`Self::commit`] removes the temporary file, unless it is kept.
#[derive(Debug)]
pub struct IncomingFile {
    directory: OwnedFd,
    name: OsString,
    temporary: OsString,
    file: File,
    /// Permissions to set at the end; `None` if the file was created with them.
    mode: Option<u32>,
    is_kept: bool,
}

impl Directory {
    /// Opens a directory. Symbolic links in this path are followed.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self(openat(CWD, path, DIRECTORY, Mode::empty())?))
    }

    /// Opens a subdirectory, and creates it if it does not exist.
    ///
    /// # Errors
    /// [`IncomingError::NotADirectory`] for a symbolic link or another file.
    pub fn subdirectory(&self, name: &OsStr) -> Result<Self, IncomingError> {
        require_name(name)?;
        match mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        match openat(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(directory) => Ok(Self(directory)),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(IncomingError::NotADirectory(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the directory with this relative path, and creates missing directories on the way.
    ///
    /// # Errors
    /// As for [`Self::subdirectory`].
    pub fn descend<'a>(&self, names: impl IntoIterator<Item = &'a OsStr>) -> Result<Self, IncomingError> {
        let mut directory = Self(self.0.try_clone()?);
        for name in names {
            directory = directory.subdirectory(name)?;
        }
        Ok(directory)
    }

    /// Begins the reception of the file `name`. The temporary file is named after `key`, which must be a file name too.
    ///
    /// # Errors
    /// [`IncomingError`] if the target is not a regular file, or a system call fails.
    pub fn receive(
        &self,
        name: &OsStr,
        key: &str,
        mode: FileMode,
        begin: Begin,
    ) -> Result<IncomingFile, IncomingError> {
        require_name(name)?;
        let temporary = temporary_name(key);
        require_name(&temporary)?;
        let existing = self.existing_mode(name)?;
        let (created, finally) = match (mode, existing) {
            (FileMode::New(mode), None) => (mode & PERMISSIONS, None),
            (FileMode::New(_), Some(mode)) | (FileMode::Exact(mode), _) => (0o600, Some(mode & PERMISSIONS)),
        };
        // The owner must be able to continue the file.
        let created = Mode::from_raw_mode(RawMode::from(created | 0o600));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match begin {
            Begin::Empty => File::from(openat(&self.0, &temporary, flags | OFlags::EXCL, created)?),
            Begin::Continued => {
                let file = File::from(openat(&self.0, &temporary, flags | OFlags::APPEND, created)?);
                if !is_own(&file.metadata()?) {
                    return Err(IncomingError::NotAFile(temporary));
                }
                file
            }
        };
        Ok(IncomingFile {
            directory: self.0.try_clone()?,
            name: name.to_owned(),
            temporary,
            file,
            mode: finally,
            is_kept: false,
        })
    }

    /// Opens the temporary file of an earlier attempt for reading; `None` if it does not exist, or is not a regular file
    /// of this user.
    #[must_use]
    pub fn partial(&self, key: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = temporary_name(key);
        require_name(&name).ok()?;
        let file = File::from(openat(&self.0, name, flags, Mode::empty()).ok()?);
        file.metadata().is_ok_and(|found| is_own(&found)).then_some(file)
    }

    /// Returns the permissions of an existing file; `None` if no file has this name.
    fn existing_mode(&self, name: &OsStr) -> Result<Option<u32>, IncomingError> {
        let found = match statat(&self.0, name, AtFlags::empty()) {
            Ok(found) => found,
            // A symbolic link that leads nowhere is replaced.
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(Some(found.st_mode & PERMISSIONS)),
            FileType::Directory => Err(IncomingError::IsDirectory(name.to_owned())),
            _ => Err(IncomingError::NotAFile(name.to_owned())),
        }
    }
}

impl IncomingFile {
    /// Temporary file, open for reading and writing.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Keeps the temporary file if this value is dropped, so that a later attempt can continue it.
    pub fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }

    /// Sets permissions and time of modification, and gives the file its name. If a file of this name exists, it is
    /// replaced atomically; a symbolic link is replaced, not its target. After a crash the name leads to the old file
    /// or to the complete new one.
    ///
    /// # Errors
    /// The error of the system call; the old file is then unchanged, unless only the directory could not be
    /// synchronized.
    pub fn commit(self, modified: Option<SystemTime>) -> io::Result<()> {
        self.commit_with(modified, Durability::Synced)
    }

    /// Gives the file its name like [`Self::commit`], with less delay for many small files.
    ///
    /// # Errors
    /// As for [`Self::commit`].
    pub fn commit_with(mut self, modified: Option<SystemTime>, durability: Durability) -> io::Result<()> {
        if let Some(mode) = self.mode {
            self.file.set_permissions(Permissions::from_mode(mode))?;
        }
        if let Some(modified) = modified {
            self.file.set_modified(modified)?;
        }
        if durability == Durability::Synced {
            self.file.sync_all()?;
        }
        renameat(&self.directory, &self.temporary, &self.directory, &self.name)?;
        self.is_kept = true;
        if durability == Durability::Synced {
            fsync(&self.directory)?;
        }
        Ok(())
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // The incomplete file is useless.
            let _ = unlinkat(&self.directory, &self.temporary, AtFlags::empty());
        }
    }
}

/// Returns the name of the temporary file for a key.
fn temporary_name(key: &str) -> OsString {
    OsString::from(format!(".telarch-{key}.part"))
}

/// Returns whether no other user can have prepared a file or linked to it.
fn is_own(found: &Metadata) -> bool {
    found.is_file() && found.uid() == geteuid().as_raw() && found.nlink() == 1
}

fn require_name(name: &OsStr) -> Result<(), IncomingError> {
    let bytes = name.as_bytes();
    if matches!(bytes, b"" | b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Err(IncomingError::Name(name.to_owned()));
    }
    Ok(())
}

/// Flags to open a directory.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Permissions that a received file can have: never set-user-ID, set-group-ID or sticky.
const PERMISSIONS: u32 = 0o777;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn receive(directory: &Directory, name: &str, mode: FileMode) -> Result<IncomingFile, IncomingError> {
        directory.receive(OsStr::new(name), "key", mode, Begin::Empty)
    }

    #[test]
    fn a_file_appears_complete_and_keeps_the_permissions_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let mut arriving = receive(&directory, "a", FileMode::New(0o777)).unwrap();
        arriving.file().write_all(b"new").unwrap();
        arriving.keep(false);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        arriving.commit(Some(time)).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((fs::read(&path).unwrap(), found.mode() & 0o7777), (b"new".to_vec(), 0o640));
        assert_eq!(found.modified().unwrap(), time);
        receive(&directory, "a", FileMode::Exact(0o4751)).unwrap().commit(None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o751);
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn an_abandoned_file_leaves_the_old_one_and_is_removed_unless_kept() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        fs::write(folder.path().join("a"), "old").unwrap();
        drop(receive(&directory, "a", FileMode::New(0o644)).unwrap());
        assert_eq!(names(folder.path()), ["a"]);

        let mut arriving = receive(&directory, "a", FileMode::New(0o644)).unwrap();
        arriving.file().write_all(b"begi").unwrap();
        arriving.keep(true);
        drop(arriving);
        assert_eq!(names(folder.path()), [".telarch-key.part", "a"]);
        assert!(receive(&directory, "a", FileMode::New(0o644)).is_err(), "it exists already");
        let mode = FileMode::New(0o644);
        let continued = directory.receive(OsStr::new("a"), "key", mode, Begin::Continued).unwrap();
        let mut begun = String::new();
        continued.file().read_to_string(&mut begun).unwrap();
        continued.file().write_all(b"nning").unwrap();
        continued.commit(None).unwrap();
        assert_eq!(
            (begun.as_str(), fs::read(folder.path().join("a")).unwrap()),
            ("begi", b"beginning".to_vec())
        );
    }

    #[test]
    fn nothing_outside_the_directory_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
        fs::create_dir_all(inside.join("below")).unwrap();
        fs::create_dir(&outside).unwrap();
        let directory = Directory::open(&inside).unwrap();
        for name in ["", ".", "..", "../outside/x", "/etc/x", "a/b", "a\0b"] {
            let refused = receive(&directory, name, FileMode::New(0o644)).unwrap_err();
            assert!(matches!(refused, IncomingError::Name(_)), "{name}: {refused}");
            assert!(directory.subdirectory(OsStr::new(name)).is_err(), "{name}");
        }
        symlink(&outside, inside.join("link")).unwrap();
        let refused = directory.descend(["link", "x"].map(OsStr::new)).unwrap_err();
        assert!(matches!(refused, IncomingError::NotADirectory(_)), "{refused}");
        let refused = receive(&directory, "link", FileMode::New(0o644)).unwrap_err();
        assert!(matches!(refused, IncomingError::IsDirectory(_)), "{refused}");
        // A link to a file is replaced.
        fs::write(outside.join("file"), "kept").unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        receive(&directory, "file", FileMode::New(0o644)).unwrap().commit(None).unwrap();
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"kept");
        assert!(fs::symlink_metadata(inside.join("file")).unwrap().is_file());
        assert_eq!(names(&outside), ["file"]);

        let below = directory.descend(["below", "new", "newer"].map(OsStr::new)).unwrap();
        receive(&below, "x", FileMode::New(0o644)).unwrap().commit(None).unwrap();
        assert!(inside.join("below/new/newer/x").is_file());
    }

    #[test]
    fn devices_and_prepared_temporary_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        rustix::fs::mkfifoat(CWD, folder.path().join("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        let refused = receive(&directory, "fifo", FileMode::New(0o644)).unwrap_err();
        assert!(matches!(refused, IncomingError::NotAFile(_)), "{refused}");

        let victim = folder.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        let part = folder.path().join(".telarch-key.part");
        let continued =
            || directory.receive(OsStr::new("a"), "key", FileMode::New(0o644), Begin::Continued).map(drop);
        symlink(&victim, &part).unwrap();
        assert!(continued().is_err());
        fs::remove_file(&part).unwrap();
        fs::hard_link(&victim, &part).unwrap();
        assert!(continued().is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
    }
}
