//! Journal access through journalctl, because the file format is private to systemd
//! (systemd.journal-fields(7)).

pub(crate) mod oracle;

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Map, Value};

use crate::Machine;
use crate::program::command_of_system;

/// Maximum length of a record in bytes; longer ones are skipped.
pub const MAX_RECORD: u64 = 1 << 20;

/// Returns the journal directory of a machine; `None` if there is no journal.
pub fn folder(machine: &Machine) -> Option<PathBuf> {
    let folders = ["var/log/journal", "run/log/journal"].map(|folder| machine.path(folder));
    let has_files =
        |folder: &PathBuf| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    folders.into_iter().find(has_files)
}

/// Records of a journal, newest first. Dropping it ends journalctl.
pub struct Records {
    program: Child,
    lines: BufReader<ChildStdout>,
}

impl Records {
    /// Starts to read; optionally only records from a time on, in microseconds since 1970.
    ///
    /// # Errors
    /// Errors of starting journalctl.
    pub fn read(folder: &std::path::Path, not_before: Option<i64>) -> io::Result<Self> {
        let mut command = command_of_system("journalctl");
        command.args(["--quiet", "--no-pager", "--reverse", "--output=json", "--directory"]).arg(folder);
        if let Some(moment) = not_before {
            command.arg(format!("--since=@{}", moment.div_euclid(1_000_000).max(0)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = command.spawn()?;
        let lines = program.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { program, lines: BufReader::new(lines) })
    }

    /// Returns the next record.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.lines).take(MAX_RECORD).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            if !line.ends_with(b"\n") {
                self.skip_line()?;
                continue;
            }
            if let Some(record) = Record::parse(&line) {
                return Ok(Some(record));
            }
        }
    }

    /// Skips the rest of a line.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let there = self.lines.fill_buf()?;
            let (length, is_end) = match there.iter().position(|octet| *octet == b'\n') {
                Some(place) => (place + 1, true),
                None => (there.len(), there.is_empty()),
            };
            self.lines.consume(length);
            if is_end {
                return Ok(());
            }
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // The process may already have ended.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A record and its fields.
#[derive(Debug)]
pub struct Record(pub Map<String, Value>);

impl Record {
    /// Parses a line of journalctl's JSON output; `None` if it is not valid.
    pub fn parse(line: &[u8]) -> Option<Self> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Returns a field as text; binary fields are arrays of numbers, repeated fields are lists.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(values) if values.iter().all(Value::is_number) => {
                let octets: Vec<u8> =
                    values.iter().filter_map(|value| u8::try_from(value.as_u64()?).ok()).collect();
                Some(String::from_utf8_lossy(&octets).into_owned())
            }
            Value::Array(values) => values.first()?.as_str().map(str::to_owned),
            _ => None,
        }
    }

    /// Returns a field as number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.text(name)?.parse().ok()
    }

    /// Returns the sequence number from the cursor: `s=…;i=1f;b=…`.
    pub fn sequence(&self) -> Option<u64> {
        let cursor = self.text("__CURSOR")?;
        let number = cursor.split(';').find_map(|part| part.strip_prefix("i="))?;
        u64::from_str_radix(number, 16).ok()
    }

    /// Returns the last four digits of the message id, which programs may set; otherwise zero.
    pub fn message_code(&self) -> u16 {
        let kind = self.text("MESSAGE_ID").unwrap_or_default();
        let digits = kind.len().checked_sub(4).and_then(|begin| kind.get(begin..));
        digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }
}
