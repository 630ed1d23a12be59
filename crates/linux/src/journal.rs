//! Journal access through journalctl, because the file format is private to systemd
//! (systemd.journal-fields(7)).

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

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
    /// Reader of standard error; `None` once the program has ended.
    errors: Option<JoinHandle<String>>,
}

/// Maximum number of bytes kept of standard error.
const MAX_ERRORS: u64 = 4 << 10;

/// Maximum number of characters of standard error in an error.
const MAX_REASON: usize = 200;

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
        Self::of(&mut command)
    }

    /// Starts a program that writes records.
    fn of(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = command.spawn()?;
        let (lines, errors) = (program.stdout.take(), program.stderr.take());
        let lines = BufReader::new(lines.ok_or(io::ErrorKind::BrokenPipe)?);
        // Read in a thread, so that the program never waits for a full pipe.
        let errors = errors.map(|errors| thread::spawn(move || first_line(errors)));
        Ok(Self { program, lines, errors })
    }

    /// Returns the next record.
    ///
    /// # Errors
    /// Errors of the operating system, and the failure of journalctl with its reason, after the records that it wrote.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.lines).take(MAX_RECORD).read_until(b'\n', &mut line)?;
            if read == 0 {
                return self.ended().map(|()| None);
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

    /// Waits until the program has ended, and returns its failure.
    fn ended(&mut self) -> io::Result<()> {
        let status = self.program.wait()?;
        let reason = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let reason = if reason.is_empty() { status.to_string() } else { reason };
        Err(io::Error::other(format!("journalctl failed: {reason}")))
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

/// Reads an error output to its end and returns its first line, without control characters.
fn first_line(mut errors: impl Read) -> String {
    let mut stored = Vec::new();
    // An error leaves the output incomplete; the exit status still tells whether the program failed.
    let _ = (&mut errors).take(MAX_ERRORS).read_to_end(&mut stored);
    let _ = io::copy(&mut errors, &mut io::sink());
    let text = String::from_utf8_lossy(&stored);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|character| !character.is_control()).take(MAX_REASON).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of_shell(script: &str) -> Records {
        Records::of(command_of_system("sh").args(["-c", script])).expect("there is a shell")
    }

    #[test]
    fn a_failure_is_an_error_with_the_first_line_of_standard_error() {
        let mut records =
            of_shell("echo '{\"MESSAGE\":\"a\"}'; echo 'No access.' >&2; echo more >&2; exit 1");
        let first = records.next_record().expect("a record").expect("not the end");
        assert_eq!(first.text("MESSAGE").as_deref(), Some("a"));
        let error = records.next_record().expect_err("it failed").to_string();
        assert_eq!(error, "journalctl failed: No access.");
        let again = records.next_record().expect_err("it failed").to_string();
        assert_eq!(again, "journalctl failed: exit status: 1");
    }

    #[test]
    fn excessive_error_output_is_bounded_and_does_not_block_the_program() {
        let mut records = of_shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3");
        let error = records.next_record().expect_err("it failed").to_string();
        assert_eq!(error, format!("journalctl failed: {}", "x".repeat(MAX_REASON)));
    }

    #[test]
    fn warnings_of_a_program_that_succeeds_are_no_error() {
        assert!(of_shell("echo careful >&2").next_record().expect("it succeeded").is_none());
    }

    #[test]
    fn a_directory_that_cannot_be_opened_is_not_an_empty_journal() {
        let folder = std::path::Path::new("/nonexistent/journal");
        match Records::read(folder, None) {
            Ok(mut records) => {
                let error = records.next_record().expect_err("it failed").to_string();
                assert!(error.starts_with("journalctl failed: ") && error.contains("journal"), "{error}");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => skips::skip!("there is no journalctl"),
            Err(error) => panic!("{error}"),
        }
    }
}
