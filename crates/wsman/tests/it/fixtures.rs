//! Recorded traffic of real clients and services, if it is available.
//!
//! The recordings belong to third parties and are not part of this repository.
//! They are searched for in the directory `wsman` of `TELARCH_FIXTURES`, or else of `shared/fixtures` next to
//! the repository.

mod exchange;
mod replies;
mod requests;
mod single;

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Returns the directory with the recordings; without it the test is skipped with a message.
fn recordings() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = env::var_os("TELARCH_FIXTURES").map_or_else(beside, PathBuf::from).join("wsman");
    if folder.is_dir() {
        return Some(folder);
    }
    skips::skip!("there are no recordings in {}; TELARCH_FIXTURES names another folder", folder.display());
    None
}

/// Name and text of every file in a directory with the extension, sorted by name.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    assert!(!paths.is_empty(), "{} has no .{extension}", folder.display());
    let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    paths.into_iter().map(read).collect()
}
