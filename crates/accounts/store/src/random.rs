//! Random bytes for salts, keys and the SID of a machine without identifier.

use crate::AccountsError;

/// Returns random bytes from the kernel.
///
/// # Errors
/// [`AccountsError::Randomness`] if the system call fails.
pub fn random<const N: usize>() -> Result<[u8; N], AccountsError> {
    ::random::bytes().map_err(AccountsError::Randomness)
}

/// Returns the random numbers of a machine SID (`S-1-5-21-A-B-C`) that is not derived from the machine.
///
/// # Errors
/// [`AccountsError::Randomness`].
pub fn machine_numbers() -> Result<[u32; 3], AccountsError> {
    let numbers: [[u8; 4]; 3] = [random()?, random()?, random()?];
    Ok(numbers.map(u32::from_ne_bytes))
}
