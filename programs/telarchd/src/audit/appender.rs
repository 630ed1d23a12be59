//! Appends the records of other processes, which arrive through pipes.

use std::io::{self, BufRead, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde_json::{Map, Value};

use super::{AuditFile, dropped};
use crate::log::{MAX_LINE, TokenBucket};

impl AuditFile {
    /// Creates a pipe for the records of a process and returns its writing end, to be the standard output of that
    /// process. A thread appends valid records from the reading end, at a bounded rate.
    pub(crate) fn pipe_for(&self, process: &'static str) -> io::Result<OwnedFd> {
        // The pipe itself is the queue.
        let (reading, writing) = io::pipe()?;
        let flags = rustix::fs::fcntl_getfl(&writing)?;
        rustix::fs::fcntl_setfl(&writing, flags | OFlags::NONBLOCK)?;
        let appending = self.begin_appending();
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            let now = Instant::now();
            let rate = TokenBucket::new(BURST_BYTES, PER_SECOND, now);
            Appender { file: appending.file(), process, rate, refused: 0, reported: now }
                .run(BufReader::new(reading));
        })?;
        Ok(writing.into())
    }
}

/// Appends the records of one process.
struct Appender<'a> {
    file: &'a AuditFile,
    process: &'static str,
    rate: TokenBucket,
    /// Number of lines refused since the last report.
    refused: u64,
    reported: Instant,
}

impl Appender<'_> {
    /// Appends records until the process closes the pipe.
    fn run(&mut self, mut from: impl BufRead) {
        let longest = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let mut line = Vec::with_capacity(MAX_LINE);
        loop {
            line.clear();
            match from.by_ref().take(longest).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if !line.ends_with(b"\n") => {
                    if !skip_line(&mut from) {
                        break;
                    }
                    self.refuse();
                }
                Ok(_) => self.append(&line, Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.report(Instant::now(), true);
    }

    fn append(&mut self, line: &[u8], now: Instant) {
        self.report(now, false);
        match record(line) {
            Some(line) if self.rate.take(line.len(), now) => self.file.append(&line),
            _ => self.refuse(),
        }
    }

    fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    fn report(&mut self, now: Instant, is_urgent: bool) {
        let is_due = is_urgent || now.saturating_duration_since(self.reported) >= REPORT_INTERVAL;
        if self.refused == 0 || !is_due {
            return;
        }
        self.reported = now;
        let (process, records) = (self.process, std::mem::take(&mut self.refused));
        tracing::error!(process, records, "Dropped audit records: too many, or malformed");
        self.file.append(&dropped(
            records,
            &format!("the process {process} sent too many records, or malformed ones"),
        ));
    }
}

/// Reads to the end of a line; returns `false` if the input ends first.
fn skip_line(from: &mut impl BufRead) -> bool {
    loop {
        let Ok(part) = from.fill_buf() else { return false };
        if part.is_empty() {
            return false;
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(part.len(), |end| end + 1);
        from.consume(length);
        if end.is_some() {
            return true;
        }
    }
}

/// Parses and normalizes a record: an object of texts and numbers without nesting. Returns `None` for anything else.
fn record(line: &[u8]) -> Option<String> {
    let record: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let is_nested = record.values().any(|value| matches!(value, Value::Array(_) | Value::Object(_)));
    let is_record = !is_nested && record.contains_key("time") && record.contains_key("event");
    let shown = super::shown(&record);
    (is_record && shown.len() <= MAX_LINE).then_some(shown)
}

/// Bytes of records that a process may write in a burst.
const BURST_BYTES: u64 = 4 << 20;
/// Bytes of records per second that a process may write in the long run. With the default limits, files last for more
/// than half an hour against a compromised process, and no record of an honest one is dropped.
const PER_SECOND: u64 = 64 << 10;
/// Minimum interval between two reports about dropped records.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::fs;

    use super::super::AuditLimits;
    use super::*;

    #[test]
    fn only_valid_records_are_appended_and_the_others_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path, AuditLimits::default()).unwrap();
        let now = Instant::now();
        let rate = TokenBucket::new(BURST_BYTES, PER_SECOND, now);
        let mut appender = Appender { file: &file, process: "gateway", rate, refused: 0, reported: now };
        let long = "x".repeat(3 * MAX_LINE);
        let good = r#"{"event":"sign-in","time":"now"}"#;
        let lines = format!(
            "{good}\nno record\n{long}\n{{\"time\":1}}\n{{\"event\":[],\"time\":1}}\n\u{1}\n{good}\n{{\"event\":"
        );
        appender.run(BufReader::new(lines.as_bytes()));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], [good, good]);
        assert!(lines[2].contains("\"dropped\"") && lines[2].contains("\"records\":5"), "{text}");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn the_records_of_a_flooding_process_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path, AuditLimits::default()).unwrap();
        let now = Instant::now();
        let rate = TokenBucket::new(1_000, 1, now);
        let mut appender = Appender { file: &file, process: "gateway", rate, refused: 0, reported: now };
        for _ in 0..1_000 {
            appender.append(br#"{"event":"sign-in","time":"2026-11-23T00:00:00.000Z"}"#, now);
        }
        appender.report(now, true);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() < 1_300 && text.contains("\"dropped\""), "{text}");
    }
}
