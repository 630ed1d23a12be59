//! Identifiers of response messages.

use aws_lc_rs::rand;
use wsman::Uuid;

/// Returns the identifier of a new message, random and unique (WS-Addressing 1.0, 3.1).
///
/// It is not a secret, and every response has one. It therefore comes from the generator in this process: the system
/// call of [`random::uuid`] would be a noticeable part of the time of a small request.
///
/// # Panics
/// If the operating system provides no random numbers.
pub(crate) fn message_id() -> Uuid {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the operating system provides random numbers");
    Uuid::from_random(bytes)
}
