//! The last snapshot, which is valid as long as the files that it was read from do not change.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use locks::Mutex;

use super::source_watch::SourceWatch;
use crate::model::Snapshot;

/// Age that a change must have before a file is read, so that a later change gets another timestamp: the longest
/// interval between the timestamps of the usual file systems.
const SETTLED: Duration = Duration::from_secs(2);

/// Time after a comparison of the states in which reports of changes are relied on. The kernel does not report writes to
/// mapped memory, and another name for a folder above.
const TRUST: Duration = Duration::from_secs(1);

/// Files and folders that were read, with their state before that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(BTreeMap<String, Option<Stamp>>);

/// State of a file or folder that changes with its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Sources {
    /// Adds a path, or the fact that it does not exist. The first state of a path counts.
    pub(super) fn add(&mut self, path: &str, metadata: Option<&Metadata>) {
        self.0.entry(path.to_owned()).or_insert_with(|| metadata.map(Stamp::of));
    }

    fn are_unchanged(&self) -> bool {
        self.0.iter().all(|(path, stamp)| fs::metadata(path).ok().as_ref().map(Stamp::of) == *stamp)
    }

    /// Returns whether changes after `time` are visible in the timestamps.
    fn are_settled(&self, time: SystemTime) -> bool {
        let limit = time.checked_sub(SETTLED).and_then(|limit| limit.duration_since(UNIX_EPOCH).ok());
        let limit = limit.and_then(|limit| i64::try_from(limit.as_secs()).ok()).unwrap_or_default();
        self.0.values().flatten().all(|stamp| stamp.modified.0.max(stamp.changed.0) < limit)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The last snapshot.
#[derive(Default)]
pub(crate) struct SnapshotCache(Mutex<Option<Arc<Cached>>>);

struct Cached {
    sources: Sources,
    snapshot: Arc<Snapshot>,
    /// `None` if changes are found in the states of the sources only.
    watch: Option<SourceWatch>,
    verified: Mutex<Verified>,
}

/// Last time at which the states of the sources were compared.
#[derive(Default)]
struct Verified {
    /// Begin of the comparison; `None` if a change was reported since.
    at: Option<Instant>,
    /// Number of reported changes.
    changes: u64,
}

impl Cached {
    fn is_current(&self) -> bool {
        let before = {
            let mut verified = self.verified.lock();
            if let Some(watch) = &self.watch {
                // Under the lock, so that no other caller relies on a comparison before the changes.
                if watch.take_changes() {
                    verified.at = None;
                    verified.changes = verified.changes.saturating_add(1);
                }
                if verified.at.is_some_and(|at| at.elapsed() < TRUST) {
                    return true;
                }
            }
            verified.changes
        };
        let begin = Instant::now();
        let is_unchanged = self.sources.are_unchanged();
        let mut verified = self.verified.lock();
        if verified.changes == before {
            verified.at = is_unchanged.then_some(begin);
        }
        is_unchanged
    }
}

impl SnapshotCache {
    /// Returns the last snapshot if its files are unchanged.
    pub(super) fn current(&self) -> Option<Arc<Snapshot>> {
        let cached = self.0.lock().clone()?;
        cached.is_current().then(|| Arc::clone(&cached.snapshot))
    }

    /// Keeps a snapshot whose files were read after `begin`. One that was read from other sources than files, or from
    /// files that have just changed, is not kept.
    pub(super) fn keep(&self, sources: Sources, snapshot: &Arc<Snapshot>, begin: SystemTime) {
        let is_kept = !sources.0.is_empty() && sources.are_settled(begin);
        *self.0.lock() = is_kept.then(|| {
            let watch = SourceWatch::new(sources.0.keys().map(String::as_str));
            let snapshot = Arc::clone(snapshot);
            // The states are compared after the watch has begun.
            Arc::new(Cached { sources, snapshot, watch, verified: Mutex::default() })
        });
    }
}

#[cfg(test)]
mod tests {
    use conftext::Files as _;

    use super::super::Disk;
    use super::*;
    use crate::revision::Revision;

    #[test]
    fn a_snapshot_is_valid_until_a_file_or_folder_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
        fs::create_dir(path("sites")).unwrap();
        fs::write(path("main"), "one").unwrap();
        let snapshot = Arc::new(Snapshot {
            revision: Revision::of(BTreeMap::new()),
            sites: Vec::new(),
            pools: Vec::new(),
            files: Vec::new(),
            problems: Vec::new(),
        });
        let read = || {
            let mut disk = Disk::default();
            disk.read(&path("main")).unwrap();
            disk.read(&path("missing")).unwrap();
            disk.names(&path("sites")).unwrap();
            disk.sources
        };
        let later = SystemTime::now() + Duration::from_secs(60);
        let cache = SnapshotCache::default();
        for change in ["write", "create", "create below", "rename", "delete"] {
            assert!(cache.current().is_none());
            cache.keep(read(), &snapshot, later);
            assert!(cache.current().is_some());
            match change {
                "write" => fs::write(path("main"), "other"),
                "create" => fs::write(path("missing"), ""),
                "create below" => fs::write(path("sites/new"), ""),
                "rename" => fs::rename(path("sites"), path("renamed")),
                _ => fs::remove_file(path("main")),
            }
            .unwrap();
        }
        assert!(cache.current().is_none());
        cache.keep(read(), &snapshot, SystemTime::now());
        assert!(cache.current().is_none(), "a file that has just changed can change again unnoticed");
        cache.keep(Sources::default(), &snapshot, later);
        assert!(cache.current().is_none(), "nothing shows whether another source has changed");
    }
}
