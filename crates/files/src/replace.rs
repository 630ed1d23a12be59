//! Atomic replacement of files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Mode and group of a new file. Its owner is the user of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permissions.
    pub mode: u32,
    /// GID; `None` for the one that the system chooses.
    pub group: Option<u32>,
}

impl Attributes {
    /// Attributes of a file that only its owner can read.
    pub const PRIVATE: Self = Self { mode: 0o600, group: None };
}

/// Replaces a file by a new one with this content. At any time, even after a crash, the path leads to the old file or to
/// the new one. If the path is a symbolic link, the link is replaced.
///
/// The new file is written next to the old one under a fixed [name](sibling), so a lock must exclude other writers.
///
/// # Errors
/// I/O errors; the old file is then unchanged, unless only the directory could not be synchronized.
pub fn replace(path: &Path, content: &[u8], attributes: Attributes) -> io::Result<()> {
    let temporary = sibling(path, "new");
    let written = write(&temporary, content, attributes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The incomplete file is useless.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(folder(path))?.sync_all()
}

/// Creates a file with this content. The incomplete file has its final name, but only its owner can read it.
///
/// # Errors
/// I/O errors, of the kind [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the path exists: of several callers with one
/// path, one succeeds.
pub fn create(path: &Path, content: &[u8], attributes: Attributes) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Err(error) = fill(file, content, attributes) {
        // The incomplete file is useless.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    File::open(folder(path))?.sync_all()
}

fn write(temporary: &Path, content: &[u8], attributes: Attributes) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // The file may be left over from a process that was killed.
        _ => {}
    }
    // No other user may open the file before it has its final attributes.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    fill(file, content, attributes)
}

/// Gives a new file its attributes and its content.
fn fill(mut file: File, content: &[u8], attributes: Attributes) -> io::Result<()> {
    if let Some(group) = attributes.group
        && file.metadata()?.gid() != group
    {
        fchown(&file, None, Some(group))?;
    }
    file.set_permissions(Permissions::from_mode(attributes.mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Returns the path of a hidden file next to `path`, named after it and the purpose.
#[must_use]
pub fn sibling(path: &Path, purpose: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(purpose);
    path.with_file_name(name)
}

/// Returns the directory of a file.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
