//! Properties of an event in its line of JSON.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Returns the text at a path; empty for a missing member.
pub(super) fn text<'e>(event: &'e Value, path: &str) -> &'e str {
    event.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the identifier of an event, or the hash of a line that an earlier version wrote without one.
pub(super) fn event_id(event: &Value, line: &str) -> String {
    match text(event, "/Collector/EventId") {
        "" => hexadecimal(&Sha256::digest(line), 16),
        id => id.to_owned(),
    }
}

/// Returns the first `count` bytes as digits.
pub(super) fn hexadecimal(bytes: &[u8], count: usize) -> String {
    bytes.iter().take(count).map(|byte| format!("{byte:02x}")).collect()
}
