//! Properties that hold for any input, checked by the fuzzer and, with its corpus, by the tests.

use crate::message::{FromHost, ToHost};

/// Checks that a message is rejected, or remains the same when it is encoded and decoded again.
pub fn host_message(bytes: &[u8]) {
    if let Ok(message) = ToHost::decode(bytes) {
        let written = message.encode().expect("a decoded message can be encoded").received();
        let again = ToHost::decode(written.bytes()).expect("an encoded message can be decoded");
        assert_eq!(message, again);
    }
    if let Ok(message) = FromHost::decode(bytes) {
        let written = message.encode().expect("a decoded message can be encoded").received();
        let again = FromHost::decode(written.bytes()).expect("an encoded message can be decoded");
        assert_eq!(message, again);
    }
}
