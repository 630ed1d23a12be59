//! Pieces of files, and names of temporary files.

use std::fs::File;
use std::io::{self, Read as _};

use copy_proto::hex;

/// Reads the next piece of a file into a buffer, at most `left` bytes.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the file ends before.
pub(crate) fn next_piece<'b>(mut file: &File, left: u64, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    let room = buffer.get_mut(..most).unwrap_or_default();
    let count = file.read(room)?;
    if count == 0 && left > 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file was shortened while it was copied",
        ));
    }
    Ok(room.get(..count).unwrap_or_default())
}

/// Returns a random key for the name of a temporary file.
///
/// # Errors
/// An error if the kernel provides no random bytes.
pub(crate) fn random_key() -> io::Result<String> {
    random::bytes::<8>().map(|bytes| hex(&bytes)).map_err(io::Error::other)
}

/// Number of bytes read at a time.
pub(crate) const PIECE: usize = 96 * 1_024;
