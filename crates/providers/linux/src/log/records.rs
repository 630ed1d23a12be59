//! Journal records, newest first: from the files, or from journalctl if the files are not supported.

use std::io;
use std::path::Path;

use eventlog::LogError;
use eventlog::journal::{Entry, Journal, Sequences};
use linux::journal::{Record, Records as ProgramRecords};
use serde_json::{Map, Value};

/// Reader of records.
pub(super) enum Records {
    Files {
        journal: Box<Journal>,
        /// Time of the oldest record in microseconds since 1970.
        not_before: u64,
    },
    Program(ProgramRecords),
}

impl Records {
    /// Starts to read; optionally only records from a time on, in microseconds since 1970.
    pub(super) fn open(folder: &Path, not_before: Option<i64>) -> io::Result<Self> {
        match Journal::open(folder, Sequences::default()) {
            Ok(mut journal) => {
                journal.seek_end();
                let not_before = not_before.and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
                Ok(Self::Files { journal: Box::new(journal), not_before })
            }
            Err(LogError::Unsupported(_)) => Ok(Self::Program(ProgramRecords::read(folder, not_before)?)),
            Err(LogError::Read { source, .. } | LogError::Io(source)) => Err(source),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Returns the next record.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Files { journal, not_before } => {
                // Clocks are set back, so the records before may be newer; but then journald has begun a new file.
                let entry = journal.previous_entry().filter(|entry| entry.head.realtime >= *not_before);
                Ok(entry.map(record))
            }
            Self::Program(records) => records.next_record(),
        }
    }
}

/// Returns an entry in the form of journalctl's JSON output.
fn record(entry: Entry) -> Record {
    let mut fields = Map::new();
    fields.insert("__CURSOR".to_owned(), entry.head.cursor().into());
    fields.insert("__REALTIME_TIMESTAMP".to_owned(), entry.head.realtime.to_string().into());
    for (name, value) in entry.fields.all {
        let value = match String::from_utf8(value) {
            Ok(text) => Value::String(text),
            Err(error) => Value::from(error.into_bytes()),
        };
        // As in the JSON output, the first of several values counts.
        fields.entry(name).or_insert(value);
    }
    Record(fields)
}
