//! Identifiers of messages and sessions, and nonces of sign-ins.

use wsman::Uuid;

/// Returns a new random identifier.
///
/// # Panics
/// If the kernel provides no random bytes: no secret of this process would be safe without them.
pub(crate) fn fresh_uuid() -> Uuid {
    Uuid::from_random(random())
}

/// Returns random bytes.
///
/// # Panics
/// As [`fresh_uuid`].
#[allow(clippy::expect_used)]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    ::random::bytes().expect("the kernel provides random bytes")
}
