//! Relay of the standard error of processes that the broker has started.
//!
//! Each process writes to a pipe. A thread copies whole lines to the standard error of the broker, escaped, at a
//! bounded rate, and with the name of the process in front. No other process has the log file open, so none can change
//! its content. If a pipe is full, its process omits lines instead of blocking.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use locks::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use tracing::level_filters::LevelFilter;

use super::stderr::{MAX_LINE, is_journal, write_line};
use super::{Escaped, TokenBucket};

/// Returns the standard error for a process of this name: the journal's stream if this process has one, otherwise a
/// pipe to this process.
pub(crate) fn stderr_for(name: &str) -> Stdio {
    if is_journal() {
        return Stdio::inherit();
    }
    relayed(name).unwrap_or_else(|error| {
        tracing::error!(process = name, error = error.to_string(), "Cannot read the log of a process");
        Stdio::null()
    })
}

/// Waits until all processes have closed their standard error and their lines are copied, at most for `patience`.
pub(crate) fn finish(patience: Duration) {
    let relay = RELAY.state.lock();
    let _ = RELAY.emptied.wait_timeout_while(relay, patience, |state| state.sources > 0);
}

struct Relay {
    state: Mutex<State>,
    emptied: Condvar,
}

struct State {
    /// Writing to it wakes the thread. `None` until the thread is started.
    waker: Option<OwnedFd>,
    /// Sources that the thread has not taken over yet.
    new: Vec<Source>,
    /// Number of all sources.
    sources: usize,
}

static RELAY: Relay =
    Relay { state: Mutex::new(State { waker: None, new: Vec::new(), sources: 0 }), emptied: Condvar::new() };

fn relayed(name: &str) -> io::Result<Stdio> {
    let (reading, writing) = pipe()?;
    let mut state = RELAY.state.lock();
    if state.waker.is_none() {
        let (wakened, waker) = pipe()?;
        std::thread::Builder::new().name("log relay".to_owned()).spawn(move || copy(&wakened))?;
        state.waker = Some(waker);
    }
    state.new.push(Source::new(name, reading));
    state.sources += 1;
    if let Some(waker) = &state.waker {
        // A full pipe wakes the thread as well.
        let _ = rustix::io::write(waker, &[0]);
    }
    Ok(Stdio::from(writing))
}

/// Creates a pipe with two non-blocking ends.
fn pipe() -> io::Result<(File, OwnedFd)> {
    let (reading, writing) = io::pipe()?;
    let (reading, writing) = (OwnedFd::from(reading), OwnedFd::from(writing));
    for end in [&reading, &writing] {
        let flags = rustix::fs::fcntl_getfl(end)?;
        rustix::fs::fcntl_setfl(end, flags | OFlags::NONBLOCK)?;
    }
    Ok((File::from(reading), writing))
}

/// Copies lines until the end of this process.
fn copy(wakened: &File) {
    let mut sources: Vec<Source> = Vec::new();
    loop {
        let has_left_out = sources.iter().any(|source| source.omitted > 0);
        let mut waited: Vec<PollFd<'_>> = vec![PollFd::new(wakened, PollFlags::IN)];
        waited.extend(sources.iter().map(|source| PollFd::new(&source.pipe, PollFlags::IN)));
        let timeout = has_left_out.then_some(REPORT_INTERVAL);
        if poll(&mut waited, timeout.as_ref()).is_err() {
            continue;
        }
        let has_come: Vec<bool> = waited.iter().skip(1).map(|one| !one.revents().is_empty()).collect();
        drop(waited);
        let mut drained = [0; 64];
        let mut wakened = wakened;
        let _ = wakened.read(&mut drained);
        let mut has_come = has_come.into_iter();
        let now = Instant::now();
        sources.retain_mut(|source| {
            let is_open = !has_come.next().unwrap_or_default() || source.copy(now);
            source.report(now, !is_open);
            is_open
        });
        let mut state = RELAY.state.lock();
        sources.append(&mut state.new);
        state.sources = sources.len();
        if sources.is_empty() {
            RELAY.emptied.notify_all();
        }
    }
}

/// A process whose lines are copied.
struct Source {
    name: String,
    pipe: File,
    /// Incomplete line.
    begun: Vec<u8>,
    /// Whether the rest of a line that is too long is being skipped.
    skips: bool,
    rate: TokenBucket,
    omitted: u64,
    reported: Instant,
}

