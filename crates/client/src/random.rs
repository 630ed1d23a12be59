//! Random identifiers and bytes.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use wsman::Uuid;

/// Returns a new random identifier.
///
/// # Panics
/// If the operating system cannot provide random bytes: no secret of this process would be safe then.
pub(crate) fn fresh_uuid() -> Uuid {
    Uuid::from_random(random())
}

/// Returns random bytes from the operating system.
///
/// # Panics
/// If the operating system cannot provide random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    let mut filled = 0;
    while let Some(rest) = octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(error) => panic!("getrandom failed: {error}"),
        };
    }
    octets
}
