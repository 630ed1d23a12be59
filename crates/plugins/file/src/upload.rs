//! Files that a client sends.

use std::ffi::OsStr;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use copy_proto::{Begun, ContentDigest, Finished, Upload};
use files::{Begin, Directory, FileMode, IncomingFile};
use sha2::{Digest as _, Sha256};

use crate::beginning::hash_beginning;
use crate::directory::{open_parent, open_root, random_key};
use crate::error::TransferError;

/// File that is being received.
pub(crate) struct UploadFile {
    path: PathBuf,
    file: IncomingFile,
    hash: Sha256,
    length: u64,
    size: u64,
    modified: Option<u64>,
    /// Whether this transfer has written nothing yet.
    is_untouched: bool,
}

impl UploadFile {
    /// Opens the temporary file. Returns its beginning as well, if an earlier attempt has left one.
    pub(crate) fn open(
        upload: Upload,
        home: &Path,
        deadline: Instant,
    ) -> Result<(Self, Option<Begun>), TransferError> {
        let (path, directory) = target(&upload, home)?;
        let name = path.file_name().ok_or_else(|| TransferError::IsDirectory(path.clone()))?;
        let mode = if upload.is_exact { FileMode::Exact(upload.mode) } else { FileMode::New(upload.mode) };
        let (key, begin) = match &upload.key {
            Some(key) => (key.clone(), Begin::Continued),
            None => (random_key(&path)?, Begin::Empty),
        };
        let file = directory.receive(name, &key, mode, begin);
        let mut file = file.map_err(|source| TransferError::Target { path: path.clone(), source })?;
        if upload.key.is_some() {
            // Another process may be continuing the same file.
            file.file().try_lock().map_err(|_| TransferError::InUse(path.clone()))?;
        }
        file.keep(upload.key.is_some());
        let mut opened = Self {
            path: path.clone(),
            file,
            hash: Sha256::new(),
            length: 0,
            size: upload.size,
            modified: upload.modified,
            is_untouched: true,
        };
        let begun = opened.hash_existing(deadline)?;
        Ok((opened, begun))
    }

    /// Hashes the bytes of an earlier attempt; drops them if that takes too long, or if there are too many.
    fn hash_existing(&mut self, deadline: Instant) -> Result<Option<Begun>, TransferError> {
        let length = self.file.file().metadata().map_err(|error| self.failed(error))?.len();
        if length == 0 {
            return Ok(None);
        }
        let hash = match length <= self.size {
            true => hash_beginning(self.file.file(), length, deadline).map_err(|error| self.failed(error))?,
            false => None,
        };
        let Some(hash) = hash else {
            self.restart()?;
            return Ok(None);
        };
        (self.hash, self.length) = (hash.clone(), length);
        Ok(Some(Begun { length, digest: ContentDigest::finish(hash) }))
    }

    /// Drops the bytes of an earlier attempt.
    fn restart(&mut self) -> Result<(), TransferError> {
        let mut file = self.file.file();
        let emptied = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| self.failed(error))?;
        (self.hash, self.length) = (Sha256::new(), 0);
        Ok(())
    }

    /// Number of bytes that the file has.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends a piece. A piece that was written before is ignored.
    pub(crate) fn write(&mut self, offset: u64, piece: &[u8]) -> Result<(), TransferError> {
        if offset == 0 && self.length > 0 && self.is_untouched {
            self.restart()?;
        }
        self.is_untouched = false;
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        if end <= self.length {
            return Ok(());
        }
        if offset != self.length || end > self.size {
            return Err(TransferError::Piece(
                "the piece overlaps another one or exceeds the size of the file; correct Offset",
            ));
        }
        self.file.file().write_all(piece).map_err(|error| self.failed(error))?;
        self.hash.update(piece);
        self.length = end;
        Ok(())
    }

    /// Verifies the content and gives the file its name.
    pub(crate) fn finish(mut self, digest: Option<ContentDigest>) -> Result<Finished, TransferError> {
        if self.length != self.size {
            return Err(TransferError::Piece("the file is not complete; send the rest first"));
        }
        let received = ContentDigest::finish(self.hash);
        if digest.as_ref() != Some(&received) {
            // The beginning of another content is useless.
            self.file.keep(false);
            return Err(TransferError::Mismatch);
        }
        let modified = self.modified.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let committed = self.file.commit(modified);
        committed.map_err(|source| TransferError::file("write", &self.path, source))?;
        let path = absolute(&self.path).into_os_string().into_vec();
        Ok(Finished { path, digest: received })
    }

    fn failed(&self, source: std::io::Error) -> TransferError {
        TransferError::file("write", &self.path, source)
    }
}

/// Returns the path of the file, and its open directory.
fn target(upload: &Upload, home: &Path) -> Result<(PathBuf, Directory), TransferError> {
    let given = home.join(OsStr::from_bytes(&upload.path));
    if let Some(below) = &upload.below {
        let directory = open_parent(&given, &open_root(&given)?, below)?;
        return Ok((given.join(OsStr::from_bytes(below.as_bytes())), directory));
    }
    let ends_with_slash = given.as_os_str().as_bytes().ends_with(b"/");
    let path = match (given.is_dir(), &upload.name) {
        (true, Some(name)) => given.join(single_name(name)?),
        (true, None) => return Err(TransferError::IsDirectory(given)),
        (false, _) if ends_with_slash => {
            return Err(TransferError::file("open", given, std::io::ErrorKind::NotFound.into()));
        }
        (false, _) => given,
    };
    let folder = files::folder(&path);
    let directory = Directory::open(folder).map_err(|source| TransferError::file("open", folder, source))?;
    Ok((path, directory))
}

/// Returns the path of a file with links in its directory resolved.
fn absolute(path: &Path) -> PathBuf {
    let folder = files::folder(path).canonicalize();
    let name = path.file_name().unwrap_or_default();
    folder.map_or_else(|_| path.to_owned(), |folder| folder.join(name))
}

/// Rejects names that would lead out of their directory.
fn single_name(name: &[u8]) -> Result<&OsStr, TransferError> {
    if matches!(name, b"." | b"..") || name.contains(&b'/') {
        return Err(TransferError::Request("Name must be the name of a file"));
    }
    Ok(OsStr::from_bytes(name))
}
