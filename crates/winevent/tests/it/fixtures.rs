//! Recorded events and messages of Windows, if they are available.
//!
//! They belong to third parties and are not part of this repository. They are searched for in the directory
//! `events` of `TELARCH_FIXTURES`, or else of `shared/fixtures` next to the repository.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Returns the folder with the recordings; without it the test is skipped with a message.
pub(crate) fn recordings() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = env::var_os("TELARCH_FIXTURES").map_or_else(beside, PathBuf::from).join("events");
    if folder.is_dir() {
        return Some(folder);
    }
    skips::skip!("there are no recordings in {}; TELARCH_FIXTURES names another folder", folder.display());
    None
}

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
