//! Pieces of files, and names of temporary files.

use std::fs::File;
use std::io::{self, Read as _};

use copy_proto::{hex, resumable_key};

use crate::options::CopyOptions;
use crate::remote_path::RemotePath;

/// Reads the next piece of a file into a buffer, at most `left` bytes.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the file ends before.
pub(crate) fn next_piece<'b>(mut file: &File, left: u64, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    let room = buffer.get_mut(..most).unwrap_or_default();
    let count = file.read(room)?;
    if count == 0 && left > 0 {
        return Err(shortened());
    }
    Ok(room.get(..count).unwrap_or_default())
}

/// Reads the next `length` bytes of a file, or all that are left.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the file ends before.
pub(crate) fn read_piece(file: &File, left: u64, length: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(length);
    let mut piece = Vec::with_capacity(length);
    file.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut piece)?;
    if piece.len() < length { Err(shortened()) } else { Ok(piece) }
}

fn shortened() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file was shortened while it was copied")
}

/// Returns a random key for the name of a temporary file.
///
/// # Errors
/// An error if the kernel provides no random bytes.
pub(crate) fn random_key() -> io::Result<String> {
    random::bytes::<8>().map(|bytes| hex(&bytes)).map_err(io::Error::other)
}

/// Returns the key of the partial file of one copy: the same in every attempt if the copy can be resumed, otherwise
/// random. The digest is that of the content, or empty if this machine does not know it yet.
///
/// # Errors
/// An error if the kernel provides no random bytes.
pub(crate) fn transfer_key(options: CopyOptions, path: &RemotePath, digest: &str) -> io::Result<String> {
    match options.resume {
        true => Ok(resumable_key(path.as_bytes(), digest)),
        false => random_key(),
    }
}

/// Number of bytes read at a time.
pub(crate) const PIECE: usize = 96 * 1_024;
