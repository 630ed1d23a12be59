//! Random identifiers.

use wsman::Uuid;

/// Returns a new random identifier (RFC 9562, version 4).
///
/// # Panics
/// If the operating system provides no random numbers. No secret of the service would be safe then.
#[must_use]
pub fn fresh_uuid() -> Uuid {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system provides random numbers");
    Uuid::from_random(bytes)
}
