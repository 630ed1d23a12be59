//! Where identifiers come from.

use wsman::Uuid;

/// A new identifier from the system's randomness.
///
/// # Panics
/// If the operating system has no randomness to give: then no secret of the service would be safe either.
#[must_use]
#[allow(clippy::expect_used)]
pub fn fresh_uuid() -> Uuid {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).expect("the system has randomness");
    Uuid::from_random(octets)
}
