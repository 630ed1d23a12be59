//! Local sources and targets of copies.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use copy_proto::{Begun, ContentDigest, hash_exactly};
use files::{Begin, Directory, FileMode, IncomingFile};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::error::CopyError;
use crate::options::CopyOptions;

/// Local file that is copied to a remote machine.
pub(crate) struct LocalFile {
    path: PathBuf,
    file: File,
    /// Size when it was opened; later bytes are not copied.
    pub(crate) size: u64,
    /// Permissions.
    pub(crate) mode: u32,
    /// Time of modification in seconds since 1970.
    pub(crate) modified: u64,
}

impl LocalFile {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> Result<Self, CopyError> {
        let failed = |error: io::Error| CopyError::local(path, error);
        // Opening a FIFO must not wait for its writer.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::other("it is a directory")));
        }
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            path: path.to_owned(),
            file,
            size: metadata.len(),
            mode: metadata.mode() & 0o777,
            modified: modified.map_or(0, |time| time.as_secs()),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the SHA-256 of the first `length` bytes.
    pub(crate) fn digest(&self, length: u64) -> Result<ContentDigest, CopyError> {
        self.seek(0)?;
        ContentDigest::of(&self.file, length).map_err(|error| self.error(error))
    }

    /// Sets the position of the next read.
    pub(crate) fn seek(&self, position: u64) -> Result<(), CopyError> {
        (&self.file).seek(SeekFrom::Start(position)).map(drop).map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: io::Error) -> CopyError {
        CopyError::local(&self.path, error)
    }
}

/// Directory and name of a local file that is copied from a remote machine.
pub(crate) struct LocalTarget {
    pub(crate) path: PathBuf,
    pub(crate) directory: Directory,
}

/// Temporary file that receives the content of a target.
pub(crate) struct ReceivedFile {
    pub(crate) file: IncomingFile,
    /// Hash of the content so far.
    pub(crate) hash: Sha256,
}

impl LocalTarget {
    /// Opens the directory of `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, CopyError> {
        if path.file_name().is_none() {
            return Err(CopyError::local(path, io::Error::other("it is a directory")));
        }
        let folder = files::folder(path);
        let directory = Directory::open(folder).map_err(|error| CopyError::local(folder, error))?;
        Ok(Self { path: path.to_owned(), directory })
    }

    /// Returns the error of an operation on the file.
    pub(crate) fn failed(&self, error: io::Error) -> CopyError {
        CopyError::local(&self.path, error)
    }

    pub(crate) fn name(&self) -> &std::ffi::OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Returns the beginning of the file that an earlier attempt has left.
    pub(crate) fn begun(&self, key: &str) -> Result<Option<Begun>, CopyError> {
        let partial = self.directory.partial(key).map(|file| {
            let length = file.metadata()?.len();
            Ok(Begun { length, digest: ContentDigest::of(&file, length)? })
        });
        partial.transpose().map_err(|error: std::io::Error| CopyError::local(&self.path, error))
    }

    /// Opens the temporary file. It keeps the first `length` bytes of an earlier attempt, which are hashed.
    pub(crate) fn receive(
        &self,
        key: &str,
        mode: FileMode,
        length: u64,
        options: CopyOptions,
    ) -> Result<ReceivedFile, CopyError> {
        let begin = if options.resume { Begin::Continued } else { Begin::Empty };
        let file = self.directory.receive(self.name(), key, mode, begin);
        let mut file = file.map_err(|error| CopyError::local(&self.path, error))?;
        if options.resume {
            lock_partial(self, file.file())?;
        }
        file.keep(options.resume);
        let mut hash = Sha256::new();
        file.file().set_len(length).map_err(|error| self.failed(error))?;
        hash_exactly(&mut file.file(), length, &mut hash).map_err(|error| self.failed(error))?;
        Ok(ReceivedFile { file, hash })
    }
}

/// Locks a partial file, which another process may be continuing.
fn lock_partial(target: &LocalTarget, file: &File) -> Result<(), CopyError> {
    let reason = "another copy to this file is in progress";
    file.try_lock().map_err(|_| CopyError::local(&target.path, io::Error::other(reason)))
}

/// Returns a time of modification as a time of this system.
pub(crate) fn time_of(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
