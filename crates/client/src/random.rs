//! Where identifiers come from.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use wsman::Uuid;

/// A new identifier from the system's randomness.
///
/// # Panics
/// If the operating system has none to give: then no secret of this process would be safe either.
pub(crate) fn fresh_uuid() -> Uuid {
    Uuid::from_random(random())
}

/// Octets from the system's randomness.
///
/// # Panics
/// As [`fresh_uuid`].
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    let mut filled = 0;
    while let Some(rest) = octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(error) => panic!("the system has no randomness: {error}"),
        };
    }
    octets
}
