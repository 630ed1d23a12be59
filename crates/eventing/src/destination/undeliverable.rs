//! Events that a server will never accept, because they are larger than it permits.

use std::path::{Path, PathBuf};

use crate::error::CollectorError;
use crate::output::Rotation;
use crate::output::event_file::{EventFile, create_folder};

/// File for the events of an output that cannot be delivered, in the folder `undeliverable` of its spool.
pub(super) struct Undeliverable {
    folder: PathBuf,
}

impl Undeliverable {
    pub(super) fn new(spool: &Path) -> Self {
        Self { folder: spool.join("undeliverable") }
    }

    /// Appends an event, durably. Such events are rare, so the file is opened for each.
    pub(super) fn store(&mut self, line: &str) -> Result<(), String> {
        let path = self.folder.join("events.jsonl");
        self.append(&path, format!("{line}\n").as_bytes()).map_err(|error| error.to_string())?;
        tracing::warn!(
            path = %path.display(),
            bytes = line.len(),
            "An event is larger than the output permits; it was stored in a file"
        );
        Ok(())
    }

    fn append(&self, path: &Path, line: &[u8]) -> Result<(), CollectorError> {
        create_folder(&self.folder)?;
        let mut file = EventFile::open(path.to_owned())?;
        file.rotate_if_needed(line.len(), LIMIT)?;
        file.append(line)?;
        file.sync()
    }
}

/// Size and number of files.
const LIMIT: Rotation = Rotation { size: 16 << 20, files: 4 };
