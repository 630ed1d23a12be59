//! A line that tells that something goes on, once it has taken longer than anybody likes to wait.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Screen;
use crate::format::harmless;
use crate::program::Stop;

/// How far something is; drawn on standard error, if that is a terminal.
pub(crate) struct Progress {
    /// The width of the line; none if nobody would see it.
    width: Option<usize>,
    /// Whether what is printed goes to the same terminal.
    shares_terminal: bool,
    what: String,
    done: Cell<u64>,
    of: Cell<Option<u64>>,
    is_shown: Cell<bool>,
    quiet_since: Cell<Instant>,
}

impl Progress {
    /// Nothing is drawn yet; `what` names what is waited for.
    pub(crate) fn new(screen: &Screen, what: impl Into<String>) -> Self {
        Self {
            width: screen.progress_width(),
            shares_terminal: screen.is_out_a_terminal(),
            what: what.into(),
            done: Cell::new(0),
            of: Cell::new(None),
            is_shown: Cell::new(false),
            quiet_since: Cell::new(Instant::now()),
        }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.done.set(self.done.get().saturating_add(1));
    }

    /// How many there will be.
    pub(crate) fn expect(&self, of: u64) {
        self.of.set(Some(of));
    }

    /// Waits for something, and draws meanwhile. Whoever wants to end that kills the process, as ever.
    pub(crate) async fn during<T>(&self, wanted: impl Future<Output = T>) -> T {
        tokio::pin!(wanted);
        loop {
            // Nothing interrupts it, so that it only ends with what was wanted.
            if let Some(done) = self.watch(wanted.as_mut(), Interrupt::Fatal).await {
                return done;
            }
        }
    }

    /// The same for what asks nobody anything: Ctrl-C takes the line away before it ends the program.
    pub(crate) async fn unless_interrupted<T>(
        &self,
        wanted: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        tokio::pin!(wanted);
        self.watch(wanted.as_mut(), Interrupt::Heeded).await.unwrap_or(Err(Stop::Interrupted))
    }

    async fn watch<T>(&self, mut wanted: Pin<&mut impl Future<Output = T>>, on: Interrupt) -> Option<T> {
        if self.width.is_none() {
            return Some(wanted.await);
        }
        let begun = Instant::now();
        let mut ticks = interval_at(begun + PATIENCE, BETWEEN);
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
                done = &mut wanted => {
                    self.clear();
                    return Some(done);
                }
                _ = interrupted => {
                    self.clear();
                    return None;
                }
                _ = ticks.tick() => {
                    self.draw(begun.elapsed());
                    // Not before there is something to take away: until then the system ends the process at once.
                    if on == Interrupt::Heeded && interrupts.is_none() {
                        interrupts = signal(SignalKind::interrupt()).ok();
                    }
                }
            }
        }
    }

    /// A writer that takes the line away before it writes.
    pub(crate) fn before<'w>(&'w self, inner: &'w mut dyn Write) -> Clearing<'w> {
        Clearing { progress: self, inner }
    }

    fn draw(&self, elapsed: Duration) {
        // Output that runs over the screen tells by itself that something goes on.
        if self.shares_terminal && self.quiet_since.get().elapsed() < PATIENCE {
            return;
        }
        let Some(width) = self.width else { return };
        let line = line(&self.what, self.done.get(), self.of.get(), elapsed, width);
        // Where nothing can be told, the work goes on.
        let _ = write!(io::stderr(), "\r\x1b[K{}", harmless(&line)).and_then(|()| io::stderr().flush());
        self.is_shown.set(true);
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.is_shown.replace(false) {
            let _ = write!(io::stderr(), "\r\x1b[K").and_then(|()| io::stderr().flush());
        }
    }
}

/// What Ctrl-C does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interrupt {
    /// What the system does.
    Fatal,
    /// It ends the wait.
    Heeded,
}

/// See [`Progress::before`].
pub(crate) struct Clearing<'w> {
    progress: &'w Progress,
    inner: &'w mut dyn Write,
}

impl Write for Clearing<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.progress.shares_terminal {
            self.progress.clear();
            self.progress.quiet_since.set(Instant::now());
        }
        self.inner.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// `server7: 12 s`, `server7: 340 items, 12 s`, or `12 of 50 hosts, 8 s [#####-----]`; never wider than the terminal.
fn line(what: &str, done: u64, of: Option<u64>, elapsed: Duration, width: usize) -> String {
    let seconds = elapsed.as_secs();
    let text = match (done, of) {
        (0, None) => format!("waiting for {what}, {seconds} s"),
        (done, None) => format!("{what}: {done} items, {seconds} s"),
        (done, Some(of)) => format!("{done} of {of} {what}, {seconds} s"),
    };
    // The last column stays free: some terminals begin a new line when it is filled.
    let room = width.saturating_sub(1);
    let bar = of.filter(|of| *of > 0).and_then(|of| {
        let cells = room.checked_sub(text.len() + 3).filter(|cells| *cells >= SHORTEST_BAR)?.min(LONGEST_BAR);
        let cells = u64::try_from(cells).ok()?;
        let full = done.min(of).saturating_mul(cells) / of;
        let part = |cell: u64| if cell < full { '#' } else { '-' };
        Some(format!(" [{}]", (0..cells).map(part).collect::<String>()))
    });
    text.chars().chain(bar.iter().flat_map(|bar| bar.chars())).take(room).collect()
}

/// Nobody needs to be told before.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(250);
const SHORTEST_BAR: usize = 5;
const LONGEST_BAR: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is_and_fits() {
        let at = |done, of, width| line("server7", done, of, Duration::from_secs(12), width);
        assert_eq!(at(0, None, 80), "waiting for server7, 12 s");
        assert_eq!(at(340, None, 80), "server7: 340 items, 12 s");
        let hosts = line("hosts", 5, Some(10), Duration::from_secs(8), 80);
        assert_eq!(hosts, "5 of 10 hosts, 8 s [###############---------------]");
        let narrow = line("hosts", 5, Some(10), Duration::from_secs(8), 30);
        assert_eq!(narrow, "5 of 10 hosts, 8 s [####----]");
        for width in 0..60 {
            assert!(at(340, Some(1_000), width).len() <= width.saturating_sub(1), "{width}");
        }
    }
}
