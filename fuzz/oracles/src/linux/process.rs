//! Properties of process events.

use linux::process::connector::{ProcessEvent, parse};

/// Checks that a message is ignored, or that its process numbers are contained in it.
pub(super) fn connector(octets: &[u8]) {
    match parse(octets) {
        Some(ProcessEvent::Forked { parent, process }) => {
            assert!(has_word(octets, parent) && has_word(octets, process));
        }
        Some(ProcessEvent::Executed(process)) => assert!(has_word(octets, process)),
        Some(ProcessEvent::Ended { process, status }) => {
            assert!(has_word(octets, process) && has_word(octets, status));
        }
        Some(ProcessEvent::Lost) => panic!("a message says of itself that it was lost"),
        None => {}
    }
}

fn has_word(octets: &[u8], number: u32) -> bool {
    octets.windows(4).any(|word| word == number.to_ne_bytes())
}
