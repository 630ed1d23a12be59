//! Properties of process events.

use super::connector::{ProcessEvent, parse};

/// Checks that a message is ignored, or that its process numbers are contained in it.
pub(crate) fn connector(octets: &[u8]) {
    let stands = |number: u32| octets.windows(4).any(|word| word == number.to_ne_bytes());
    match parse(octets) {
        Some(ProcessEvent::Forked { parent, process }) => assert!(stands(parent) && stands(process)),
        Some(ProcessEvent::Executed(process)) => assert!(stands(process)),
        Some(ProcessEvent::Ended { process, status }) => assert!(stands(process) && stands(status)),
        Some(ProcessEvent::Lost) => panic!("a message says of itself that it was lost"),
        None => {}
    }
}
