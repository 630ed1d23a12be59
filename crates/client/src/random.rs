//! Nonces of sign-ins.

/// Returns random bytes.
///
/// # Panics
/// If the kernel provides no random bytes: no secret of this process would be safe without them.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    ::random::bytes().expect("the kernel provides random bytes")
}
