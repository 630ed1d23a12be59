//! Reading of the files in a folder that belongs to an administrator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Access, FileError, TrustedFile};

/// Files of a folder that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderRules {
    /// Extension of the names of the files.
    pub extension: &'static str,
    /// Access that other users may have to the files.
    pub access: Access,
    /// Maximum number of files.
    pub max_files: usize,
    /// Maximum size of a file in bytes.
    pub max_size: usize,
}

/// Reads the files of a folder whose names have this extension, in the order of their names. A folder that does not
/// exist has none.
///
/// # Errors
/// [`FileError`] if the folder or one of the files cannot be read, or if there are too many files.
pub fn read_folder(folder: &Path, rules: FolderRules) -> Result<Vec<(PathBuf, Vec<u8>)>, FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FileError::Disk { action: "read", path: folder.to_owned(), source }),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == rules.extension));
    if paths.len() > rules.max_files {
        return Err(FileError::TooManyFiles { path: folder.to_owned(), most: rules.max_files });
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let file = TrustedFile { path, access: rules.access };
        // A file that was removed meanwhile is omitted.
        if let Some(content) = file.read(rules.max_size)? {
            files.push((file.path, content));
        }
    }
    Ok(files)
}
