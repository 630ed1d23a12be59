//! Events that a server will never accept, because they are larger than it permits.

use std::path::{Path, PathBuf};

use crate::error::CollectorError;
use crate::output::Rotation;
use crate::output::event_file::{EventFile, create_folder};

/// Treatment of the events of an output that cannot be delivered.
pub(super) enum Undeliverable {
    /// Events are appended to a file in this folder.
    Stored(PathBuf),
    /// Events are counted, because they are in a file already.
    Counted(u64),
}

impl Undeliverable {
    /// Returns the treatment for an output with a spool, which has a folder `undeliverable`.
    pub(super) fn of_spool(spool: &Path) -> Self {
        Self::Stored(spool.join("undeliverable"))
    }

    /// Stores an event durably, or counts it. Such events are rare, so the file is opened for each.
    pub(super) fn add(&mut self, line: &str) -> Result<(), String> {
        let folder = match self {
            Self::Stored(folder) => folder,
            Self::Counted(count) => {
                *count += 1;
                return Ok(());
            }
        };
        let path = folder.join("events.jsonl");
        append(folder, &path, format!("{line}\n").as_bytes()).map_err(|error| error.to_string())?;
        tracing::warn!(
            path = %path.display(),
            bytes = line.len(),
            "An event is larger than the output permits; it was stored in a file"
        );
        Ok(())
    }
}

fn append(folder: &Path, path: &Path, line: &[u8]) -> Result<(), CollectorError> {
    create_folder(folder)?;
    let mut file = EventFile::open(path.to_owned())?;
    file.rotate_if_needed(line.len(), LIMIT)?;
    file.append(line)?;
    file.sync()
}

/// Size and number of files.
const LIMIT: Rotation = Rotation { size: 16 << 20, files: 4 };
