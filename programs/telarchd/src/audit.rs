//! Audit records, one JSON object per line.
//!
//! The process that owns the file appends to it ([`AuditFile`]). Every other process writes its records to a pipe on
//! standard output ([`AuditPipe`]), which the owner reads ([`AuditFile::pipe_for`]). A process that reads the network
//! can therefore not change records that were written.

mod appender;
mod file;
mod pipe;
mod time;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use limits::FoldedWarnings;
use locks::Mutex;
use serde_json::{Map, Value};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use crate::log::{INTERVAL, MAX_KEYS, MAX_LINE, Subject, cut, later, limit_of};

pub(crate) use self::file::{AuditFile, AuditLimits, ByteSize};
pub(crate) use self::pipe::AuditPipe;

/// Layer that converts audit events into records and writes them.
#[derive(Clone)]
pub(crate) struct AuditRecords(Arc<Inner>);

struct Inner {
    sink: Sink,
    folded: Mutex<Folded>,
}

/// Destination of records.
enum Sink {
    File(AuditFile),
    Pipe(AuditPipe),
}

struct Folded {
    warnings: FoldedWarnings<Key>,
    /// Whether a thread is waiting to write counts.
    is_waiting: bool,
}

/// Properties shared by records that are folded into one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    event: String,
    outcome: String,
    subject: Subject,
}

impl From<AuditFile> for AuditRecords {
    fn from(file: AuditFile) -> Self {
        Self::new(Sink::File(file))
    }
}

impl From<AuditPipe> for AuditRecords {
    fn from(pipe: AuditPipe) -> Self {
        Self::new(Sink::Pipe(pipe))
    }
}

impl AuditRecords {
    fn new(sink: Sink) -> Self {
        let folded = Folded { warnings: FoldedWarnings::new(INTERVAL, MAX_KEYS), is_waiting: false };
        Self(Arc::new(Inner { sink, folded: Mutex::new(folded) }))
    }

    /// Writes the counts of folded records, also of unfinished intervals. Called at the end of the process.
    pub(crate) fn finish(&self) {
        self.write_counts(Instant::now() + INTERVAL);
    }

    /// Returns whether a record is to be written; otherwise it is counted.
    fn admits(&self, fields: &Fields) -> bool {
        let key = Key {
            event: fields.text("event"),
            outcome: fields.text("outcome"),
            subject: fields.subject.clone(),
        };
        let burst = if key.outcome == "denied" { DENIALS } else { OTHERS };
        let mut folded = self.0.folded.lock();
        let report = folded.warnings.note_up_to(burst, key.clone(), Instant::now());
        if report.is_none() && !folded.is_waiting {
            let records = self.clone();
            folded.is_waiting = later(move || records.write_counts(Instant::now()));
        }
        drop(folded);
        if let Some(report) = report.filter(|report| report.repeated > 0) {
            self.append_count(key, report.repeated);
        }
        report.is_some()
    }

    /// Writes the counts that are due; returns whether more are pending.
    fn write_counts(&self, now: Instant) -> bool {
        let mut folded = self.0.folded.lock();
        let due = folded.warnings.take_due(now);
        let others = folded.warnings.take_others(now);
        folded.is_waiting = !folded.warnings.is_empty();
        let is_waiting = folded.is_waiting;
        drop(folded);
        for (key, repeated) in due {
            self.append_count(key, repeated);
        }
        if others > 0 {
            let key = Key { event: "others".to_owned(), outcome: String::new(), subject: Subject::default() };
            self.append_count(key, others);
        }
        is_waiting
    }

    /// Writes one record for many folded ones.
    fn append_count(&self, key: Key, repeated: u64) {
        let Key { event, outcome, subject: Subject { field } } = key;
        let mut record = begun();
        let mut put = |name: &str, value: Value| {
            record.insert(name.to_owned(), value);
        };
        put("event", Value::from(event));
        if !outcome.is_empty() {
            put("outcome", Value::from(outcome));
        }
        if let Some((name, value)) = field {
            put(name, Value::from(value));
        }
        put("repeated", Value::from(repeated));
        put("seconds", Value::from(INTERVAL.as_secs()));
        self.append(record);
    }

    fn append(&self, record: Map<String, Value>) {
        let line = line(record);
        match &self.0.sink {
            Sink::File(file) => file.append(&line),
            Sink::Pipe(pipe) => pipe.append(&line),
        }
    }
}

