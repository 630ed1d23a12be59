//! Random bytes, for salts, challenges and the SID of a new machine.

use std::io;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::AccountsError;

/// Returns random bytes from the operating system (getrandom(2)).
///
/// # Errors
/// [`AccountsError::Randomness`] if the system call fails.
pub fn random<const N: usize>() -> Result<[u8; N], AccountsError> {
    let mut octets = [0; N];
    let mut rest = octets.as_mut_slice();
    while !rest.is_empty() {
        match getrandom(&mut *rest, GetRandomFlags::empty()) {
            Ok(count) => rest = rest.split_at_mut(count).1,
            Err(Errno::INTR) => {}
            Err(error) => return Err(AccountsError::Randomness(io::Error::from(error))),
        }
    }
    Ok(octets)
}
