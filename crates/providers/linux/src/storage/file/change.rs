//! What is done to files, with the rights of the caller.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Access, CWD, RenameFlags};

/// What the methods of files return (`CIM_LogicalFile`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done = 0,
    Denied = 2,
    Failed = 8,
    Invalid = 9,
    Exists = 10,
    NotNtfs = 11,
    OtherDrive = 13,
    NotEmpty = 14,
    Busy = 15,
    InvalidParameter = 21,
}

/// Copies a file, or a folder with what is in it, to where nothing is.
pub(super) fn copy(from: &Path, to: Option<&Path>) -> Outcome {
    let Some(to) = to else { return Outcome::InvalidParameter };
    if to.starts_with(from) {
        return Outcome::InvalidParameter;
    }
    outcome(copy_below(from, to, 0))
}

fn copy_below(from: &Path, to: &Path, depth: u32) -> io::Result<()> {
    let facts = fs::symlink_metadata(from)?;
    if depth > 0 && facts.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    let facts = fs::metadata(from)?;
    if facts.is_dir() {
        if depth >= DEEPEST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_below(&entry.path(), &to.join(entry.file_name()), depth + 1)?;
        }
        return fs::set_permissions(to, facts.permissions());
    }
    if !facts.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mode = facts.permissions().mode() & 0o777;
    let mut copy = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
    io::copy(&mut fs::File::open(from)?, &mut copy)?;
    Ok(())
}

/// How deep folders may stand in each other.
const DEEPEST: u32 = 128;

/// Moves a file to where nothing is, on the same file system.
pub(super) fn rename(from: &Path, to: Option<&Path>) -> Outcome {
    let Some(to) = to else { return Outcome::InvalidParameter };
    outcome(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from))
}

/// Removes a file, or a folder that is empty.
pub(super) fn delete(path: &Path, is_folder: bool) -> Outcome {
    outcome(if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) })
}

/// Makes the caller the owner.
pub(super) fn take(path: &Path) -> Outcome {
    outcome(std::os::unix::fs::chown(path, Some(rustix::process::geteuid().as_raw()), None))
}

/// Whether the rights that are asked for, as Windows counts them, are all there.
pub(super) fn admits(has: impl Fn(Access) -> bool, wanted: i128) -> bool {
    // FILE_READ_DATA, FILE_WRITE_DATA with FILE_APPEND_DATA, FILE_EXECUTE (MS-DTYP 2.4.3).
    let rights = [(0x1, Access::READ_OK), (0x2 | 0x4, Access::WRITE_OK), (0x20, Access::EXEC_OK)];
    rights.into_iter().filter(|(mask, _)| wanted & mask != 0).all(|(_, access)| has(access))
}

fn outcome(result: io::Result<()>) -> Outcome {
    let Err(error) = result else { return Outcome::Done };
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Outcome::Denied,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            Outcome::Invalid
        }
        io::ErrorKind::AlreadyExists => Outcome::Exists,
        io::ErrorKind::CrossesDevices => Outcome::OtherDrive,
        io::ErrorKind::DirectoryNotEmpty => Outcome::NotEmpty,
        io::ErrorKind::ResourceBusy => Outcome::Busy,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => Outcome::InvalidParameter,
        _ => Outcome::Failed,
    }
}
