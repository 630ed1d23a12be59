//! The file of audit records: one line of JSON for each.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde_json::{Map, Value};
use service::AUDIT;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

/// A file that records are appended to; nobody else can read it.
#[derive(Clone)]
pub(crate) struct AuditFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    file: Mutex<File>,
}

impl AuditFile {
    /// Opens it, and makes it where it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = Mutex::new(append(path)?);
        Ok(Self(Arc::new(Inner { path: path.to_owned(), file })))
    }

    /// Opens the path again, because what is there may have been moved away to be kept.
    pub(crate) fn reopen(&self) {
        match append(&self.0.path) {
            Ok(file) => *self.0.file.lock().unwrap_or_else(PoisonError::into_inner) = file,
            Err(error) => {
                let path = self.0.path.display();
                tracing::error!(%path, %error, "Audit records go on into the old file");
            }
        }
    }

    /// Goes on into a file that another process has opened.
    pub(crate) fn replace(&self, file: File) {
        *self.0.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    /// Appends a line. One write is one record, also when several processes share the file.
    fn append(&self, record: &Value) {
        let line = format!("{record}\n");
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            drop(file);
            // Not an event: it could come back here.
            let _ = writeln!(
                io::stderr(),
                "telarchd: an audit record is lost: {}: {error}",
                self.0.path.display()
            );
        }
    }
}

/// Opens the file at the end of which records go: one that nobody else could have written, or put there.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    // A FIFO or a device under this name must be refused instead of waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path);
    let file = file.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("it is a symbolic link, which audit records do not follow"),
        Some(Errno::NXIO | Errno::ISDIR) => io::Error::other("it is not a file"),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to user {owner}; move it away")));
    }
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!("it has mode {mode:04o}: others can change it; chmod go-w it")));
    }
    Ok(file)
}

impl<S: Subscriber> Layer<S> for AuditFile {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != AUDIT {
            return;
        }
        let mut fields = Fields(Map::new());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        fields.0.insert("time".to_owned(), Value::from(rfc_3339(now.as_secs(), now.subsec_millis())));
        event.record(&mut fields);
        // The text is for people, and says what `event` and `outcome` say.
        fields.0.remove("message");
        self.append(&Value::Object(fields.0));
    }
}

/// The fields of an event as members of an object.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::from(format!("{value:?}")));
    }
}

/// A moment as RFC 3339 writes it, in UTC.
fn rfc_3339(seconds: u64, milliseconds: u32) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // The calendar counted from the first of March of the year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_795_219_200, "2026-11-21T00:00:00.000Z"),
        ] {
            assert_eq!(rfc_3339(seconds, 0), shown);
        }
    }

    #[test]
    fn a_record_is_one_line_of_json_whatever_a_name_holds_and_other_events_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(file.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: AUDIT, event = "sign-in", account = "a\"b\nc", "Sign-in failed");
            tracing::warn!(account = "other", "not for the record");
            fs::rename(&path, folder.path().join("old")).unwrap();
            file.reopen();
            tracing::debug!(target: AUDIT, event = "access", "later");
        });
        let old = fs::read_to_string(folder.path().join("old")).unwrap();
        assert_eq!(old.lines().count(), 1, "{old}");
        let record: Value = serde_json::from_str(&old).unwrap();
        assert_eq!(record["account"], "a\"b\nc");
        assert_eq!(record["event"], "sign-in");
        let new = fs::read_to_string(&path).unwrap();
        assert!(new.contains("\"access\"") && !new.contains("later"), "{new}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