impl Source {
    fn new(name: &str, pipe: File) -> Self {
        let now = Instant::now();
        let per_second =
            if LevelFilter::current() >= LevelFilter::DEBUG { WHILE_DEBUGGING } else { PER_SECOND };
        let mut shown = String::new();
        // Writing to a string cannot fail.
        let _ = write!(Escaped::new(&mut shown, MAX_NAME), "{name}");
        let rate = TokenBucket::new(BURST_BYTES, per_second, now);
        Self { name: shown, pipe, begun: Vec::new(), skips: false, rate, omitted: 0, reported: now }
    }

    /// Copies at most one buffer, so that sources are served in turn. Returns `false` at the end of the input.
    fn copy(&mut self, now: Instant) -> bool {
        let mut buffer = [0; 16 << 10];
        let length = match self.pipe.read(&mut buffer) {
            Ok(0) => {
                self.end_line(now);
                return false;
            }
            Ok(length) => length,
            Err(error) => {
                return matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            }
        };
        for part in buffer.get(..length).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = MAX_LINE.saturating_sub(self.begun.len());
            if !self.skips {
                self.begun.extend_from_slice(text.get(..text.len().min(room)).unwrap_or_default());
            }
            if text.len() > room && !self.skips {
                self.end_line(now);
                self.skips = true;
            }
            if ends && !std::mem::take(&mut self.skips) {
                self.end_line(now);
            }
        }
        true
    }

    fn end_line(&mut self, now: Instant) {
        let line = std::mem::take(&mut self.begun);
        if line.is_empty() {
            return;
        }
        if !self.rate.take(line.len(), now) {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        self.report(now, true);
        write_line(self.shown(&line).as_bytes());
    }

    /// Formats a line.
    fn shown(&self, line: &[u8]) -> String {
        let mut shown = format!("[{}] ", self.name);
        let _ = write!(Escaped::new(&mut shown, MAX_LINE), "{}", String::from_utf8_lossy(line));
        shown.push('\n');
        shown
    }

    /// Reports omitted lines, at most every ten seconds unless it is urgent.
    fn report(&mut self, now: Instant, is_urgent: bool) {
        let is_due = is_urgent || now.saturating_duration_since(self.reported) >= Duration::from_secs(10);
        if self.omitted == 0 || !is_due {
            return;
        }
        let (process, lines) = (self.name.as_str(), std::mem::take(&mut self.omitted));
        self.reported = now;
        tracing::warn!(process, lines, "Omitted log lines of a process that logs too much");
    }
}

/// Bytes that a process may log in a burst.
const BURST_BYTES: u64 = 4 << 20;
/// Bytes per second that a process may log in the long run.
const PER_SECOND: u64 = 64 << 10;
/// Bytes per second at the log levels debug and trace.
const WHILE_DEBUGGING: u64 = 4 << 20;
const MAX_NAME: usize = 64;
const REPORT_INTERVAL: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn source() -> (Source, File) {
        let (reading, writing) = pipe().unwrap();
        (Source::new("host of a\nb", reading), File::from(writing))
    }

    #[test]
    fn a_line_carries_the_name_of_its_process_and_is_escaped() {
        let (source, _writing) = source();
        let shown = source.shown(b"2026-11-22 INFO x\r\x1b[2K\xc2\x9bm\xff");
        assert_eq!(shown, "[host of a\\nb] 2026-11-22 INFO x\\r\\u{1b}[2K\\u{9b}m\u{fffd}\n");
    }

    #[test]
    fn the_lines_of_a_flooding_process_are_bounded_and_counted() {
        let (mut source, mut writing) = source();
        let now = source.reported;
        source.rate = TokenBucket::new(100, 1, now);
        writing.write_all(&b"123456789\n".repeat(50)).unwrap();
        assert!(source.copy(now));
        // Nine characters each; the first eleven lines fit.
        assert_eq!(source.omitted, 50 - 11);
        drop(writing);
        assert!(!source.copy(now));
    }

    #[test]
    fn an_endless_line_uses_bounded_memory() {
        let (mut source, mut writing) = source();
        let now = source.reported;
        for _ in 0..4 {
            writing.write_all(&[b'x'; 16 << 10]).unwrap();
            assert!(source.copy(now));
            assert!(source.begun.len() <= MAX_LINE, "{}", source.begun.len());
        }
        assert!(source.skips);
        writing.write_all(b"\nnext").unwrap();
        assert!(source.copy(now));
        assert_eq!((source.skips, source.begun.as_slice()), (false, &b"next"[..]));
    }
}
