//! Journal of changes made by quickconfig and not undone, in a file owned by root or by the user of the
//! service.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde_json::{Value, json};

use crate::firewall::Rule;
use crate::{ChangeRecord, Error, ServiceAfter, SettingChange, Transport};

/// A recorded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The unit was started.
    Started,
    /// The unit was enabled at boot.
    Enabled,
    /// A firewall rule was added.
    Opened(Rule),
    /// The service changed its own settings.
    Own(SettingChange),
}

/// The journal file, read and locked against changes by others.
pub(crate) struct Journal {
    path: PathBuf,
    last: u32,
    records: Vec<(u32, Change)>,
    /// Holds the lock until it is dropped.
    _lock: File,
}

impl Journal {
    /// Opens the journal in a state directory, which must exist.
    ///
    /// # Errors
    /// [`Error::Journal`], also if another user could have written the file.
    pub(crate) fn open(state: &Path) -> Result<Self, Error> {
        let path = state.join("quickconfig.json");
        let no_links = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_links)
            .open(state.join("quickconfig.lock"))
            .map_err(failed("lock", &path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed("lock", &path)(error.into()))?;
        let text = read(&path, no_links).map_err(failed("read", &path))?;
        let empty = Self { path: path.clone(), last: 0, records: Vec::new(), _lock: lock };
        let Some(text) = text else { return Ok(empty) };
        let Some((last, records)) = parse(&text) else {
            let reason = io::Error::new(ErrorKind::InvalidData, "not a journal of quickconfig");
            return Err(failed("read", &path)(reason));
        };
        Ok(Self { last, records, ..empty })
    }

    /// Returns the recorded changes, oldest first.
    pub(crate) fn recorded(&self) -> Vec<ChangeRecord> {
        self.records.iter().map(|(number, change)| change.shown(*number)).collect()
    }

