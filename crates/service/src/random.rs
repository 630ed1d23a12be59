//! Random identifiers.

use wsman::Uuid;

/// Returns a new random identifier (RFC 9562, version 4).
///
/// # Panics
/// If the kernel provides no random bytes: no secret of the service would be safe without them.
#[must_use]
pub fn fresh_uuid() -> Uuid {
    Uuid::from_random(random::bytes().expect("the kernel provides random bytes"))
}