impl<S: Subscriber> Layer<S> for AuditRecords {
    /// Receives only events with the audit target, because the layer is filtered.
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields { record: begun(), subject: Subject::default() };
        event.record(&mut fields);
        // The message repeats `event` and `outcome` for human readers.
        fields.record.remove("message");
        if self.admits(&fields) {
            self.append(fields.record);
        }
    }
}

/// Returns a record that contains only the time.
fn begun() -> Map<String, Value> {
    Map::from_iter([("time".to_owned(), Value::from(time::now()))])
}

/// Returns the record that reports a number of lost records.
fn dropped(records: u64, reason: &str) -> String {
    let mut record = begun();
    record.insert("event".to_owned(), Value::from("audit"));
    record.insert("outcome".to_owned(), Value::from("dropped"));
    record.insert("records".to_owned(), Value::from(records));
    record.insert("reason".to_owned(), Value::from(reason));
    line(record)
}

/// Returns a record as a line of at most [`MAX_LINE`] bytes; texts are cut further if it is too long.
fn line(mut record: Map<String, Value>) -> String {
    for limit in [128, 32, 8] {
        let line = shown(&record);
        if line.len() <= MAX_LINE {
            return line;
        }
        for value in record.values_mut() {
            if let Value::String(text) = value {
                *text = cut(&format_args!("{text}"), limit);
            }
        }
    }
    shown(&record)
}

fn shown(record: &Map<String, Value>) -> String {
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.push('\n');
    line
}

/// Fields of an event, converted to a record.
struct Fields {
    record: Map<String, Value>,
    subject: Subject,
}

impl Fields {
    fn text(&self, name: &str) -> String {
        self.record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}
impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        self.subject.consider(name, value);
        self.record.insert(name.to_owned(), Value::from(cut(value, limit_of(name))));
    }
}

/// Number of denials about one subject that are written separately in each interval.
const DENIALS: u32 = 6;
/// Number of other records about one subject that are written separately in each interval.
const OTHERS: u32 = 500;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use service::AUDIT;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn recording(records: &AuditRecords) -> impl Subscriber + use<> {
        let only = Targets::new().with_target(AUDIT, LevelFilter::TRACE);
        tracing_subscriber::registry().with(records.clone().with_filter(only))
    }

    fn parsed(path: &std::path::Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_record_is_one_line_of_json_and_other_events_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path, AuditLimits::default()).unwrap();
        let records = AuditRecords::from(file.clone());
        tracing::subscriber::with_default(recording(&records), || {
            tracing::warn!(target: AUDIT, event = "sign-in", account = "a\"b\nc", "Sign-in failed");
            tracing::warn!(account = "other", "not for the record");
            fs::rename(&path, folder.path().join("old")).unwrap();
            file.reopen();
            tracing::debug!(target: AUDIT, event = "access", "later");
        });
        let old = parsed(&folder.path().join("old"));
        assert_eq!(
            (old.len(), &old[0]["account"], &old[0]["event"]),
            (1, &"a\"b\nc".into(), &"sign-in".into())
        );
        let new = fs::read_to_string(&path).unwrap();
        assert!(new.contains("\"access\"") && !new.contains("later"), "{new}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn repeated_denials_are_folded_and_names_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let records = AuditRecords::from(AuditFile::open(&path, AuditLimits::default()).unwrap());
        tracing::subscriber::with_default(recording(&records), || {
            for number in 0..4_000 {
                let account = format!("{number}{}", "x".repeat(1_500));
                tracing::warn!(
                    target: AUDIT, event = "sign-in", outcome = "denied", account, address = "192.0.2.1", "Refused"
                );
            }
        });
        records.finish();
        let all = parsed(&path);
        let single = usize::try_from(DENIALS).unwrap();
        assert_eq!(all.len(), single + 1);
        assert!(all[0]["account"].as_str().unwrap().ends_with("x…[cut]"));
        let last = all.last().unwrap();
        let shown = (&last["event"], &last["outcome"], &last["address"], &last["repeated"]);
        assert_eq!(
            shown,
            (&"sign-in".into(), &"denied".into(), &"192.0.2.1".into(), &(4_000 - single).into())
        );
        assert!(fs::metadata(&path).unwrap().len() < 8_192);
    }

    #[test]
    fn the_longest_record_fits_into_an_atomic_pipe_write() {
        let names = ["account", "address", "action", "resource", "decider", "ace", "reason"];
        let record = names.map(|name| (name.to_owned(), Value::from("\u{1}".repeat(1_024))));
        let line = line(record.into_iter().collect());
        assert!(line.len() <= MAX_LINE, "{}", line.len());
        assert!(serde_json::from_str::<Value>(&line).is_ok());
    }
}
