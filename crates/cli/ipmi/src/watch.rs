//! `telarch ipmi watch`: what sensors measure, as it changes, on the terminal.

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
use super::arguments::Targets;
use super::export::told_to_end;
use super::hosts::Host;
use super::many::{self, Door};
use super::sign_in;
use cli_command::Failure;

/// Shows it until somebody types q.
pub(super) fn run(targets: Targets, every: Duration) -> Result<String, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::failed(
            "watch draws on a terminal, and there is none",
            "use sensors for one look, or export for many",
        ));
    }
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let runtime = many::runtime()?;
    let lost = |error: io::Error| Failure::Failed(format!("the terminal cannot be used: {error}"));
    let canvas = Canvas::open().map_err(lost)?;
    let shown = runtime.block_on(show(targets, (login, timing), every));
    drop(canvas);
    // A key that nobody types any more is not waited for.
    runtime.shutdown_background();
    shown.map(|()| String::new()).map_err(lost)
}

async fn show(targets: Targets, (login, timing): (Login, Timing), every: Duration) -> io::Result<()> {
    let (tell, mut told) = mpsc::channel(64);
    let (stop, stopping) = watch::channel(());
    let mut view = View::new(targets.hosts.iter().map(Host::to_string).collect(), every);
    let mut asked = JoinSet::new();
    for (number, host) in targets.hosts.into_iter().enumerate() {
        let poller = Poller { host, number, login: login.clone(), timing, tell: tell.clone() };
        asked.spawn(poller.run(every, stopping.clone()));
    }
    drop(tell);
    let mut keys = typed();
    let mut resized = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())?;
    let screen = Screen::of_this_process();
    let ended = told_to_end();
    tokio::pin!(ended);
    loop {
        draw(&view, &screen)?;
        tokio::select! {
            Some((number, outcome)) = told.recv() => view.take(number, outcome),
            key = keys.recv() => if key.is_none_or(|key| view.press(key)) { break },
            _ = resized.recv() => {}
            // The terminal is left as it was then, too.
            () = &mut ended => break,
        }
        // What has come at the same time is drawn at once.
        while let Ok((number, outcome)) = told.try_recv() {
            view.take(number, outcome);
        }
    }
    drop(stop);
    told.close();
    let closed = async { while asked.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
    Ok(())
}

fn draw(view: &View, screen: &Screen) -> io::Result<()> {
    let size = tcgetwinsize(io::stdout())?;
    let (columns, lines) = (size.ws_col.max(20), size.ws_row.max(3));
    let text = view.drawn(columns.into(), lines.into(), screen);
    // Home; each line clears what was behind it; then everything below.
    let text = format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\r\n"));
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What is typed, from a thread of its own: terminals can only be waited for.
fn typed() -> mpsc::Receiver<Key> {
    let (tell, told) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut typed = [0; 16];
        while let Ok(length) = input.read(&mut typed) {
            if length == 0 {
                break;
            }
            let Some(key) = Key::parse(typed.get(..length).unwrap_or_default()) else { continue };
            if tell.blocking_send(key).is_err() {
                break;
            }
        }
    });
    told
}

/// The other screen of the terminal, without a cursor; everything is as it was when this is dropped.
struct Canvas {
    _raw: RawTerminal<io::Stdin>,
}

impl Canvas {
    fn open() -> io::Result<Self> {
        let raw = RawTerminal::enable(io::stdin())?;
        let mut out = io::stdout();
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(Self { _raw: raw })
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        let mut out = io::stdout();
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
    }
}

/// Asks one controller again and again.
struct Poller {
    host: Host,
    number: usize,
    login: Login,
    timing: Timing,
    tell: mpsc::Sender<(usize, Result<Vec<Measured>, String>)>,
}

impl Poller {
    async fn run(self, every: Duration, mut stopping: watch::Receiver<()>) {
        let (mut bmc, mut door) = (None, Door::default());
        loop {
            let outcome = tokio::select! {
                outcome = self.round(&mut bmc, &mut door) => outcome,
                _ = stopping.changed() => break,
            };
            if self.tell.send((self.number, outcome)).await.is_err() {
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

    async fn round(&self, bmc: &mut Option<Connection>, door: &mut Door) -> Result<Vec<Measured>, String> {
        let session = match bmc.take() {
            Some(session) => session,
            None => door.open(&self.host, self.login.clone(), self.timing).await?,
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
