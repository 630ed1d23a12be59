//! Properties that hold for any input; fuzz targets and the corpus test check them.

/// Checks that a file of controllers is either rejected with a line number, or survives writing and parsing
/// again.
///
/// # Panics
/// If a property does not hold.
pub fn host_file(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        crate::hosts::read_again(text);
    }
}
