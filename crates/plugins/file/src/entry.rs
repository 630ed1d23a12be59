//! Descriptions of files and directories.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use copy_proto::{Entry, EntryKind};

use crate::error::TransferError;

/// Describes the file or directory at a path.
pub(crate) fn describe(home: &Path, path: Vec<u8>) -> Result<Entry, TransferError> {
    let path = home.join(OsString::from_vec(path));
    let metadata = fs::metadata(&path).map_err(|source| TransferError::file("read", &path, source))?;
    let kind = match () {
        () if metadata.is_file() => EntryKind::File,
        () if metadata.is_dir() => EntryKind::Directory,
        () => EntryKind::Other,
    };
    let path = path.canonicalize().unwrap_or(path).into_os_string().into_vec();
    Ok(Entry { path, kind, size: metadata.len() })
}
