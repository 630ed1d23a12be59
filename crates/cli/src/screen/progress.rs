//! Progress line, shown when an operation takes longer than one or two seconds.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Screen;
use crate::format::harmless;
use crate::program::Stop;

/// Progress of an operation, shown on standard error if it is a terminal.
pub struct Progress {
    /// Maximum width of the line in characters; `None` if it is not shown.
    width: Option<usize>,
    /// Whether standard output goes to a terminal, too.
    shares_terminal: bool,
    /// Host or kind of items, for the text.
    subject: String,
    done: Cell<u64>,
    /// Expected number of items; `None` if unknown.
    total: Cell<Option<u64>>,
    is_shown: Cell<bool>,
    /// Bytes instead of items.
    bytes: Option<Arc<ByteCount>>,
    /// Time before the line is first shown, and after output on the same terminal.
    delay: Duration,
    /// Time of the last output.
    quiet_since: Cell<Instant>,
}

impl Progress {
    /// Creates a progress line that is not shown yet. `subject` is the host, or the kind of items.
    #[must_use]
    pub fn new(screen: &Screen, subject: impl Into<String>) -> Self {
        Self {
            width: screen.progress_width(),
            shares_terminal: screen.is_out_a_terminal(),
            subject: subject.into(),
            done: Cell::new(0),
            total: Cell::new(None),
            is_shown: Cell::new(false),
            bytes: None,
            delay: INITIAL_DELAY,
            quiet_since: Cell::new(Instant::now()),
        }
    }

    /// Sets the time before the line is first shown (default: 2 s).
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Shows a number of bytes instead of a number of items.
    #[must_use]
    pub fn of_bytes(self, bytes: Arc<ByteCount>) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// Clears the line before output of the operation to standard output, if both go to a terminal.
    pub fn make_way(&self) {
        if self.shares_terminal {
            self.clear();
            self.quiet_since.set(Instant::now());
        }
    }

    /// Counts one more completed item.
    pub fn step(&self) {
        self.done.set(self.done.get().saturating_add(1));
    }

    /// Sets the expected number of items.
    pub fn set_total(&self, total: u64) {
        self.total.set(Some(total));
    }

    /// Runs an operation and shows its progress. Ctrl-C ends the process.
    pub async fn during<T>(&self, operation: impl Future<Output = T>) -> T {
        tokio::pin!(operation);
        loop {
            // Without a signal handler, the loop ends only with the operation.
            if let Some(result) = self.watch(operation.as_mut(), OnInterrupt::EndProcess).await {
                return result;
            }
        }
    }

    /// Runs an operation without prompts and shows its progress. Ctrl-C clears the line and cancels the operation.
    pub(crate) async fn unless_interrupted<T>(
        &self,
        operation: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        tokio::pin!(operation);
        self.watch(operation.as_mut(), OnInterrupt::Cancel).await.unwrap_or(Err(Stop::Interrupted))
    }

