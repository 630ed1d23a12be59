//! Differences between the old and the new content.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read as _};

use serde::Serialize;

use crate::error::DeployError;
use crate::path::ContentPath;
use crate::tree::{Entry, Kind, Tree};

/// Change of one file or link of a site. Folders are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContentChange {
    /// Path below the folder of the site.
    pub path: ContentPath,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Size of the old file in bytes.
    pub size_before: Option<u64>,
    /// Size of the new file in bytes.
    pub size_after: Option<u64>,
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The file is new.
    Added,
    /// The file has other content.
    Changed,
    /// The file is removed.
    Removed,
}

/// A folder with a list of its entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) entries: &'a BTreeMap<ContentPath, Entry>,
}

/// Returns the differences in the order of the paths. Files in `unchanged` are known to be equal.
pub(crate) fn differences(
    old: Listed<'_>,
    new: Listed<'_>,
    unchanged: &BTreeSet<ContentPath>,
) -> Result<Vec<ContentChange>, DeployError> {
    let mut changes = Vec::new();
    let paths: BTreeSet<&ContentPath> = old.entries.keys().chain(new.entries.keys()).collect();
    for path in paths {
        let before = old.entries.get(path).filter(|entry| entry.kind != Kind::Folder);
        let after = new.entries.get(path).filter(|entry| entry.kind != Kind::Folder);
        let kind = match (before, after) {
            (None, None) => continue,
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(before), Some(after)) => {
                if unchanged.contains(path) || compare_entries(path, (old.tree, before), (new.tree, after))? {
                    continue;
                }
                ChangeKind::Changed
            }
        };
        let (size_before, size_after) = (before.and_then(size), after.and_then(size));
        changes.push(ContentChange { path: path.clone(), kind, size_before, size_after });
    }
    Ok(changes)
}

/// Compares the files with a path in two trees. Returns whether they have the same content.
pub(crate) fn compare_file(path: &ContentPath, old: &Tree, new: &Tree) -> Result<bool, DeployError> {
    let open = |tree: &Tree| tree.parent(path)?.file(path.split().1);
    let old = open(old).map_err(DeployError::disk("read", path.as_str()))?;
    let new = open(new).map_err(DeployError::disk("read", path.as_str()))?;
    compare_contents(old, new).map_err(DeployError::io("read", path.as_str()))
}

fn compare_entries(
    path: &ContentPath,
    old: (&Tree, &Entry),
    new: (&Tree, &Entry),
) -> Result<bool, DeployError> {
    match (&old.1.kind, &new.1.kind) {
        (Kind::File { size: before }, Kind::File { size: after }) => {
            Ok(before == after && compare_file(path, old.0, new.0)?)
        }
        (before, after) => Ok(before == after),
    }
}

fn compare_contents(old: impl io::Read, new: impl io::Read) -> io::Result<bool> {
    let (mut old, mut new) = (BufReader::with_capacity(BUFFER, old), BufReader::with_capacity(BUFFER, new));
    let (mut one, mut other) = (Vec::with_capacity(BUFFER), Vec::with_capacity(BUFFER));
    loop {
        one.clear();
        other.clear();
        let limit = u64::try_from(BUFFER).unwrap_or(u64::MAX);
        old.by_ref().take(limit).read_to_end(&mut one)?;
        new.by_ref().take(limit).read_to_end(&mut other)?;
        if one != other {
            return Ok(false);
        }
        if one.is_empty() {
            return Ok(true);
        }
    }
}

fn size(entry: &Entry) -> Option<u64> {
    match entry.kind {
        Kind::File { size } => Some(size),
        _ => None,
    }
}

const BUFFER: usize = 64 << 10;