    pub(crate) fn find(&self, number: u32) -> Result<&Change, Error> {
        let found = self.records.iter().find(|(own, _)| *own == number);
        found.map(|(_, change)| change).ok_or(Error::NotRecorded(number))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Error::Journal`] if it cannot be written.
    pub(crate) fn add(&mut self, change: Change) -> Result<(), Error> {
        if self.records.iter().any(|(_, own)| *own == change) {
            return Ok(());
        }
        if self.records.len() >= MAX_RECORDS {
            return Err(self.error("write", "too many records; run winrm quickconfig -undo to empty it"));
        }
        self.last = self.last.wrapping_add(1);
        self.records.push((self.last, change));
        self.write()
    }

    /// Removes the record of a change that was undone.
    ///
    /// # Errors
    /// [`Error::Journal`].
    pub(crate) fn remove(&mut self, number: u32) -> Result<(), Error> {
        self.records.retain(|(own, _)| *own != number);
        self.write()
    }

    fn write(&self) -> Result<(), Error> {
        let records: Vec<Value> =
            self.records.iter().map(|(number, change)| change.to_json(*number)).collect();
        let text = format!("{:#}\n", json!({ "last": self.last, "records": records }));
        replace(&self.path, &text).map_err(failed("write", &self.path))
    }

    fn error(&self, action: &'static str, reason: &str) -> Error {
        Error::Journal { action, path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// Returns a conversion of I/O errors for `map_err`.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Journal { action, path: path.to_owned(), reason: error.to_string() }
}

/// Replaces the text of the file atomically; a new file has mode 0600.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Parses the number of the last record, and all records.
fn parse(text: &str) -> Option<(u32, Vec<(u32, Change)>)> {
    let whole: Value = serde_json::from_str(text).ok()?;
    let records = whole.get("records")?.as_array()?.iter().map(record).collect::<Option<_>>()?;
    Some((number(whole.get("last")?)?, records))
}

/// Reads the file; `None` if it does not exist. It must be owned by root or this user and not be writable by
/// others.
fn read(path: &Path, flags: i32) -> io::Result<Option<String>> {
    const LONGEST: u64 = 1 << 20;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata: fs::Metadata = file.metadata()?;
    let is_trusted = metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_file() || !is_trusted || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "other users may have changed it"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(Some(text))
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

fn record(value: &Value) -> Option<(u32, Change)> {
    Some((number(value.get("number")?)?, Change::from_json(value)?))
}

impl Change {
    fn shown(&self, number: u32) -> ChangeRecord {
        let (what, own) = match self {
            Self::Started => ("The service was started.".to_owned(), None),
            Self::Enabled => ("The service is started at boot.".to_owned(), None),
            Self::Opened(rule) => (format!("Firewall: {rule}."), None),
            Self::Own(change) => (change.to_string(), Some(change.clone())),
        };
        let service = match self {
            Self::Started => ServiceAfter::Stopped,
            _ => ServiceAfter::Running,
        };
        ChangeRecord { number, what, own, service }
    }

    fn to_json(&self, number: u32) -> Value {
        match self {
            Self::Started => json!({ "number": number, "started": true }),
            Self::Enabled => json!({ "number": number, "enabled": true }),
            Self::Opened(rule) => json!({ "number": number, "opened": rule.to_json() }),
            Self::Own(SettingChange::Listener(transport)) => {
                json!({ "number": number, "listener": transport.word() })
            }
            Self::Own(SettingChange::ListenerEnabled(transport)) => {
                json!({ "number": number, "listener_enabled": transport.word() })
            }
            Self::Own(SettingChange::Allowed(sid)) => json!({ "number": number, "allowed": sid }),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        let (kind, what) = value.as_object()?.iter().find(|(name, _)| *name != "number")?;
        match kind.as_str() {
            "started" => Some(Self::Started),
            "enabled" => Some(Self::Enabled),
            "opened" => Rule::from_json(what).map(Self::Opened),
            "listener" => {
                Transport::of_word(what.as_str()?).map(|own| Self::Own(SettingChange::Listener(own)))
            }
            "listener_enabled" => {
                Transport::of_word(what.as_str()?).map(|own| Self::Own(SettingChange::ListenerEnabled(own)))
            }
            "allowed" => Some(Self::Own(SettingChange::Allowed(what.as_str()?.to_owned()))),
            _ => None,
        }
    }
}

/// Maximum number of records; quickconfig needs far fewer.
const MAX_RECORDS: usize = 256;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn records_are_found_under_the_same_number_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        let rule = json!({ "nftables": {
            "family": "inet", "table": "filter", "chain": "input", "handle": 7, "transport": "http", "port": 5985,
            "source": "10.0.0.0/8",
        } });
        let firewalld = json!({ "firewalld": {
            "zone": "internal", "what": { "transport": "https" }, "now": true, "later": false,
        } });
        let changes = [
            Change::Enabled,
            Change::Opened(Rule::from_json(&rule).unwrap()),
            Change::Opened(Rule::from_json(&firewalld).unwrap()),
            Change::Own(SettingChange::Listener(Transport::Http)),
            Change::Own(SettingChange::ListenerEnabled(Transport::Https)),
            Change::Own(SettingChange::Allowed("S-1-5-32-544".to_owned())),
            Change::Started,
        ];
        for change in changes.iter().chain(&changes) {
            journal.add(change.clone()).unwrap();
        }
        journal.remove(1).unwrap();
        drop(journal);

        let journal = Journal::open(folder.path()).unwrap();
        let numbers: Vec<u32> = journal.recorded().iter().map(|record| record.number).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 6, 7]);
        assert!(journal.find(1).is_err());
        for (number, change) in (1..).zip(&changes).skip(1) {
            assert_eq!(journal.find(number).unwrap(), change);
        }
        let mode = fs::metadata(folder.path().join("quickconfig.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_journal_that_others_could_have_written_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quickconfig.json");
        fs::write(&file, "{\"last\":0,\"records\":[]}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).unwrap();
        assert!(Journal::open(folder.path()).is_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Journal::open(folder.path()).is_ok());
        for wrong in [
            "",
            "{}",
            "{\"last\":1,\"records\":[{\"number\":1,\"ran\":\"rm\"}]}",
            "{\"last\":-1,\"records\":[]}",
        ] {
            fs::write(&file, wrong).unwrap();
            assert!(Journal::open(folder.path()).is_err(), "{wrong}");
        }
    }
}
