//! `telarch ipmi export`: what controllers measure, for Prometheus.
//!
//! Each controller is asked in its own time, over a session that stays open; whoever asks for metrics gets what is
//! known and how old it is, at once, whatever controllers do.

mod page;
mod server;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipmi::Connection;
use ipmi::proto::{Login, Privilege, Timing};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::arguments::Targets;
use super::hosts::Host;
use super::many::{self, Door};
use super::prometheus::Page;
use super::sign_in;
use cli_command::Failure;
use cli_command::output;

/// What is known of one controller.
#[derive(Debug)]
struct Known {
    host: Host,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    page: Page,
    /// Whether it answered the last time; none until that has come.
    is_up: Option<bool>,
    asked_at: Option<Instant>,
    took: Duration,
}

impl Known {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is said of it now.
    fn page(&self) -> Page {
        let State { mut page, is_up, asked_at, took } = self.state().clone();
        if let (Some(is_up), Some(asked_at)) = (is_up, asked_at) {
            page.add("ipmi_up", &[], if is_up { 1.0 } else { 0.0 });
            page.add("ipmi_scrape_duration_seconds", &[], took.as_secs_f64());
            page.add("ipmi_scrape_age_seconds", &[], asked_at.elapsed().as_secs_f64());
        }
        page
    }
}

/// Serves until it is told to end; all sessions are closed then.
pub(super) fn run(targets: Targets, every: Duration, listen: SocketAddr) -> Result<String, Failure> {
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let known: Arc<[Known]> =
        targets.hosts.into_iter().map(|host| Known { host, state: Mutex::default() }).collect();
    many::runtime()?.block_on(async {
        let listener = TcpListener::bind(listen).await;
        let listener =
            listener.map_err(|error| Failure::Failed(format!("cannot listen on {listen}: {error}")))?;
        let at = listener.local_addr().map_err(|error| Failure::Failed(error.to_string()))?;
        say(format_args!("metrics of {} controllers at http://{at}/metrics", known.len()));
        let (stop, stopping) = watch::channel(());
        let room = Arc::new(Semaphore::new(targets.parallel));
        let mut asked = JoinSet::new();
        for index in 0..known.len() {
            let poller = Poller {
                known: Arc::clone(&known),
                index,
                login: login.clone(),
                timing,
                room: Arc::clone(&room),
            };
            asked.spawn(poller.run(every, stopping.clone()));
        }
        tokio::select! {
            () = server::serve(listener, known) => {}
            () = told_to_end() => {}
        }
        // Controllers have few sessions: those that are open are closed.
        drop(stop);
        while asked.join_next().await.is_some() {}
        Ok(String::new())
    })
}

/// Tells the administrator; if nobody reads it any more, metrics are served all the same.
fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(output::errors(), "telarch: {what}");
}

/// Waits for Ctrl-C, or for the service manager.
pub(super) async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Asks one controller again and again.
struct Poller {
    known: Arc<[Known]>,
    index: usize,
    login: Login,
    timing: Timing,
    room: Arc<Semaphore>,
}

impl Poller {
    async fn run(self, every: Duration, mut stopping: watch::Receiver<()>) {
        let Some(known) = self.known.get(self.index) else { return };
        let (mut bmc, mut door) = (None, Door::default());
        loop {
            tokio::select! {
                () = self.round(known, &mut bmc, &mut door) => {}
                _ = stopping.changed() => break,
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

    /// Asks everything once, in no more than four times the limit for one answer.
    async fn round(&self, known: &Known, bmc: &mut Option<Connection>, door: &mut Door) {
        let Ok(_room) = self.room.acquire().await else { return };
        let begun = Instant::now();
        let round = tokio::time::timeout(self.timing.limit * 4, async {
            let session = match bmc.take() {
                Some(session) => session,
                None => door.open(&known.host, self.login.clone(), self.timing).await?,
            };
            let page = page::of(&session).await;
            // One that has failed is opened anew; its last clone closes it.
            *bmc = page.is_ok().then_some(session);
            page.map_err(|error| error.to_string())
        });
        let asked = round.await.unwrap_or_else(|_| Err("it took too long".to_owned()));
        let was_up = known.state().is_up;
        match &asked {
            // Once is enough.
            Err(error) if was_up != Some(false) => {
                // The journal has a record for each line.
                say(format_args!("{}: {}", known.host, error.replace("\n  ", "; ")));
            }
            Ok(_) if was_up == Some(false) => say(format_args!("{}: it answers again", known.host)),
            _ => {}
        }
        let (is_up, page) = (asked.is_ok(), asked.unwrap_or_default());
        *known.state() = State { page, is_up: Some(is_up), asked_at: Some(begun), took: begun.elapsed() };
    }
}