    async fn watch<T>(
        &self,
        mut operation: Pin<&mut impl Future<Output = T>>,
        on_interrupt: OnInterrupt,
    ) -> Option<T> {
        if self.width.is_none() {
            return Some(operation.await);
        }
        let begun = Instant::now();
        let mut ticks = interval_at(begun + self.delay, REDRAW_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupts: Option<Signal> = None;
        loop {
            let interrupted = async {
                match &mut interrupts {
                    Some(interrupts) => interrupts.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                result = &mut operation => {
                    self.clear();
                    return Some(result);
                }
                _ = interrupted => {
                    self.clear();
                    return None;
                }
                _ = ticks.tick() => {
                    self.draw(begun.elapsed());
                    // Before the line is first drawn, the default action of the signal ends the process.
                    if on_interrupt == OnInterrupt::Cancel && interrupts.is_none() {
                        interrupts = signal(SignalKind::interrupt()).ok();
                    }
                }
            }
        }
    }

    /// Returns a writer that clears the line before it writes.
    pub(crate) fn clearing<'w>(&'w self, inner: &'w mut dyn Write) -> ClearingWriter<'w> {
        ClearingWriter { progress: self, inner }
    }

    fn draw(&self, elapsed: Duration) {
        // Recent output on the terminal already shows progress.
        if self.shares_terminal && self.quiet_since.get().elapsed() < self.delay {
            return;
        }
        let Some(width) = self.width else { return };
        let line = match &self.bytes {
            Some(bytes) => byte_line(&self.subject, bytes, elapsed, width),
            None => line(&self.subject, self.done.get(), self.total.get(), elapsed, width),
        };
        // An error while writing the progress line does not stop the operation.
        let _ = write!(io::stderr(), "\r\x1b[K{}", harmless(&line)).and_then(|()| io::stderr().flush());
        self.is_shown.set(true);
    }

    /// Clears the line, if it is shown.
    pub(crate) fn clear(&self) {
        if self.is_shown.replace(false) {
            let _ = write!(io::stderr(), "\r\x1b[K").and_then(|()| io::stderr().flush());
        }
    }
}

/// Numbers of bytes that tasks of an operation count.
#[derive(Debug, Default)]
pub struct ByteCount {
    done: AtomicU64,
    expected: AtomicU64,
}

impl ByteCount {
    /// Counts bytes that are done.
    pub fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are expected.
    pub fn expect(&self, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Effect of Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnInterrupt {
    /// The signal ends the process.
    EndProcess,
    /// The signal cancels the operation.
    Cancel,
}

/// A writer that clears the progress line first; see [`Progress::clearing`].
pub(crate) struct ClearingWriter<'w> {
    progress: &'w Progress,
    inner: &'w mut dyn Write,
}

impl Write for ClearingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.progress.make_way();
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns a line such as `waiting for server7, 12 s`, `server7: 340 items, 12 s`, or
/// `12 of 50 hosts, 8 s [#####-----]`, truncated to the width of the terminal.
fn line(subject: &str, done: u64, total: Option<u64>, elapsed: Duration, width: usize) -> String {
    let seconds = elapsed.as_secs();
    let text = match (done, total) {
        (0, None) => format!("waiting for {subject}, {seconds} s"),
        (done, None) => format!("{subject}: {done} items, {seconds} s"),
        (done, Some(total)) => format!("{done} of {total} {subject}, {seconds} s"),
    };
    with_bar(&text, done, total, width)
}

/// Returns a line such as `server7: 12.0 of 48.5 MB, 3.1 MB/s [###---------]`.
fn byte_line(subject: &str, bytes: &ByteCount, elapsed: Duration, width: usize) -> String {
    let (done, total) = (bytes.done.load(Ordering::Relaxed), bytes.expected.load(Ordering::Relaxed));
    let speed = u128::from(done) * 1_000 / elapsed.as_millis().max(1);
    let speed = megabytes(u64::try_from(speed).unwrap_or(u64::MAX));
    let text = format!("{subject}: {} of {} MB, {speed} MB/s", megabytes(done), megabytes(total));
    with_bar(&text, done, Some(total), width)
}

/// Returns a number of bytes in megabytes with one decimal.
fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// Appends a bar and truncates the line to the width of the terminal.
fn with_bar(text: &str, done: u64, total: Option<u64>, width: usize) -> String {
    // The last column stays empty, because some terminals wrap the line when it is filled.
    let columns = width.saturating_sub(1);
    let bar = total.and_then(|total| bar(done, total, columns.checked_sub(text.len() + 3)?));
    text.chars().chain(bar.iter().flat_map(|bar| bar.chars())).take(columns).collect()
}

/// Returns a progress bar of at most `columns` cells, or `None` if there is no space for it.
fn bar(done: u64, total: u64, columns: usize) -> Option<String> {
    if columns < SHORTEST_BAR {
        return None;
    }
    let cells = columns.min(LONGEST_BAR);
    let full = done.min(total).saturating_mul(u64::try_from(cells).ok()?).checked_div(total)?;
    let full = usize::try_from(full).ok()?;
    Some(format!(" [{}{}]", "#".repeat(full), "-".repeat(cells - full)))
}

/// Default time before the line is first shown.
const INITIAL_DELAY: Duration = Duration::from_secs(2);
const REDRAW_INTERVAL: Duration = Duration::from_millis(250);
const SHORTEST_BAR: usize = 5;
const LONGEST_BAR: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_the_progress_and_fits_the_width() {
        let at = |done, of, width| line("server7", done, of, Duration::from_secs(12), width);
        assert_eq!(at(0, None, 80), "waiting for server7, 12 s");
        assert_eq!(at(340, None, 80), "server7: 340 items, 12 s");
        let hosts = line("hosts", 5, Some(10), Duration::from_secs(8), 80);
        assert_eq!(hosts, "5 of 10 hosts, 8 s [###############---------------]");
        let narrow = line("hosts", 5, Some(10), Duration::from_secs(8), 30);
        assert_eq!(narrow, "5 of 10 hosts, 8 s [####----]");
        let bytes = ByteCount::default();
        bytes.expect(48_500_000);
        bytes.advance(12_060_000);
        let copy = byte_line("server7", &bytes, Duration::from_secs(4), 60);
        assert_eq!(copy, "server7: 12.0 of 48.5 MB, 3.0 MB/s [#####-----------------]");
        for width in 0..60 {
            assert!(byte_line("server7", &bytes, Duration::ZERO, width).len() <= width.saturating_sub(1));
            assert!(at(340, Some(1_000), width).len() <= width.saturating_sub(1), "{width}");
        }
    }
}
