//! SHA-256 of contents, and keys of temporary files.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// SHA-256 of a content, as hexadecimal text in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDigest(String);

impl ContentDigest {
    /// Parses the digest that another machine has computed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns the digest of a hash.
    #[must_use]
    pub fn finish(hash: Sha256) -> Self {
        Self(hex(&hash.finalize()))
    }

    /// Reads `length` bytes and returns their digest.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer bytes.
    pub fn of(mut source: impl Read, length: u64) -> io::Result<Self> {
        let mut hash = Sha256::new();
        hash_exactly(&mut source, length, &mut hash)?;
        Ok(Self::finish(hash))
    }

    /// Returns the digest of bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// The digest as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Adds the next `length` bytes of a source to a hash.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if there are fewer bytes.
pub fn hash_exactly(source: &mut impl Read, length: u64, hash: &mut Sha256) -> io::Result<()> {
    let mut source = source.take(length);
    let mut buffer = vec![0; PIECE];
    let mut left = length;
    loop {
        let count = source.read(&mut buffer)?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
        left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
    }
    if left > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Returns the key of the temporary file of a copy that can be resumed; the same copy has the same key.
#[must_use]
pub fn resumable_key(path: &[u8], content: &str) -> String {
    let hash = Sha256::new().chain_update(path).chain_update([0]).chain_update(content);
    hex(hash.finalize().get(..8).unwrap_or_default())
}

/// Returns bytes as hexadecimal text in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Number of bytes read at a time.
const PIECE: usize = 96 * 1_024;
