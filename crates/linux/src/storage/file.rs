//! Changes of files, with the rights of the caller.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, fchmod, fstat, mkdirat, openat, readlinkat,
    statat, symlinkat,
};
use rustix::io::Errno;

/// Copies a file, or a folder with its contents, to a path that does not exist.
///
/// The owner of a folder may replace its contents during the copy. Therefore examined files stay open, links
/// inside are copied as links, and files are only written to folders created by the copy.
///
/// # Errors
/// Errors of the operating system; [`io::ErrorKind::InvalidInput`] if the destination is inside the source,
/// or the source is neither a file nor a folder.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if to.starts_with(from) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let folder = openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let source = open(CWD, from, Links::Followed)?;
    Copying { made: None }.copy(source, folder.as_fd(), Path::new(name), 0)
}

/// Whether the last part of a path may be a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

/// Opens a file or folder; refuses other types, where opening could block or have side effects.
fn open(folder: impl AsFd, name: &Path, links: Links) -> io::Result<OwnedFd> {
    let (flags, flag) = match links {
        Links::Followed => (AtFlags::empty(), OFlags::empty()),
        Links::Refused => (AtFlags::SYMLINK_NOFOLLOW, OFlags::NOFOLLOW),
    };
    match kind(&statat(&folder, name, flags)?) {
        FileType::RegularFile | FileType::Directory => {}
        FileType::Symlink => return Err(Errno::LOOP.into()),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | flag;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

fn kind(facts: &Stat) -> FileType {
    FileType::from_raw_mode(facts.st_mode)
}

/// State of a copy.
struct Copying {
    /// Device and inode number of the first created folder, which is not copied into itself.
    made: Option<(u64, u64)>,
}

impl Copying {
    fn copy(&mut self, source: OwnedFd, folder: BorrowedFd<'_>, name: &Path, depth: u32) -> io::Result<()> {
        let facts = fstat(&source)?;
        match kind(&facts) {
            FileType::RegularFile => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mode = Mode::from_raw_mode(facts.st_mode & 0o777);
                let copy = openat(folder, name, flags, mode)?;
                io::copy(&mut File::from(source), &mut File::from(copy)).map(drop)
            }
            FileType::Directory if depth < DEEPEST && self.made != Some((facts.st_dev, facts.st_ino)) => {
                let target = self.folder(folder, name)?;
                for entry in Dir::read_from(&source)? {
                    let entry = entry?;
                    let name = Path::new(OsStr::from_bytes(entry.file_name().to_bytes()));
                    if name == Path::new(".") || name == Path::new("..") {
                        continue;
                    }
                    match open(&source, name, Links::Refused) {
                        Ok(inner) => self.copy(inner, target.as_fd(), name, depth + 1)?,
                        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                            symlinkat(readlinkat(&source, name, Vec::new())?, &target, name)?;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(fchmod(&target, Mode::from_raw_mode(facts.st_mode & 0o7777))?)
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Creates a folder that only its owner can enter until its contents are complete.
    fn folder(&mut self, above: BorrowedFd<'_>, name: &Path) -> io::Result<OwnedFd> {
        mkdirat(above, name, Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(above, name, flags, Mode::empty())?;
        let facts = fstat(&made)?;
        // Another user may have replaced the folder.
        if facts.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.made.get_or_insert((facts.st_dev, facts.st_ino));
        Ok(made)
    }
}

/// Maximum depth of nested folders.
const DEEPEST: u32 = 128;

/// Moves a file within its file system to a path that does not exist.
///
/// # Errors
/// Errors of the operating system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

/// Removes a file or an empty folder.
///
/// # Errors
/// Errors of the operating system.
pub fn delete(path: &Path, is_folder: bool) -> io::Result<()> {
    if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) }
}

/// Makes the caller the owner.
///
/// # Errors
/// Errors of the operating system.
pub fn take_ownership(path: &Path) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(rustix::process::geteuid().as_raw()), None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Copies a file and returns the kind of the expected error.
    fn failure(from: &Path, to: &Path) -> io::ErrorKind {
        copy(from, to).expect_err("the copy fails").kind()
    }

    #[test]
    fn folder_copy_keeps_links_and_modes() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("from/inner")).expect("there is room");
        fs::write(path("from/inner/file"), "text").expect("there is room");
        fs::write(path("secret"), "secret").expect("there is room");
        symlink(path("secret"), path("from/link")).expect("there is room");
        fs::set_permissions(path("from/inner"), fs::Permissions::from_mode(0o750)).expect("it is ours");
        copy(&path("from"), &path("to")).expect("a copy");
        assert_eq!(fs::read_to_string(path("to/inner/file")).expect("a copy"), "text");
        assert_eq!(fs::read_link(path("to/link")).expect("a link"), path("secret"));
        let mode = fs::metadata(path("to/inner")).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
        assert_eq!(failure(&path("from"), &path("to")), io::ErrorKind::AlreadyExists);
        assert_eq!(failure(&path("from"), &path("nowhere/to")), io::ErrorKind::NotFound);
    }

    #[test]
    fn copy_does_not_follow_links_inside_the_folder() {
        let folder = tempfile::tempdir().expect("there is room");
        fs::write(folder.path().join("secret"), "secret").expect("there is room");
        symlink("secret", folder.path().join("file")).expect("there is room");
        let error = open(File::open(folder.path()).expect("a folder"), Path::new("file"), Links::Refused);
        assert_eq!(error.expect_err("a link").raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn copy_does_not_write_through_a_link() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text").expect("there is room");
        fs::create_dir(path("from")).expect("there is room");
        symlink(path("elsewhere"), path("to")).expect("there is room");
        for from in ["file", "from"] {
            assert_eq!(failure(&path(from), &path("to")), io::ErrorKind::AlreadyExists, "{from}");
        }
        assert!(!path("elsewhere").exists());
    }

    #[test]
    fn folder_is_not_copied_into_itself_through_a_link() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("from")).expect("there is room");
        symlink(path("from"), path("alias")).expect("there is room");
        assert_eq!(failure(&path("from"), &path("alias/to")), io::ErrorKind::InvalidInput);
        assert!(!path("from/to/to").exists());
    }

    #[test]
    fn copy_does_not_block_on_a_pipe() {
        let folder = tempfile::tempdir().expect("there is room");
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        assert_eq!(failure(&pipe, &folder.path().join("to")), io::ErrorKind::InvalidInput);
    }
}
