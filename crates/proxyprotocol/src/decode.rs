//! Headers of both versions.

use crate::{HeaderError, Progress, version_1, version_2};

/// Decodes the first bytes of a connection, of which no more have been read than [`Progress::Missing`] permits.
///
/// # Errors
/// [`HeaderError`], as soon as the bytes cannot become a valid header. Bytes behind the header are an error, too.
pub fn decode(received: &[u8]) -> Result<Progress, HeaderError> {
    if is_prefix(received, version_1::START) {
        version_1::decode(received)
    } else if is_prefix(received, &version_2::SIGNATURE) {
        version_2::decode(received)
    } else {
        Err(HeaderError::NoHeader)
    }
}

/// Returns whether bytes begin with the signature of either version, to explain why a connection that must not have a
/// header is malformed.
#[must_use]
pub fn has_signature(bytes: &[u8]) -> bool {
    bytes.starts_with(version_1::START) || bytes.starts_with(&version_2::SIGNATURE)
}

/// Returns whether one of two texts begins with the other.
fn is_prefix(received: &[u8], start: &[u8]) -> bool {
    received.iter().zip(start).all(|(left, right)| left == right)
}
