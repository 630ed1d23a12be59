//! `telarch ipmi export`: an exporter for Prometheus.
//!
//! Each controller is polled at the interval over a session that stays open. HTTP requests are answered at once with the
//! last metrics and their age, so that slow controllers do not delay a scrape.

mod exported;
mod page;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipmi::Connection;
use ipmi::proto::{Login, Privilege, Timing};
use locks::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::exported::Exported;
use self::page::{Collected, Collector};
use super::hosts::Host;
use super::parallel::{self, SessionOpener};
use super::prometheus::Page;
use super::sign_in;
use super::targets::Targets;
use cli_command::Failure;
use cli_command::output;

/// A controller with its last metrics.
#[derive(Debug)]
struct ExportedHost {
    host: Host,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Metrics of the last poll; empty if it failed.
    collected: Collected,
    /// Result of the last poll; `None` before the first.
    is_up: Option<bool>,
    /// Start of the last poll.
    polled_at: Option<Instant>,
    /// Duration of the last poll.
    duration: Duration,
}

impl ExportedHost {
    /// Returns the last metrics of a collector, or of all, with their age.
    fn page(&self, wanted: Option<Collector>) -> Page {
        let State { collected, is_up, polled_at, duration } = self.state.lock().clone();
        let mut page = Page::default();
        let mut pages = collected.into_iter();
        if let (Some(_), Some(polled_at)) = (is_up, polled_at) {
            for collector in Collector::ALL {
                let read = pages.find(|(known, _)| *known == collector).and_then(|(_, page)| page);
                if wanted.is_none_or(|wanted| wanted == collector) {
                    page.add_up(collector.name(), read.is_some());
                    page.extend(read.unwrap_or_default());
                }
            }
            page.add("ipmi_scrape_duration_seconds", &[], duration.as_secs_f64());
            page.add("ipmi_scrape_age_seconds", &[], polled_at.elapsed().as_secs_f64());
        }
        page
    }
}

/// Serves metrics until a termination signal arrives, then closes all sessions.
pub(super) fn run(targets: Targets, every: Duration, listen: SocketAddr) -> Result<String, Failure> {
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let exported: Arc<[ExportedHost]> =
        targets.hosts.into_iter().map(|host| ExportedHost { host, state: Mutex::default() }).collect();
    parallel::runtime()?.block_on(async {
        let listener = TcpListener::bind(listen).await;
        let listener =
            listener.map_err(|error| Failure::Failed(format!("cannot listen on {listen}: {error}")))?;
        let at = listener.local_addr().map_err(|error| Failure::Failed(error.to_string()))?;
        report(format_args!("serving metrics of {} controllers at http://{at}/metrics", exported.len()));
        let (stop, stopping) = watch::channel(());
        let permits = Arc::new(Semaphore::new(targets.parallel));
        let mut pollers = JoinSet::new();
        for index in 0..exported.len() {
            let poller = Poller {
                exported: Arc::clone(&exported),
                index,
                login: login.clone(),
                timing,
                permits: Arc::clone(&permits),
            };
            pollers.spawn(poller.run(every, stopping.clone()));
        }
        tokio::select! {
            () = metrics::serve(listener, Arc::new(Exported(exported))) => {}
            () = termination_signal() => {}
        }
        // Controllers support only a few sessions, so the open ones are closed.
        drop(stop);
        while pollers.join_next().await.is_some() {}
        Ok(String::new())
    })
}

/// Reports an event on standard error; failures to write are ignored.
fn report(message: std::fmt::Arguments<'_>) {
    let _ = writeln!(output::errors(), "telarch: {message}");
}

/// Waits for SIGINT or SIGTERM.
pub(super) async fn termination_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Polls one controller.
struct Poller {
    exported: Arc<[ExportedHost]>,
    /// Index of the controller in `exported`.
    index: usize,
    login: Login,
    timing: Timing,
    /// Limits the number of simultaneous polls.
    permits: Arc<Semaphore>,
}

impl Poller {
    async fn run(self, every: Duration, mut stopping: watch::Receiver<()>) {
        let Some(exported) = self.exported.get(self.index) else { return };
        let (mut bmc, mut opener) = (None, SessionOpener::default());
        loop {
            tokio::select! {
                () = self.poll(exported, &mut bmc, &mut opener) => {}
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

    /// Polls all metrics once, within four times the timeout of one response.
    async fn poll(&self, exported: &ExportedHost, bmc: &mut Option<Connection>, opener: &mut SessionOpener) {
        let Ok(_permit) = self.permits.acquire().await else { return };
        let begun = Instant::now();
        let poll = tokio::time::timeout(self.timing.limit * 4, async {
            let session = match bmc.take() {
                Some(session) => session,
                None => opener.open(&exported.host, self.login.clone(), self.timing).await?,
            };
            let page = page::read(&session).await;
            // A session that failed is dropped, which closes it, and opened again in the next poll.
            *bmc = page.is_ok().then_some(session);
            page.map_err(|error| error.to_string())
        });
        let result = poll.await.unwrap_or_else(|_| Err("the poll timed out".to_owned()));
        let was_up = exported.state.lock().is_up;
        match &result {
            // A failure is reported once.
            Err(error) if was_up != Some(false) => {
                // One line, because the journal stores each line as a record.
                report(format_args!("{}: {}", exported.host, error.replace("\n  ", "; ")));
            }
            Ok(_) if was_up == Some(false) => report(format_args!("{}: responding again", exported.host)),
            _ => {}
        }
        let (is_up, collected) = (result.is_ok(), result.unwrap_or_default());
        *exported.state.lock() =
            State { collected, is_up: Some(is_up), polled_at: Some(begun), duration: begun.elapsed() };
    }
}
