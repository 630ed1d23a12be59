//! Durable positions of the subscriptions.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::journal::Sequences;
use eventlog::local::Positions;
use eventlog::text::Generations;
use files::Attributes;
use locks::Mutex;
use serde_json::{Map, Value, json};

use crate::ForwarderError;

/// File with the positions of all subscriptions, replaced atomically at each change.
pub(crate) struct StateFile {
    path: PathBuf,
    state: Mutex<State>,
    /// Numbers of text files, which the readers of all subscriptions share.
    generations: Arc<Generations>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// Sequences of the journal.
    sequences: String,
    /// Numbers of text files.
    generations: String,
    /// Positions by the key of the subscription.
    positions: BTreeMap<String, Positions>,
}

/// Maximum size of the file in bytes.
const MAX_FILE: u64 = 16 << 20;
/// Maximum number of subscriptions; the first in the order of keys are dropped.
const MAX_SUBSCRIPTIONS: usize = 4_096;

impl StateFile {
    /// Reads the file; a missing one is empty.
    pub(crate) fn open(path: &Path) -> Result<Self, ForwarderError> {
        let state = match read(path) {
            Ok(Some(bytes)) => {
                State::parse(&bytes).ok_or_else(|| ForwarderError::DamagedState { path: path.to_owned() })?
            }
            Ok(None) => State::default(),
            Err(source) => {
                return Err(ForwarderError::State { action: "read", path: path.to_owned(), source });
            }
        };
        let generations = Arc::new(Generations::parse(&state.generations));
        Ok(Self { path: path.to_owned(), state: Mutex::new(state), generations })
    }

    /// Returns the stored sequences of the journal.
    pub(crate) fn sequences(&self) -> Sequences {
        Sequences::parse(&self.state.lock().sequences)
    }

    /// Returns the stored position of a subscription.
    pub(crate) fn positions(&self, key: &str) -> Option<Positions> {
        self.state.lock().positions.get(key).cloned()
    }

    /// Returns the numbers of text files.
    pub(crate) fn generations(&self) -> &Arc<Generations> {
        &self.generations
    }

    /// Stores the numbers of text files durably, if they have changed. Blocks until the disk has them.
    pub(crate) fn store_generations(&self) -> Result<(), ForwarderError> {
        self.replace(|_| {})
    }

    /// Stores the position of a subscription durably. Blocks until the disk has it.
    pub(crate) fn commit(
        &self,
        key: &str,
        positions: Positions,
        sequences: &Sequences,
    ) -> Result<(), ForwarderError> {
        let sequences = sequences.to_text();
        self.replace(|changed| {
            // Another subscription may have found more sequences.
            if sequences.len() > changed.sequences.len() {
                changed.sequences = sequences;
            }
            changed.positions.insert(key.to_owned(), positions);
            while changed.positions.len() > MAX_SUBSCRIPTIONS {
                changed.positions.pop_first();
            }
        })
    }

    /// Changes the state, and writes the file if that makes a difference.
    fn replace(&self, change: impl FnOnce(&mut State)) -> Result<(), ForwarderError> {
        let mut state = self.state.lock();
        let mut changed = state.clone();
        change(&mut changed);
        changed.generations = self.generations.to_text();
        if changed == *state {
            return Ok(());
        }
        files::replace(&self.path, &changed.to_bytes(), Attributes::PRIVATE)
            .map_err(|source| ForwarderError::State { action: "write", path: self.path.clone(), source })?;
        *state = changed;
        Ok(())
    }
}

/// Reads a file up to [`MAX_FILE`]; `None` if it is missing.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

impl State {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let mut positions = BTreeMap::new();
        for (key, value) in value.get("Subscriptions")?.as_object()? {
            let (journal, audit) = (value.get("Journal")?.as_u64()?, value.get("Audit")?.as_u64()?);
            let mut at = Positions { journal, audit, ..Positions::default() };
            // Earlier versions read no files.
            for (channel, position) in value.get("Files").and_then(Value::as_object).into_iter().flatten() {
                at.files.insert(channel.as_str().into(), position.as_u64()?);
            }
            positions.insert(key.clone(), at);
        }
        let generations = value.get("Generations").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self { sequences: value.get("Sequences")?.as_str()?.to_owned(), generations, positions })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let subscriptions: Map<String, Value> = self
            .positions
            .iter()
            .map(|(key, at)| {
                let files: Map<String, Value> =
                    at.files.iter().map(|(channel, at)| (channel.to_string(), json!(at))).collect();
                (key.clone(), json!({"Journal": at.journal, "Audit": at.audit, "Files": files}))
            })
            .collect();
        let (sequences, generations) = (&self.sequences, &self.generations);
        json!({"Sequences": sequences, "Generations": generations, "Subscriptions": subscriptions})
            .to_string()
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_again_and_damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forwarder.json");
        let file = StateFile::open(&path).unwrap();
        assert_eq!(file.positions("a"), None);
        let sequences = Sequences::parse(&"ab".repeat(16));
        let files = [("Linux-File/var/log/app.log".into(), 9)].into();
        let at = Positions { journal: 5, audit: 7, files };
        file.commit("a", at.clone(), &sequences).unwrap();
        file.commit("b", Positions::default(), &Sequences::default()).unwrap();
        let again = StateFile::open(&path).unwrap();
        assert_eq!(again.positions("a"), Some(at));
        assert_eq!(again.positions("b"), Some(Positions::default()));
        assert_eq!(again.sequences(), sequences);
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(StateFile::open(&path), Err(ForwarderError::DamagedState { .. })));
    }
}
