//! Fingerprints of parts of the registry: numbers that change when the part does.

use std::fs::Metadata;
use std::hash::{BuildHasher as _, Hash as _, Hasher, RandomState};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::key::{Data, Key, is_same};
use super::super::store::Store;
use super::super::view::{VIEWS, View};
use super::super::{Code, Registry};
use crate::Machine;

/// Part of a key that is watched.
pub(super) enum Part {
    /// Values, and names of the direct subkeys.
    Key,
    /// The key and all keys below it.
    Tree,
    /// The value of this name.
    Value(String),
}

/// Computes fingerprints with a secret key of its own, so that clients cannot construct collisions.
#[derive(Clone)]
pub(super) struct Fingerprints {
    machine: Arc<Machine>,
    hashing: RandomState,
}

impl Fingerprints {
    pub(super) fn new(machine: &Arc<Machine>) -> Self {
        Self { machine: Arc::clone(machine), hashing: RandomState::new() }
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns the fingerprint of a part of a key; `None` if the key does not exist.
    ///
    /// # Errors
    /// The code for the reason why the key cannot be read.
    pub(super) fn of(&self, key: &Key, part: &Part) -> Result<Option<u64>, Code> {
        let mut hasher = self.hashing.build_hasher();
        let registry = Registry { machine: &self.machine };
        let hashed = match part {
            Part::Key => registry.values(key).and_then(|values| {
                values.hash(&mut hasher);
                registry.names_below(key).map(|names| names.hash(&mut hasher))
            }),
            Part::Value(name) => registry.values(key).map(|values| {
                let data: Option<&Data> =
                    values.iter().find(|(own, _)| is_same(own, name)).map(|(_, data)| data);
                data.hash(&mut hasher);
            }),
            Part::Tree => registry.stored(key.hive).and_then(|stored| {
                if !registry.exists(key, &stored) {
                    return Err(Code::NotFound);
                }
                stored.tree(key).for_each(|content| content.hash(&mut hasher));
                // Uses the times of the files: reading all contents would take long with many packages.
                let views = VIEWS.iter().filter(|view| shows(view, key, part));
                views
                    .flat_map(|view| (view.sources)(&self.machine))
                    .for_each(|path| stamp(&path, &mut hasher));
                Ok(())
            }),
        };
        match hashed {
            Ok(()) => Ok(Some(hasher.finish())),
            Err(Code::NotFound) => Ok(None),
            Err(code) => Err(code),
        }
    }
}

/// Returns the files and folders that change when a part of a key does.
pub(super) fn sources(machine: &Machine, key: &Key, part: &Part) -> Vec<PathBuf> {
    let store = Store::of(machine, key.hive).map(|store| store.path().to_owned());
    let views = VIEWS.iter().filter(|view| shows(view, key, part));
    store.into_iter().chain(views.flat_map(|view| (view.sources)(machine))).collect()
}

/// Returns whether a view shows something of a part of a key.
fn shows(view: &View, key: &Key, part: &Part) -> bool {
    key.below(view.path).is_some() || (matches!(part, Part::Tree) && key.next(view.path).is_some())
}

/// Hashes the identity and modification time of a file or folder, and of the direct contents of a folder.
fn stamp(path: &Path, hasher: &mut impl Hasher) {
    let Ok(metadata) = path.metadata() else { return hasher.write_u8(0) };
    stamp_metadata(&metadata, hasher);
    if !metadata.is_dir() {
        return;
    }
    let Ok(entries) = path.read_dir() else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        entry.file_name().hash(&mut *hasher);
        if let Ok(metadata) = entry.metadata() {
            stamp_metadata(&metadata, hasher);
        }
    }
}

fn stamp_metadata(metadata: &Metadata, hasher: &mut impl Hasher) {
    hasher.write_u64(metadata.ino());
    hasher.write_u64(metadata.size());
    hasher.write_i64(metadata.mtime());
    hasher.write_i64(metadata.mtime_nsec());
}
