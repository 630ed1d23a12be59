//! Recorded events and messages of Windows, if they are available.

use std::fs;
use std::path::Path;

/// Returns the recorded events of a file, one for each line.
pub(crate) fn events(folder: &Path, name: &str) -> Vec<String> {
    text(folder, &format!("{name}.xmll")).lines().map(str::to_owned).collect()
}

pub(crate) fn text(folder: &Path, name: &str) -> String {
    String::from_utf8(bytes(folder, name)).unwrap()
}

pub(crate) fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
