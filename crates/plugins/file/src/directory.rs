//! Directories that receive files, and names of temporary files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use copy_proto::{RelativePath, hex};
use files::Directory;

use crate::error::TransferError;

/// Opens the directory that receives a tree, and creates it if only the last component is missing.
pub(crate) fn open_root(root: &Path) -> Result<Directory, TransferError> {
    match fs::create_dir(root) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(TransferError::file("create", root, source)),
    }
    Directory::open(root).map_err(|source| TransferError::file("open", root, source))
}

/// Opens the directory of an entry below the root, and creates missing directories.
pub(crate) fn open_parent(
    root: &Path,
    directory: &Directory,
    path: &RelativePath,
) -> Result<Directory, TransferError> {
    let (parent, _) = path.split();
    let names = parent.into_iter().flat_map(|parent| parent.split(|byte| *byte == b'/'));
    let opened = directory.descend(names.map(OsStr::from_bytes));
    opened.map_err(|source| TransferError::Target {
        path: root.join(OsStr::from_bytes(path.as_bytes())),
        source,
    })
}

/// Returns a random key for the name of a temporary file.
pub(crate) fn random_key(path: &Path) -> Result<String, TransferError> {
    let bytes = random::bytes::<8>().map_err(std::io::Error::other);
    bytes.map(|bytes| hex(&bytes)).map_err(|error| TransferError::file("write", path, error))
}
