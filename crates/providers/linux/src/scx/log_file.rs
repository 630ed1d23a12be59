//! `SCX_LogFile`: the lines that were added to a file and match something, each told once.
//!
//! How far somebody has read a file is kept in the state folder of the user this runs as, for each `qid`. It is kept
//! before the lines are on their way, as SCXcore keeps it (`logfileutils.cpp`, `ReadLogFile`, which ends with
//! `PersistState`): lines whose answer is lost are not told again.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cim::{Instance, Status, Value};
use regex::{Regex, RegexBuilder};
use sha2::{Digest as _, Sha256};
use wmi::{MethodCall, ProviderError, Scan};

use crate::Machine;
use crate::program;
use crate::table::{Fill, Push, Table, failure, returned};

/// Files are read by methods; there are no rows.
pub(super) struct LogFile;

/// How many lines one answer has at most.
const MAX_ROWS: usize = 500;

/// How many octets of a file one call looks at.
const MAX_READ: u64 = 64 << 20;

/// The longest line that is looked at whole; what follows in it is passed over.
const MAX_LINE: usize = 64 << 10;

/// How many expressions may be given, and how large each may become.
const MAX_EXPRESSIONS: usize = 1000;
const MAX_EXPRESSION: usize = 1 << 20;

/// How long `sudo` may take.
const LIMIT: Duration = Duration::from_secs(30);

impl Table for LogFile {
    type Row = ();

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_LogFile";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[];

    const UNKNOWN: &'static [&'static str] = &[
        "Caption",
        "CompressionMethod",
        "CreationDate",
        "Description",
        "ElementName",
        "EncryptionMethod",
        "Executable",
        "FileSize",
        "FSCreationClassName",
        "FSName",
        "InUseCount",
        "LastAccessed",
        "LastModified",
        "Name",
        "Readable",
        "Status",
        "Writeable",
    ];

    fn rows(&self, _: &Arc<Machine>, _: &Scan, _: &mut Push<'_, ()>) -> Result<(), ProviderError> {
        Ok(())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let text = |name: &str| call.input.value(name).and_then(Value::as_str).unwrap_or_default();
        let name = Path::new(text("filename"));
        if !name.is_absolute() {
            return Err(wrong("filename must be a whole path, such as /var/log/syslog"));
        }
        if text("qid").is_empty() {
            return Err(wrong("qid is empty\n  give each reader of a file a name of its own"));
        }
        let log = Log { path: machine.path(name), access: access(text("elevationType"))? };
        let mark = Mark::of(machine, name, text("qid"))?;
        match call.operation.method.name.as_str() {
            "GetMatchedRows" => {
                if call.input.value("initialize") == Some(&Value::Boolean(true)) {
                    mark.remove().map_err(failure)?;
                }
                let rows = matched(&log, &mark, call.input.value("regexps"))?;
                let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                Ok(returned(call, count)?.with("rows", rows)?)
            }
            "ResetStateFile" => {
                let waits = call.input.value("resetOnRead") == Some(&Value::Boolean(true));
                // Whoever reads without a mark begins at the end.
                if waits { mark.remove() } else { log.end().and_then(|end| mark.set(&end)) }
                    .map_err(failure)?;
                returned(call, 0_u32)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }
}

/// The new lines that match, each with the numbers of the expressions that it matches before a semicolon.
fn matched(log: &Log, mark: &Mark, expressions: Option<&Value>) -> Result<Vec<String>, ProviderError> {
    let expressions = expressions.map(Value::elements).unwrap_or_default();
    if expressions.len() > MAX_EXPRESSIONS {
        return Err(wrong("there are more than 1000 expressions"));
    }
    let (mut wanted, mut invalid) = (Vec::new(), Vec::new());
    for (index, expression) in expressions.iter().enumerate() {
        match expression.as_str().and_then(compiled) {
            Some(expression) => wanted.push((index, expression)),
            None => invalid.push(index.to_string()),
        }
    }
    let mut rows = Vec::new();
    if !invalid.is_empty() {
        rows.push(format!("InvalidRegexp;{}", invalid.join(" ")));
    }
    let end = match log.end() {
        // One that is not there yet has no lines.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rows),
        end => end.map_err(failure)?,
    };
    let begin = match mark.get() {
        // Who reads a file for the first time hears of what comes.
        None => {
            mark.set(&end).map_err(failure)?;
            return Ok(rows);
        }
        // Another file of this name, or one that was emptied, is all new.
        Some(before) if before.identity != end.identity || before.offset > end.offset => 0,
        Some(before) => before.offset,
    };
    let mut reader = log.read(begin, end.offset.min(begin.saturating_add(MAX_READ))).map_err(failure)?;
    let (mut offset, mut found, mut line) = (begin, 0, Vec::new());
    while found < MAX_ROWS {
        line.clear();
        let length = next_line(&mut reader, &mut line).map_err(failure)?;
        // A line that somebody is still writing is read when it is whole.
        if length == 0 || line.last() != Some(&b'\n') && line.len() < MAX_LINE {
            break;
        }
        offset += length;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let numbers: Vec<String> = wanted
            .iter()
            .filter(|(_, regex)| regex.is_match(text))
            .map(|(index, _)| index.to_string())
            .collect();
        if !numbers.is_empty() {
            rows.push(format!("{};{text}", numbers.join(" ")));
            found += 1;
        }
    }
    if found == MAX_ROWS || end.offset.saturating_sub(begin) > MAX_READ {
        rows.push("MoreRowsAvailable;true".to_owned());
    }
    mark.set(&Position { identity: end.identity, offset }).map_err(failure)?;
    Ok(rows)
}

/// An expression of POSIX; `None` if it is none, or too large.
fn compiled(expression: &str) -> Option<Regex> {
    RegexBuilder::new(expression).size_limit(MAX_EXPRESSION).build().ok()
}

/// Reads a line, keeping no more of it than is looked at; says how long it is.
fn next_line(reader: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let there = reader.fill_buf()?;
        let end = there.iter().position(|octet| *octet == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(there.len());
        if taken == 0 {
            return Ok(length);
        }
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend(there.iter().take(taken.min(room)));
        reader.consume(taken);
        length += u64::try_from(taken).unwrap_or_default();
        if end.is_some() {
            return Ok(length);
        }
    }
}

/// A file, and as whom it is read.
struct Log {
    path: PathBuf,
    access: Access,
}

/// As whom something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Caller,
    /// As root, by `sudo` without a password.
    Elevated,
}

