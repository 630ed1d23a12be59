//! Local directories of copies, and the results of copies of directories.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use copy_proto::{PackedEntry, RelativePath};
use files::{Begin, Directory, Durability, FileMode, Walk};

use crate::content::random_key;
use crate::error::CopyError;
use crate::local::time_of;
use crate::options::CopyOptions;
use crate::progress::Progress;

/// Result of the copy of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopiedTree {
    /// Path of the copy.
    pub path: String,
    /// Number of copied files.
    pub files: u64,
    /// Size of the copied files in bytes.
    pub size: u64,
    /// Messages about files that were not copied.
    pub failed: Vec<String>,
}

impl CopiedTree {
    pub(crate) fn add(&mut self, size: u64) {
        self.files += 1;
        self.size = self.size.saturating_add(size);
    }

    pub(crate) fn fail(&mut self, message: String) {
        if self.failed.len() < MOST_MESSAGES {
            self.failed.push(message);
        }
    }
}

/// Local directory that receives a tree.
pub(crate) struct LocalTree {
    path: PathBuf,
    directory: Directory,
}

impl LocalTree {
    pub(crate) fn open(path: &Path) -> Result<Self, CopyError> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CopyError::local(path, error));
            }
            _ => {}
        }
        let directory = Directory::open(path).map_err(|error| CopyError::local(path, error))?;
        Ok(Self { path: path.to_owned(), directory })
    }

    pub(crate) fn whole(&self, path: &RelativePath) -> PathBuf {
        self.path.join(OsStr::from_bytes(path.as_bytes()))
    }

    /// Opens the directory of an entry, and creates missing directories. Symbolic links are refused.
    pub(crate) fn parent(&self, path: &RelativePath) -> Result<Directory, CopyError> {
        let (parent, _) = path.split();
        let names = parent.into_iter().flat_map(|parent| parent.split(|byte| *byte == b'/'));
        let directory = self.directory.descend(names.map(OsStr::from_bytes));
        directory.map_err(|error| CopyError::local(&self.whole(path), error))
    }

    pub(crate) fn create(&self, path: &RelativePath) -> Result<(), CopyError> {
        let created = self.parent(path)?.subdirectory(OsStr::from_bytes(path.split().1));
        created.map(drop).map_err(|error| CopyError::local(&self.whole(path), error))
    }

    pub(crate) fn write(&self, entry: &PackedEntry, options: CopyOptions) -> Result<(), CopyError> {
        let whole = self.whole(&entry.path);
        let failed = |error: io::Error| CopyError::local(&whole, error);
        let mode = if options.preserve { FileMode::Exact(entry.mode) } else { FileMode::New(entry.mode) };
        let name = OsStr::from_bytes(entry.path.split().1);
        let key = random_key().map_err(failed)?;
        let file = self.parent(&entry.path)?.receive(name, &key, mode, Begin::Empty);
        let file = file.map_err(|error| CopyError::local(&whole, error))?;
        file.file().write_all(entry.content.as_deref().unwrap_or_default()).map_err(failed)?;
        let modified = options.preserve.then(|| time_of(entry.modified)).flatten();
        file.commit_with(modified, Durability::Later).map_err(failed)
    }
}

/// Counts a copied file, or records why it was not copied; errors of requests end the copy.
pub(crate) fn note(result: Result<u64, CopyError>, copied: &mut CopiedTree) -> Result<(), CopyError> {
    match result {
        Ok(size) => copied.add(size),
        Err(error @ (CopyError::Local { .. } | CopyError::Remote { .. })) => copied.fail(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Entry of a local directory: a directory or a regular file.
pub(crate) struct LocalEntry {
    /// Path on this machine.
    pub(crate) whole: PathBuf,
    /// Path below the directory that is copied.
    pub(crate) path: RelativePath,
    pub(crate) metadata: fs::Metadata,
}

/// Returns the next file or directory of a local directory. Others are skipped, and entries that cannot be read are
/// recorded.
///
/// # Errors
/// [`CopyError::Cancelled`].
pub(crate) fn next_entry(
    walk: &mut Walk,
    local: &Path,
    progress: &dyn Progress,
    copied: &mut CopiedTree,
) -> Result<Option<LocalEntry>, CopyError> {
    for walked in walk {
        if progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let walked = match walked {
            Ok(walked) => walked,
            Err(error) => {
                copied.fail(error.to_string());
                continue;
            }
        };
        let (whole, kind) = (local.join(&walked.path), walked.metadata.file_type());
        if kind.is_symlink() {
            progress.skip(&whole, "symbolic links are not copied");
        } else if !kind.is_dir() && !kind.is_file() {
            progress.skip(&whole, "devices, FIFOs and sockets are not copied");
        } else {
            match RelativePath::new(walked.path.as_os_str().as_bytes()) {
                Some(path) => return Ok(Some(LocalEntry { whole, path, metadata: walked.metadata })),
                None => copied.fail(format!("{}: the path is too long", whole.display())),
            }
        }
    }
    Ok(None)
}

/// Reason why an entry of a remote directory that is neither a file nor a directory is not copied.
pub(crate) const REMOTE_SPECIAL: &str = "it is a symbolic link or a special file";
/// Maximum number of messages about files that were not copied.
const MOST_MESSAGES: usize = 1_000;
