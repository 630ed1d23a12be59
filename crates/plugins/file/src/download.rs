//! Files that a client receives.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

use copy_proto::{Begun, ContentDigest, Download, Finished};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::beginning::hash_beginning;
use crate::error::TransferError;

/// File that is being sent.
pub(crate) struct DownloadFile {
    path: PathBuf,
    file: File,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    /// Time of modification in seconds since 1970.
    pub(crate) modified: u64,
    /// Hash of the bytes before `position`.
    hash: Sha256,
    position: u64,
}

impl DownloadFile {
    /// Opens a regular file. Returns the part of it that the client has already, if its digest is right.
    pub(crate) fn open(
        download: Download,
        home: &Path,
        deadline: Instant,
    ) -> Result<(Self, Option<Begun>), TransferError> {
        let path = home.join(OsString::from_vec(download.path));
        let failed = |source| TransferError::file("read", &path, source);
        // Opening a FIFO must not wait for its writer.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(nonblocking).open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(TransferError::IsDirectory(path));
        }
        if !metadata.is_file() {
            return Err(TransferError::NotAFile(path));
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (size, mode) = (metadata.len(), metadata.mode() & 0o777);
        let begun = download.found.filter(|found| found.length <= size);
        let hash = match &begun {
            Some(begun) => hash_beginning(&file, begun.length, deadline).map_err(failed)?,
            None => None,
        };
        let begun =
            begun.zip(hash).filter(|(begun, hash)| ContentDigest::finish(hash.clone()) == begun.digest);
        let (begun, hash) = begun.map_or((None, Sha256::new()), |(begun, hash)| (Some(begun), hash));
        let position = begun.as_ref().map_or(0, |begun| begun.length);
        let modified = modified.map_or(0, |time| time.as_secs());
        Ok((Self { path, file, size, mode, modified, hash, position }, begun))
    }

    /// End of the bytes that were read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Reads a piece of at most `length` bytes; empty at the end of the file.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, TransferError> {
        if offset > self.position {
            return Err(TransferError::Piece(
                "the piece is behind bytes that were not read yet; read them first",
            ));
        }
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut piece = vec![0; length.min(left)];
        let read = self.file.read_exact_at(&mut piece, offset);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                TransferError::Piece("the file was shortened while it was copied; copy it again")
            }
            _ => TransferError::file("read", &self.path, error),
        })?;
        // A repeated piece is hashed once, and as it was sent last.
        let end = offset.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let repeated = usize::try_from(self.position.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Some(new) = piece.get(repeated..) {
            self.hash.update(new);
            self.position = self.position.max(end);
        }
        Ok(piece)
    }

    /// Returns the digest of the content.
    pub(crate) fn finish(self) -> Result<Finished, TransferError> {
        if self.position != self.size {
            return Err(TransferError::Piece("the file was not read to its end; read the rest first"));
        }
        let path = self.path.canonicalize().unwrap_or(self.path).into_os_string().into_vec();
        Ok(Finished { path, digest: ContentDigest::finish(self.hash) })
    }
}
