//! Hash of the beginning of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

/// Hashes the first bytes of a file; `None` if that is not done before the deadline.
pub(crate) fn hash_beginning(file: &File, length: u64, deadline: Instant) -> io::Result<Option<Sha256>> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; HASHED_PIECE];
    let mut position = 0;
    while position < length {
        if Instant::now() >= deadline {
            return Ok(None);
        }
        let most = usize::try_from(length - position).unwrap_or(usize::MAX).min(buffer.len());
        let room = buffer.get_mut(..most).unwrap_or_default();
        file.read_exact_at(room, position)?;
        hash.update(&*room);
        position += u64::try_from(most).unwrap_or(u64::MAX);
    }
    Ok(Some(hash))
}

/// Number of bytes that are read and hashed at a time.
const HASHED_PIECE: usize = 256 * 1_024;
