//! Random bytes from the kernel (getrandom(2)), for keys, nonces, salts and identifiers.
//!
//! ```
//! let key: [u8; 32] = telarch_random::bytes()?;
//! # assert_ne!(key, [0; 32]);
//! # Ok::<(), telarch_random::RandomError>(())
//! ```

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use wsman::Uuid;

/// The kernel provides no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read random bytes from the kernel: {0}")]
pub struct RandomError(#[from] Errno);

/// Returns `N` random bytes. Waits until the kernel has gathered enough entropy after boot.
///
/// # Errors
/// [`RandomError`] if the kernel is older than Linux 3.17, or a filter of system calls forbids getrandom(2).
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    let mut rest = bytes.as_mut_slice();
    while !rest.is_empty() {
        match getrandom(&mut *rest, GetRandomFlags::empty()) {
            Ok(count) => rest = rest.split_at_mut(count).1,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

/// Returns a new random identifier (RFC 9562, version 4).
///
/// # Panics
/// If the kernel provides no random bytes: no secret of this process would be safe without them.
#[must_use]
pub fn uuid() -> Uuid {
    Uuid::from_random(bytes().expect("the kernel provides random bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_empty_requests_are_filled() -> Result<(), RandomError> {
        assert_eq!(bytes::<0>()?, []);
        // More than the 256 bytes that the kernel returns in one piece whatever happens.
        let long = bytes::<4_096>()?;
        assert!(long.rchunks(16).all(|part| part.iter().any(|byte| *byte != 0)), "{long:02x?}");
        assert_ne!(bytes::<16>()?, bytes::<16>()?);
        Ok(())
    }
}
