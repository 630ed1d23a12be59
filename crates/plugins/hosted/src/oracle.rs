//! What must hold for whatever octets come: for the fuzzer, and for the corpus in the tests.
#![allow(clippy::expect_used)]

use crate::message::{FromHost, ToHost};

/// A message is refused, or is the same again once it was written.
pub fn host_message(octets: &[u8]) {
    if let Ok(message) = ToHost::decode(octets) {
        let written = message.encode().expect("what came can be sent").received();
        let again = ToHost::decode(written.octets()).expect("what was written can be read");
        assert_eq!(message, again);
    }
    if let Ok(message) = FromHost::decode(octets) {
        let written = message.encode().expect("what came can be sent").received();
        let again = FromHost::decode(written.octets()).expect("what was written can be read");
        assert_eq!(message, again);
    }
}
