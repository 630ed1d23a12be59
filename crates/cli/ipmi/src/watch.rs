//! `telarch ipmi watch`: live sensor readings on the terminal.

mod view;

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use cli::screen::Screen;
use cli::terminal::RawTerminal;
use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, IpmiError, Measured};
use rustix::termios::tcgetwinsize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::view::{Key, View};
use super::export::termination_signal;
use super::hosts::Host;
use super::parallel::{self, SessionOpener};
use super::sign_in;
use super::targets::Targets;
use cli_command::Failure;

/// Shows readings until the user types q.
pub(super) fn run(targets: Targets, every: Duration) -> Result<String, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::failed(
            "watch requires a terminal",
            "use sensors to list the readings once, or export for continuous metrics",
        ));
    }
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let runtime = parallel::runtime()?;
    let alternate_screen = AlternateScreen::open().map_err(terminal_failure)?;
    let shown = runtime.block_on(show(targets, login, timing, every));
    drop(alternate_screen);
    // The thread that reads keys must not delay the end of the program.
    runtime.shutdown_background();
    shown.map(|()| String::new()).map_err(terminal_failure)
}

fn terminal_failure(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot use the terminal: {error}"))
}

async fn show(targets: Targets, login: Login, timing: Timing, every: Duration) -> io::Result<()> {
    let (results, mut received) = mpsc::channel(64);
    let (stop, stopping) = watch::channel(());
    let mut view = View::new(targets.hosts.iter().map(Host::to_string).collect(), every);
    let mut pollers = JoinSet::new();
    for (number, host) in targets.hosts.into_iter().enumerate() {
        let poller = Poller { host, number, login: login.clone(), timing, results: results.clone() };
        pollers.spawn(poller.run(every, stopping.clone()));
    }
    drop(results);
    let mut keys = read_keys();
    let mut resized = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())?;
    let screen = Screen::of_this_process();
    let ended = termination_signal();
    tokio::pin!(ended);
    loop {
        draw(&view, &screen)?;
        tokio::select! {
            Some((number, outcome)) = received.recv() => view.take(number, outcome),
            key = keys.recv() => if key.is_none_or(|key| view.press(key)) { break },
            _ = resized.recv() => {}
            // A signal ends the loop, so that the terminal is restored.
            () = &mut ended => break,
        }
        // Results that arrived at the same time are drawn together.
        while let Ok((number, outcome)) = received.try_recv() {
            view.take(number, outcome);
        }
    }
    drop(stop);
    received.close();
    let closed = async { while pollers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
    Ok(())
}

fn draw(view: &View, screen: &Screen) -> io::Result<()> {
    let size = tcgetwinsize(io::stdout())?;
    let (columns, lines) = (size.ws_col.max(20), size.ws_row.max(3));
    let text = view.draw(columns.into(), lines.into(), screen);
    // Cursor home; clear the rest of each line; clear the screen below.
    let text = format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\r\n"));
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Reads keys on a thread of its own, because reading from a terminal blocks.
fn read_keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut typed = [0; 16];
        while let Ok(length) = input.read(&mut typed) {
            if length == 0 {
                break;
            }
            let Some(key) = Key::parse(typed.get(..length).unwrap_or_default()) else { continue };
            if sender.blocking_send(key).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The alternate screen of the terminal without a cursor; the terminal is restored when this is dropped.
struct AlternateScreen {
    _raw: RawTerminal<io::Stdin>,
}

impl AlternateScreen {
    fn open() -> io::Result<Self> {
        let raw = RawTerminal::enable(io::stdin())?;
        let mut out = io::stdout();
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(Self { _raw: raw })
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        let mut out = io::stdout();
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
    }
}

/// Polls one controller.
struct Poller {
    host: Host,
    number: usize,
    login: Login,
    timing: Timing,
    results: mpsc::Sender<(usize, Result<Vec<Measured>, String>)>,
}

impl Poller {
    async fn run(self, every: Duration, mut stopping: watch::Receiver<()>) {
        let (mut bmc, mut opener) = (None, SessionOpener::default());
        loop {
            let outcome = tokio::select! {
                outcome = self.poll(&mut bmc, &mut opener) => outcome,
                _ = stopping.changed() => break,
            };
            if self.results.send((self.number, outcome)).await.is_err() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stopping.changed() => break,
            }
        }
        if let Some(bmc) = bmc {
            bmc.close().await;
        }
    }

    async fn poll(
        &self,
        bmc: &mut Option<Connection>,
        opener: &mut SessionOpener,
    ) -> Result<Vec<Measured>, String> {
        let session = match bmc.take() {
            Some(session) => session,
            None => opener.open(&self.host, self.login.clone(), self.timing).await?,
        };
        let measured: Result<_, IpmiError> = async {
            let records = session.records().await?;
            session.measure(&records).await
        }
        .await;
        *bmc = measured.is_ok().then_some(session);
        measured.map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}
