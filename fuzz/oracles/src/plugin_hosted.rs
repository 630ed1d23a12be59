//! Messages between gateway and host about a call.

use plugin_hosted::fuzzing::{FromHost, ToHost};

/// Checks that a message is rejected, or remains the same when it is encoded and decoded again.
///
/// # Panics
/// If the property does not hold.
pub fn message(bytes: &[u8]) {
    if let Ok(message) = ToHost::decode(bytes) {
        let frame = message.encode().expect("a decoded message can be encoded");
        let [_, fields, text] = frame.parts();
        let written = [fields, text].concat();
        let again = ToHost::decode(&written).expect("an encoded message can be decoded");
        assert_eq!(message, again);
    }
    if let Ok(message) = FromHost::decode(bytes) {
        let frame = message.encode().expect("a decoded message can be encoded");
        let [_, fields, text] = frame.parts();
        let written = [fields, text].concat();
        let again = FromHost::decode(&written).expect("an encoded message can be decoded");
        assert_eq!(message, again);
    }
}
