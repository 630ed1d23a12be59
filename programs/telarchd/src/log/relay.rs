//! Standard error of the processes that the broker has started.
//!
//! Each writes into a pipe, from which one thread copies whole lines to standard error of the broker: with the name of
//! the process in front, escaped, and at a bounded rate. No process has the file that the log goes to, and what is in
//! it already is changed by none. A pipe that is full makes its process leave lines out, not wait.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use tracing::level_filters::LevelFilter;

use super::stderr::{LONGEST_LINE, is_journal, locked, write_line};
use super::{Escaped, TokenBucket};

/// Returns what a process of this name is given as standard error: the stream of the journal if this process has that,
/// else a pipe to this process.
pub(crate) fn stderr_for(name: &str) -> Stdio {
    if is_journal() {
        return Stdio::inherit();
    }
    relayed(name).unwrap_or_else(|error| {
        tracing::error!(process = name, error = error.to_string(), "The log of a process cannot be read");
        Stdio::null()
    })
}

/// Waits until the processes have closed their standard error and everything they wrote is copied.
pub(crate) fn finish(patience: Duration) {
    let relay = locked(&RELAY.state);
    let _ = RELAY.emptied.wait_timeout_while(relay, patience, |state| state.sources > 0);
}

struct Relay {
    state: Mutex<State>,
    emptied: Condvar,
}

struct State {
    /// Writing into it wakes the thread; there is one once it was needed.
    waker: Option<OwnedFd>,
    /// Sources that the thread has not seen yet.
    new: Vec<Source>,
    /// Number of all sources.
    sources: usize,
}

static RELAY: Relay =
    Relay { state: Mutex::new(State { waker: None, new: Vec::new(), sources: 0 }), emptied: Condvar::new() };

fn relayed(name: &str) -> io::Result<Stdio> {
    let (reading, writing) = pipe()?;
    let mut state = locked(&RELAY.state);
    if state.waker.is_none() {
        let (wakened, waker) = pipe()?;
        std::thread::Builder::new().name("log relay".to_owned()).spawn(move || copy(&wakened))?;
        state.waker = Some(waker);
    }
    state.new.push(Source::new(name, reading));
    state.sources += 1;
    if let Some(waker) = &state.waker {
        // A pipe that is full wakes it as well.
        let _ = rustix::io::write(waker, &[0]);
    }
    Ok(Stdio::from(writing))
}

/// Returns both ends of a pipe, of which neither is waited for.
fn pipe() -> io::Result<(File, OwnedFd)> {
    let (reading, writing) = io::pipe()?;
    let (reading, writing) = (OwnedFd::from(reading), OwnedFd::from(writing));
    for end in [&reading, &writing] {
        let flags = rustix::fs::fcntl_getfl(end)?;
        rustix::fs::fcntl_setfl(end, flags | OFlags::NONBLOCK)?;
    }
    Ok((File::from(reading), writing))
}

/// Copies lines for as long as this process runs.
fn copy(wakened: &File) {
    let mut sources: Vec<Source> = Vec::new();
    loop {
        let has_left_out = sources.iter().any(|source| source.left_out > 0);
        let mut waited: Vec<PollFd<'_>> = vec![PollFd::new(wakened, PollFlags::IN)];
        waited.extend(sources.iter().map(|source| PollFd::new(&source.pipe, PollFlags::IN)));
        let timeout = has_left_out.then_some(REPORT_EVERY);
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
        let mut state = locked(&RELAY.state);
        sources.append(&mut state.new);
        state.sources = sources.len();
        if sources.is_empty() {
            RELAY.emptied.notify_all();
        }
    }
}

/// One process whose lines are copied.
struct Source {
    name: String,
    pipe: File,
    /// Beginning of a line that has not ended yet.
    begun: Vec<u8>,
    /// Whether the end of a line that was too long is still to come.
    skips: bool,
    rate: TokenBucket,
    left_out: u64,
    reported: Instant,
}

impl Source {
    fn new(name: &str, pipe: File) -> Self {
        let now = Instant::now();
        let per_second =
            if LevelFilter::current() >= LevelFilter::DEBUG { WHILE_DEBUGGING } else { PER_SECOND };
        let mut shown = String::new();
        // Writing to a string does not fail.
        let _ = write!(Escaped::new(&mut shown, LONGEST_NAME), "{name}");
        let rate = TokenBucket::new(AT_ONCE, per_second, now);
        Self { name: shown, pipe, begun: Vec::new(), skips: false, rate, left_out: 0, reported: now }
    }

    /// Copies what has come, at most one buffer of it, so that every source has its turn. Returns `false` at the end.
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
            let room = LONGEST_LINE.saturating_sub(self.begun.len());
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
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.report(now, true);
        write_line(self.shown(&line).as_bytes());
    }

    /// A line as it is copied.
    fn shown(&self, line: &[u8]) -> String {
        let mut shown = format!("[{}] ", self.name);
        let _ = write!(Escaped::new(&mut shown, LONGEST_LINE), "{}", String::from_utf8_lossy(line));
        shown.push('\n');
        shown
    }

    /// Reports lines that were left out, from time to time or at once.
    fn report(&mut self, now: Instant, is_urgent: bool) {
        let is_due = is_urgent || now.saturating_duration_since(self.reported) >= Duration::from_secs(10);
        if self.left_out == 0 || !is_due {
            return;
        }
        let (process, lines) = (self.name.as_str(), std::mem::take(&mut self.left_out));
        self.reported = now;
        tracing::warn!(process, lines, "A process logs too much: lines were left out");
    }
}

/// Bytes that a process may log at once.
const AT_ONCE: u64 = 4 << 20;
/// Bytes that a process may log in each second after that.
const PER_SECOND: u64 = 64 << 10;
/// The same if an administrator has asked for debug or trace.
const WHILE_DEBUGGING: u64 = 4 << 20;
const LONGEST_NAME: usize = 64;
const REPORT_EVERY: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn source() -> (Source, File) {
        let (reading, writing) = pipe().unwrap();
        (Source::new("host of a\nb", reading), File::from(writing))
    }

    #[test]
    fn a_line_names_its_process_and_cannot_look_like_another() {
        let (source, _writing) = source();
        let shown = source.shown(b"2026-11-22 INFO x\r\x1b[2K\xc2\x9bm\xff");
        assert_eq!(shown, "[host of a\\nb] 2026-11-22 INFO x\\r\\u{1b}[2K\\u{9b}m\u{fffd}\n");
    }

    #[test]
    fn a_process_that_floods_is_bounded_and_its_lines_are_counted() {
        let (mut source, mut writing) = source();
        let now = source.reported;
        source.rate = TokenBucket::new(100, 1, now);
        writing.write_all(&b"123456789\n".repeat(50)).unwrap();
        assert!(source.copy(now));
        // Nine characters each; the first eleven fit.
        assert_eq!(source.left_out, 50 - 11);
        drop(writing);
        assert!(!source.copy(now));
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_one() {
        let (mut source, mut writing) = source();
        let now = source.reported;
        for _ in 0..4 {
            writing.write_all(&[b'x'; 16 << 10]).unwrap();
            assert!(source.copy(now));
            assert!(source.begun.len() <= LONGEST_LINE, "{}", source.begun.len());
        }
        assert!(source.skips);
        writing.write_all(b"\nnext").unwrap();
        assert!(source.copy(now));
        assert_eq!((source.skips, source.begun.as_slice()), (false, &b"next"[..]));
    }
}
