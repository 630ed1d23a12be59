//! Limit of the size of all files of events.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::CollectorError;

/// Limit of the size of all files in a folder that has a folder for each source.
///
/// If the limit is reached, the oldest files that are no longer written are removed, those of the source with the
/// largest files first. Events are rejected while there are none.
pub(crate) struct TotalLimit {
    folder: PathBuf,
    limit: u64,
    /// Estimated size of all files; `None` before the first scan. Files that were removed since the last scan count.
    size: Option<u64>,
    /// Time of the last scan that found nothing to remove.
    failed: Option<Instant>,
}

/// Files of one source.
#[derive(Default)]
struct SourceFiles {
    size: u64,
    /// Files that are no longer written, with their numbers and sizes.
    older: Vec<(u32, PathBuf, u64)>,
}

impl TotalLimit {
    /// Returns a limit in bytes for the files in a folder.
    pub(crate) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit, size: None, failed: None }
    }

    /// Accounts for more bytes, and removes older files if they exceed the limit.
    pub(crate) fn reserve(&mut self, more: usize) -> Result<(), CollectorError> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if self.size.is_none_or(|size| size.saturating_add(more) > self.limit) {
            if self.failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
                return Err(self.reached());
            }
            let size = self.make_room(more);
            self.size = Some(size);
            self.failed = (size.saturating_add(more) > self.limit).then(Instant::now);
            if self.failed.is_some() {
                return Err(self.reached());
            }
        }
        self.size = self.size.map(|size| size.saturating_add(more));
        Ok(())
    }

    fn reached(&self) -> CollectorError {
        CollectorError::TotalLimit { folder: self.folder.clone(), limit: self.limit }
    }

    /// Reads the sizes of all files, and removes older ones until there is room. Returns the size of those that stay.
    fn make_room(&self, more: u64) -> u64 {
        let mut sources = scan(&self.folder);
        let mut size: u64 = sources.iter().map(|source| source.size).sum();
        // Some more than needed, so that not every batch reads all sizes.
        let target = self.limit.saturating_sub(more.saturating_add(self.limit / 20));
        if size.saturating_add(more) <= self.limit {
            return size;
        }
        while size > target {
            let largest = sources.iter_mut().filter(|source| !source.older.is_empty());
            let Some(largest) = largest.max_by_key(|source| source.size) else { break };
            let Some((_, path, length)) = largest.older.pop() else { break };
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "Cannot remove an old file of events");
                continue;
            }
            tracing::warn!(
                file = %path.display(), bytes = length, limit = self.limit,
                "Removed an old file of events, because all files have reached their limit"
            );
            largest.size = largest.size.saturating_sub(length);
            size = size.saturating_sub(length);
        }
        size
    }
}

/// Returns the files of each source; the oldest one is the last in its list.
fn scan(folder: &Path) -> Vec<SourceFiles> {
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    folders.map(|folder| files_in(&folder.path())).collect()
}

fn files_in(folder: &Path) -> SourceFiles {
    let mut files = SourceFiles::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        files.size = files.size.saturating_add(metadata.len());
        let path = entry.path();
        let number = path.extension().and_then(|extension| extension.to_str()?.parse().ok());
        files.older.extend(number.map(|number| (number, path, metadata.len())));
    }
    files.older.sort_unstable();
    files
}

/// Pause between two scans that find nothing to remove.
const PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, source: &str, name: &str, size: usize) {
        fs::create_dir_all(folder.join(source)).unwrap();
        fs::write(folder.join(source).join(name), vec![b'x'; size]).unwrap();
    }

    #[test]
    fn the_oldest_files_of_the_largest_source_are_removed_first() {
        let folder = tempfile::tempdir().unwrap();
        for (source, name, size) in [
            ("large", "events.jsonl", 100),
            ("large", "events.jsonl.1", 300),
            ("large", "events.jsonl.2", 300),
            ("small", "events.jsonl", 50),
            ("small", "events.jsonl.1", 200),
        ] {
            write(folder.path(), source, name, size);
        }
        let mut limit = TotalLimit::new(folder.path().to_owned(), 1_000);
        limit.reserve(50).unwrap();
        write(folder.path(), "large", "events.jsonl", 150);
        assert!(folder.path().join("large/events.jsonl.2").exists());
        limit.reserve(1).unwrap();
        assert!(!folder.path().join("large/events.jsonl.2").exists());
        assert!(folder.path().join("large/events.jsonl.1").exists());
        assert!(folder.path().join("small/events.jsonl.1").exists());
    }

    #[test]
    fn files_that_are_written_are_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "one", "events.jsonl", 900);
        let mut limit = TotalLimit::new(folder.path().to_owned(), 1_000);
        limit.reserve(90).unwrap();
        write(folder.path(), "one", "events.jsonl", 990);
        assert!(matches!(limit.reserve(90), Err(CollectorError::TotalLimit { limit: 1_000, .. })));
        assert!(folder.path().join("one/events.jsonl").exists());
    }
}
