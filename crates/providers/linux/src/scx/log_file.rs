//! `SCX_LogFile`: new lines of a file that match regular expressions, each reported once.
//!
//! The position up to which a file was read is stored for each `qid` in the state folder of the user this
//! process runs as. It is stored before the answer is sent, as in SCXcore (`logfileutils.cpp`, `ReadLogFile`,
//! which ends with `PersistState`): lines in an answer that is lost are not reported again.

mod expressions;
mod mark;
mod source;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::{Instance, Status, Value};
use wmi::{MethodCall, ProviderError};

use self::expressions::Expressions;
use self::mark::Mark;
use self::source::{Access, Log, Position};

use crate::Machine;
use crate::sendable::{LONGEST, cut, room_for};
use crate::table::{Fill, Table, failure, returned, text_of};

/// Class whose methods read log files; it has no instances.
pub(super) struct LogFile;

/// Maximum number of lines in an answer.
const MAX_ROWS: usize = 500;

/// Maximum size of these lines as XML, in bytes: they fit into the 150 KiB that most clients request.
const MAX_ANSWER: usize = 2 * LONGEST;

/// Maximum length of a line in bytes; the rest of a longer line is skipped.
const MAX_LINE: usize = 64 << 10;

/// Time limit for matching if the client sets none.
const LIMIT: Duration = Duration::from_secs(30);

impl Table for LogFile {
    type Row = ();

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_LogFile";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[];

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let name = Path::new(text_of(call.input, "filename"));
        if !name.is_absolute() {
            return Err(wrong("filename must be a whole path, such as /var/log/syslog"));
        }
        if text_of(call.input, "qid").is_empty() {
            return Err(wrong("qid is empty\n  give each reader of a file a name of its own"));
        }
        let log = Log::open(machine, name, Access::of(text_of(call.input, "elevationType"))?);
        let mark = Mark::of(machine, name, text_of(call.input, "qid"))?;
        match call.operation.method.name.as_str() {
            "GetMatchedRows" => {
                if call.input.value("initialize") == Some(&Value::Boolean(true)) {
                    mark.remove().map_err(failure)?;
                }
                let until = until(call.context.deadline());
                let rows = matched(log, &mark, call.input.value("regexps"), until)?;
                let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                Ok(returned(call, count)?.with("rows", rows)?)
            }
            "ResetStateFile" => {
                let waits = call.input.value("resetOnRead") == Some(&Value::Boolean(true));
                // Without an older position, reading begins at the end.
                if waits { mark.remove() } else { log.and_then(|log| mark.set(&log.end()?)) }
                    .map_err(failure)?;
                returned(call, 0_u32)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }
}

/// Returns the time at which matching stops: after half of the client's remaining time, or [`LIMIT`] without
/// a deadline.
fn until(deadline: Option<Instant>) -> Instant {
    let now = Instant::now();
    deadline.map_or(now + LIMIT, |deadline| now + deadline.saturating_duration_since(now) / 2)
}

/// Returns the new lines that match, each after the numbers of the matching expressions and a semicolon.
fn matched(
    log: io::Result<Log>,
    mark: &Mark,
    expressions: Option<&Value>,
    until: Instant,
) -> Result<Vec<String>, ProviderError> {
    let wanted = Expressions::of(expressions.map(Value::elements).unwrap_or_default())?;
    let mut rows = Vec::new();
    if !wanted.invalid.is_empty() {
        rows.push(format!("InvalidRegexp;{}", numbers(wanted.invalid.iter().copied())));
    }
    let log = match log {
        // A file that does not exist yet has no lines.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rows),
        log => log.map_err(failure)?,
    };
    let end = match log.end() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rows),
        end => end.map_err(failure)?,
    };
    let begin = match mark.get() {
        // The first call only stores the position; later calls return lines added since.
        None => {
            mark.set(&end).map_err(failure)?;
            return Ok(rows);
        }
        // If the file was replaced or truncated, all of it is new.
        Some(before) if before.identity != end.identity || before.offset > end.offset => 0,
        Some(before) => before.offset,
    };
    let reach = end.offset.min(begin.saturating_add(log.reach()));
    let mut reader = log.read(begin, reach).map_err(failure)?;
    let (mut offset, mut line) = (begin, Vec::new());
    let (mut most, mut room) = (MAX_ROWS, MAX_ANSWER);
    let mut is_over = false;
    while !is_over {
        line.clear();
        let length = next_line(&mut reader, &mut line).map_err(failure)?;
        // An incomplete last line is read once it ends.
        if length == 0 || line.last() != Some(&b'\n') && line.len() < MAX_LINE {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let matching = numbers(wanted.matching(text));
        if !matching.is_empty() {
            let row = cut(format!("{matching};{text}").into(), &mut { LONGEST }).into_owned();
            // Stops before the answer becomes too large for a message, which would lose all of its lines.
            let Some(left) = room.checked_sub(room_for(&row)) else {
                is_over = true;
                break;
            };
            (room, most) = (left, most - 1);
            rows.push(row);
        }
        offset += length;
        is_over = most == 0 || Instant::now() >= until;
    }
    if is_over || reach < end.offset {
        rows.push("MoreRowsAvailable;true".to_owned());
    }
    mark.set(&Position { identity: end.identity, offset }).map_err(failure)?;
    Ok(rows)
}

fn numbers(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

/// Reads a line but keeps at most [`MAX_LINE`] bytes; returns its full length.
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

fn wrong(problem: &str) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::BufReader;

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
    fn log_query_returns_partial_results_at_the_time_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("log"), "one\ntwo\nthree\n").expect("there is room");
        let machine = Machine::at(folder.path()).keeping(folder.path(), Some(folder.path().to_owned()));
        let mark = Mark::of(&machine, Path::new("/log"), "me").expect("a place");
        let open = || Log::open(&machine, Path::new("/log"), Access::Caller);
        let end = open().and_then(|log| log.end()).expect("a file");
        mark.set(&Position { offset: 0, ..end }).expect("there is room");
        let all = Value::from(vec!["o".to_owned()]);
        let read = |until| matched(open(), &mark, Some(&all), until).expect("a file");
        let now = Instant::now();
        assert_eq!(read(now), ["0;one", "MoreRowsAvailable;true"]);
        assert_eq!(read(now + LIMIT), ["0;two"]);
        assert_eq!(read(now + LIMIT), [""; 0]);
    }

    #[test]
    fn long_line_does_not_drop_its_neighbors() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines = format!("{}\n{0}\n{0}\nlogin of mallory\n", "&".repeat(60_000));
        fs::write(folder.path().join("log"), lines).expect("there is room");
        let machine = Machine::at(folder.path()).keeping(folder.path(), Some(folder.path().to_owned()));
        let mark = Mark::of(&machine, Path::new("/log"), "me").expect("a place");
        let open = || Log::open(&machine, Path::new("/log"), Access::Caller);
        let end = open().and_then(|log| log.end()).expect("a file");
        mark.set(&Position { offset: 0, ..end }).expect("there is room");
        let all = Value::from(vec![".".to_owned()]);
        let mut reported = Vec::new();
        for _ in 0..4 {
            let rows = matched(open(), &mark, Some(&all), Instant::now() + LIMIT).expect("a file");
            assert!(rows.iter().map(|row| room_for(row)).sum::<usize>() <= MAX_ANSWER + 100);
            reported.extend(rows.into_iter().filter(|row| row != "MoreRowsAvailable;true"));
        }
        assert_eq!((reported.len(), reported.last().map(String::as_str)), (4, Some("0;login of mallory")));
    }
}
