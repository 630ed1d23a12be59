//! The journal through `journalctl`, for files that the reader of this crate does not support.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::number::{RecordNumber, Sequences};
use super::{BootId, Entry, EntryHead, Fields, SequenceId};
use crate::LogError;
use crate::export::read_entry;

/// Reader of a journal through `journalctl -o export`.
///
/// Record numbers are those of [`super::Journal`].
pub struct ExportedJournal {
    path: PathBuf,
    sequences: Sequences,
    program: Option<Program>,
    after: RecordNumber,
    /// Cursor of the last entry that was read.
    cursor: Option<String>,
}

struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ExportedJournal {
    /// Opens the journal at the beginning. `path` is a directory or a file.
    ///
    /// # Errors
    /// [`LogError::Read`] if `journalctl` cannot be started.
    pub fn open(path: &Path, sequences: Sequences) -> Result<Self, LogError> {
        let mut journal = Self {
            path: path.to_owned(),
            sequences,
            program: None,
            after: RecordNumber::default(),
            cursor: None,
        };
        journal.refresh()?;
        Ok(journal)
    }

    /// Returns the sequences of the entries that were read.
    #[must_use]
    pub fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// Continues behind the entry with this number. An entry that does not exist is the one before it.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn seek(&mut self, after: RecordNumber) -> Result<(), LogError> {
        self.after = after;
        let sequence = self.sequences.at(after.position());
        self.cursor =
            sequence.filter(|_| after.number() > 0).map(|id| format!("s={id};i={:x}", after.number()));
        self.program = None;
        self.refresh()
    }

    /// Continues behind the last entry, and returns its number.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn seek_end(&mut self) -> Result<RecordNumber, LogError> {
        (self.cursor, self.after) = (None, RecordNumber::default());
        self.program = Some(self.start(&["--lines=1"])?);
        while self.next_entry()?.is_some() {}
        Ok(self.after)
    }

    /// Reads entries that were added, once the previous ones are read.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn refresh(&mut self) -> Result<(), LogError> {
        if self.program.is_none() {
            let cursor = self.cursor.as_ref().map(|cursor| format!("--cursor={cursor}"));
            self.program = Some(self.start(&cursor.iter().map(String::as_str).collect::<Vec<_>>())?);
        }
        Ok(())
    }

    fn start(&self, options: &[&str]) -> Result<Program, LogError> {
        let mut command = Command::new("journalctl");
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["--quiet", "--no-pager", "--output=export"]).args(options);
        let option = if self.path.is_file() { "--file" } else { "--directory" };
        command.arg(option).arg(&self.path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|source| LogError::reading(&self.path, source))?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| LogError::reading(&self.path, io::ErrorKind::BrokenPipe.into()))?;
        Ok(Program { child, output: BufReader::new(output) })
    }

    /// Returns the next entry; `None` if all are read.
    ///
    /// # Errors
    /// [`LogError::Read`] if the output of `journalctl` does not follow the format.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LogError> {
        loop {
            let Some(program) = &mut self.program else { return Ok(None) };
            let read = read_entry(&mut program.output);
            let Some(exported) = read.map_err(|source| LogError::reading(&self.path, source))? else {
                self.program = None;
                return Ok(None);
            };
            let cursor = exported.iter().find(|(name, _)| name == "__CURSOR");
            let cursor =
                cursor.and_then(|(_, value)| String::from_utf8(value.clone()).ok()).unwrap_or_default();
            let Some(head) = parse_cursor(&cursor) else { continue };
            let record = RecordNumber::new(self.sequences.add(head.sequence), head.number);
            // The entry of the cursor itself is returned again.
            if record <= self.after {
                continue;
            }
            (self.after, self.cursor) = (record, Some(cursor));
            let all = exported.into_iter().filter(|(name, _)| !name.starts_with("__")).collect();
            return Ok(Some(Entry { record, head, fields: Fields { all, is_cut: false } }));
        }
    }
}

/// Parses a cursor as `journalctl` writes it: `s=…;i=…;b=…;m=…;t=…;x=…`.
fn parse_cursor(text: &str) -> Option<EntryHead> {
    Some(EntryHead {
        sequence: SequenceId::parse(part(text, "s=")?)?,
        number: number(text, "i=")?,
        realtime: number(text, "t=")?,
        monotonic: number(text, "m=")?,
        boot: BootId(SequenceId::parse(part(text, "b=")?)?.0),
        hash: number(text, "x=")?,
        offset: 0,
        size: 0,
    })
}

fn part<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(';').find_map(|part| part.strip_prefix(name))
}

fn number(text: &str, name: &str) -> Option<u64> {
    u64::from_str_radix(part(text, name)?, 16).ok()
}
