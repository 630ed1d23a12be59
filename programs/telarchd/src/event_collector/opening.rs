//! Opening of the collector, which waits while its database is not available.

use std::sync::Arc;
use std::time::Duration;

use client::TlsPolicy;
use config::Config;
use eventing::{Collector, CollectorError, CollectorParts, Subscriptions};
use plugin_events::{Authorities, EventsPlugin};
use puller::{MachineCredentials, Puller};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::puller_parts;
use crate::log::one_line;

/// Collector that is opened by a task. Dropping it ends the task.
pub(super) struct Opening {
    subscriptions: Arc<Mutex<Latest>>,
    opened: watch::Receiver<Option<Opened>>,
    task: JoinHandle<()>,
}

/// The collector with the connections to its sources.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) collector: Arc<Collector>,
    pub(super) puller: Arc<Puller>,
}

/// Subscriptions for the collector, with the number of their changes.
struct Latest {
    subscriptions: Subscriptions,
    changes: u64,
}

/// Files and settings of the collector.
pub(super) struct OpeningParts {
    pub(super) collector: CollectorParts,
    pub(super) config: Config,
    pub(super) authorities: Authorities,
    /// Rules for certificates of sources to which the collector connects.
    pub(super) tls: TlsPolicy,
    /// Credentials of this machine at sources.
    pub(super) machine: MachineCredentials,
    /// Receives the collector.
    pub(super) plugin: EventsPlugin,
}

impl Opening {
    /// Opens the collector. If the database is not available, this returns after a moment, and the task tries again
    /// until it is. Must be called within the runtime.
    ///
    /// # Errors
    /// Errors of the first attempt that a later one would have as well.
    pub(super) async fn begin(parts: OpeningParts) -> Result<Self, CollectorError> {
        let latest = Latest { subscriptions: parts.collector.subscriptions.clone(), changes: 0 };
        let subscriptions = Arc::new(Mutex::new(latest));
        let (sender, opened) = watch::channel(None);
        let (first, first_failure) = tokio::sync::oneshot::channel();
        let latest = Arc::clone(&subscriptions);
        let task = tokio::spawn(async move { open(parts, &latest, &sender, first).await });
        let opening = Self { subscriptions, opened, task };
        // A server that does not answer must not delay the other tasks of the service.
        match timeout(FIRST_WAIT, first_failure).await {
            Ok(Ok(error)) => Err(error),
            _ => Ok(opening),
        }
    }

    /// Returns the collector if it is open.
    pub(super) fn opened(&self) -> Option<Opened> {
        self.opened.borrow().clone()
    }

    /// Follows the subscriptions, also those of other collectors, once the collector is open.
    pub(super) fn begin_pulling(&self) {
        let mut opened = self.opened.clone();
        tokio::spawn(async move {
            let found = opened.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
            if let Some(Opened { puller, .. }) = found {
                puller.follow_others().await;
            }
        });
    }

    /// Replaces the subscriptions, also those with which the collector will be opened.
    pub(super) async fn set_subscriptions(&self, subscriptions: Subscriptions) -> Result<(), CollectorError> {
        let mut latest = self.subscriptions.lock().await;
        latest.subscriptions = subscriptions.clone();
        latest.changes += 1;
        let Some(Opened { collector, puller }) = self.opened() else { return Ok(()) };
        collector.set_subscriptions(subscriptions).await?;
        puller.follow();
        Ok(())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the collector, and serves sources with it. `first` receives an error of the first attempt that is not temporary.
async fn open(
    parts: OpeningParts,
    subscriptions: &Mutex<Latest>,
    opened: &watch::Sender<Option<Opened>>,
    first: tokio::sync::oneshot::Sender<CollectorError>,
) {
    let mut first = Some(first);
    let mut failures = Failures::default();
    let (collector, changes) = loop {
        let (current, changes) = {
            let latest = subscriptions.lock().await;
            (latest.subscriptions.clone(), latest.changes)
        };
        let attempt = CollectorParts { subscriptions: current, ..parts.collector.clone() };
        let error = match Collector::open(attempt).await {
            Ok(collector) => break (Arc::new(collector), changes),
            Err(error) => error,
        };
        let error = match first.take() {
            Some(first) if !error.is_temporary() => match first.send(error) {
                Ok(()) => return,
                // The service has not waited for the first attempt.
                Err(error) => error,
            },
            _ => error,
        };
        failures.report(&error);
        sleep(failures.next_pause()).await;
    };
    let latest = subscriptions.lock().await;
    if latest.changes != changes
        && let Err(error) = collector.set_subscriptions(latest.subscriptions.clone()).await
    {
        tracing::error!(
            error = one_line(&error),
            "Cannot reload the event subscriptions; keeping the previous ones"
        );
    }
    let puller = Arc::new(Puller::new(puller_parts(&collector, &parts.config, parts.tls, parts.machine)));
    parts.plugin.begin(Arc::clone(&collector), parts.authorities);
    opened.send_replace(Some(Opened { collector, puller }));
    drop(latest);
    tracing::info!(store = %parts.collector.store.name(), "Collecting forwarded events");
}

/// Failed attempts to open the collector.
#[derive(Default)]
struct Failures {
    pause: Duration,
    is_reported: bool,
    /// Last error that waiting does not remove, if the log has it.
    lasting: Option<String>,
}

impl Failures {
    /// Logs an error, but not one that the log has already.
    fn report(&mut self, error: &CollectorError) {
        let text = one_line(error);
        if error.is_temporary() {
            self.lasting = None;
            if !std::mem::replace(&mut self.is_reported, true) {
                tracing::warn!(
                    error = text,
                    "Cannot collect forwarded events yet; sources receive the status 503 and keep their events. The \
                     collector connects by itself when the database is available"
                );
            }
        } else if self.lasting.as_ref() != Some(&text) {
            tracing::error!(error = text, "Cannot collect forwarded events; the collector tries again");
            self.lasting = Some(text);
        } else {
            tracing::debug!(error = text, "Cannot open the collector of events");
        }
    }

    /// Returns the pause before the next attempt, which doubles each time.
    fn next_pause(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
    }
}

/// Time for which the start of the service waits for the first attempt.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Pauses between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut failures = Failures::default();
        let pauses: Vec<_> = std::iter::repeat_with(|| failures.next_pause()).take(10).collect();
        assert_eq!(pauses[..3], [100, 200, 400].map(Duration::from_millis));
        assert_eq!(pauses[8..], [LONGEST_PAUSE; 2]);
    }
}