fn access(kind: &str) -> Result<Access, ProviderError> {
    match kind {
        "" => Ok(Access::Caller),
        kind if kind.eq_ignore_ascii_case("sudo") => Ok(Access::Elevated),
        other => Err(wrong(&format!("elevationType is '{other}'\n  it may be 'sudo', or left out"))),
    }
}

/// Where in a file somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    /// What tells the file from another one of its name.
    identity: String,
    offset: u64,
}

impl Log {
    /// The end of the file.
    fn end(&self) -> io::Result<Position> {
        match self.access {
            Access::Caller => {
                // Who may not read it is told so at once, and not when it has grown.
                let (_, facts) = self.opened()?;
                Ok(Position { identity: format!("{}:{}", facts.dev(), facts.ino()), offset: facts.len() })
            }
            Access::Elevated => {
                let told = self.elevated(&["stat", "--dereference", "--format=%d:%i %s %F", "--"])?;
                let told = String::from_utf8_lossy(&told);
                let mut fields = told.trim().splitn(3, ' ');
                let (identity, size, kind) = (fields.next(), fields.next(), fields.next());
                let position = identity.zip(size.and_then(|size| size.parse().ok()));
                let is_file = kind.is_some_and(|kind| kind.starts_with("regular"));
                let (identity, offset) = position
                    .filter(|_| is_file)
                    .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))?;
                Ok(Position { identity: identity.to_owned(), offset })
            }
        }
    }

    /// What is between two places of it.
    fn read(&self, begin: u64, end: u64) -> io::Result<Box<dyn io::BufRead>> {
        let length = end.saturating_sub(begin);
        match self.access {
            Access::Caller => {
                let (mut file, _) = self.opened()?;
                file.seek(SeekFrom::Start(begin))?;
                Ok(Box::new(BufReader::new(file.take(length))))
            }
            // As much as is kept of what programs say; the rest is read when somebody asks again.
            Access::Elevated => {
                let skip = format!("--bytes=+{}", begin.saturating_add(1));
                let told = self.elevated(&["tail", &skip, "--"])?;
                Ok(Box::new(BufReader::new(io::Cursor::new(told).take(length))))
            }
        }
    }

    /// The file, without waiting for anybody if it is something else.
    fn opened(&self) -> io::Result<(File, fs::Metadata)> {
        let at_once = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(at_once).open(&self.path)?;
        let facts = file.metadata()?;
        let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no file");
        facts.is_file().then_some((file, facts)).ok_or_else(not_a_file)
    }

    fn elevated(&self, words: &[&str]) -> io::Result<Vec<u8>> {
        let mut command = Command::new("sudo");
        command.args(["-n", "--"]).args(words).arg(&self.path).env("LC_ALL", "C");
        let ended = program::run(&mut command, LIMIT)?;
        match ended.code {
            Some(0) => Ok(ended.output),
            Some(_) => {
                let said = String::from_utf8_lossy(&ended.errors).trim().to_owned();
                let kind = if said.ends_with("No such file or directory") {
                    io::ErrorKind::NotFound
                } else {
                    io::ErrorKind::PermissionDenied
                };
                Err(io::Error::new(kind, said))
            }
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The file that remembers how far somebody has read.
struct Mark(PathBuf);

impl Mark {
    fn of(machine: &Machine, name: &Path, qid: &str) -> Result<Self, ProviderError> {
        let nowhere = || wrong("nothing is kept for this user, so nobody would know what is new");
        let folder = machine.user_state().ok_or_else(nowhere)?.join("scx-logfile");
        let mut hash = Sha256::new();
        hash.update(name.as_os_str().as_encoded_bytes());
        // No path has this octet in it.
        hash.update([0]);
        hash.update(qid);
        let digits: String = hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
        Ok(Self(folder.join(digits)))
    }

    fn get(&self) -> Option<Position> {
        let text = fs::read_to_string(&self.0).ok()?;
        let (identity, offset) = text.trim().split_once(' ')?;
        Some(Position { identity: identity.to_owned(), offset: offset.parse().ok()? })
    }

    fn set(&self, position: &Position) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{} {}", position.identity, position.offset)?;
        file.persist(&self.0)?;
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn wrong(problem: &str) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_counted_whole() {
        let text = [vec![b'x'; MAX_LINE + 10], b"\nnext\nhalf".to_vec()].concat();
        let mut reader = BufReader::with_capacity(7, text.as_slice());
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            match next_line(&mut reader, &mut line).expect("memory is read") {
                0 => break,
                length => lines.push((length, line.len())),
            }
        }
        let long = u64::try_from(MAX_LINE + 11).expect("it is small");
        assert_eq!(lines, [(long, MAX_LINE), (5, 5), (4, 4)]);
    }

    #[test]
    fn expressions_are_those_of_posix_and_have_an_end() {
        assert!(compiled("[[:digit:]]+ (error|warn)").is_some_and(|regex| regex.is_match("at 12 error")));
        assert!(compiled("a(b").is_none());
        assert!(compiled("(((x{1000}){1000}){1000})").is_none());
    }
}
