//! Recorded traffic of real clients and services, if it is available.

mod exchange;
mod replies;
mod requests;
mod single;

use std::fs;
use std::path::{Path, PathBuf};

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
