//! What must hold for any octets at all; fuzz targets and the corpus test call these.

/// A file of controllers is refused, with the line that is wrong, or is written so that it reads back as the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn host_file(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        crate::hosts::read_again(text);
    }
}
