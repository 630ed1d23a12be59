//! The file of management controllers.

use hardware::fuzzing::{parse_entries, show_entries};

/// Checks that a file of controllers is either rejected with a line number, or survives writing and parsing
/// again.
///
/// # Panics
/// If a property does not hold.
pub fn host_file(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    match parse_entries(text) {
        Ok(entries) => {
            assert!(parse_entries(&show_entries(&entries)).as_ref() == Ok(&entries), "{entries:?}");
        }
        Err((line, reason)) => {
            assert!(line <= text.lines().count() && !reason.is_empty(), "line {line}: {reason}");
        }
    }
}
