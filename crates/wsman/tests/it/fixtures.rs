//! Recorded traffic of real clients and services, when there is any.
//!
//! The recordings are other people's and no part of this repository.
//! They are looked for in `wsman` of the folder that `TELARCH_FIXTURES` names, or else of `shared/fixtures` beside
//! the repository.

mod exchange;
mod replies;
mod requests;
mod single;

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folder with the recordings; without it there is nothing to test, which is said.
fn recordings() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = env::var_os("TELARCH_FIXTURES").map_or_else(beside, PathBuf::from).join("wsman");
    if folder.is_dir() {
        return Some(folder);
    }
    skips::skip!("there are no recordings in {}; TELARCH_FIXTURES names another folder", folder.display());
    None
}

/// Name and text of every file in a folder that ends so, by name.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    assert!(!paths.is_empty(), "{} has no .{extension}", folder.display());
    let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    paths.into_iter().map(read).collect()
}
