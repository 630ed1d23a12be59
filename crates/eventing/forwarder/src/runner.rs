//! One running subscription.

use std::sync::Arc;
use std::time::Duration;

use eventlog::channel;
use eventlog::local::LocalLogs;
use eventlog::text::TextLogPath;
use eventlog::{EventOptions, StartPosition};
use tokio::sync::watch;
use tokio::time::Instant;
use winevent::delivery::OfferedSubscription;

use crate::batch::{Batch, BatchRules};
use crate::report::Report;
use crate::state::StateFile;
use crate::stop::stopped;
use crate::transport::{CollectorLink, Outgoing};
use crate::{ForwarderError, ForwarderParts};

/// Subscription that is delivered to a collector.
pub(crate) struct Runner {
    parts: Arc<ForwarderParts>,
    state: Arc<StateFile>,
    /// Key of the subscription in the state.
    key: String,
    name: String,
    rules: Arc<BatchRules>,
    link: CollectorLink,
}

/// Whether a subscription goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Continue,
    /// The forwarder stops, or the subscription has changed.
    Stop,
}

/// Position and batch of a running subscription.
struct Progress {
    logs: LocalLogs,
    batch: Batch,
    /// Time of the last message.
    sent_at: Instant,
    /// Time at which the position was last stored.
    committed_at: Instant,
    /// Time at which the first event of the batch was read; `None` without events.
    oldest: Option<Instant>,
}

impl Progress {
    /// Returns whether the batch must be sent.
    fn is_due(&self, offer: &OfferedSubscription) -> bool {
        self.batch.is_full() || self.oldest.is_some_and(|oldest| oldest.elapsed() >= offer.max_latency)
    }
}

/// Interval in which the logs are read again.
const POLL: Duration = Duration::from_millis(500);
/// Interval in which the position is stored while no event is selected.
const IDLE_COMMIT: Duration = Duration::from_secs(60);
/// Delay before the first repetition of a message; it doubles up to the interval of the subscription.
const FIRST_RETRY: Duration = Duration::from_secs(1);

impl Runner {
    /// Prepares a subscription; sends nothing.
    pub(crate) fn new(
        parts: Arc<ForwarderParts>,
        state: Arc<StateFile>,
        key: String,
        offer: OfferedSubscription,
    ) -> Result<Self, ForwarderError> {
        let to = &offer.notify_to;
        let link = CollectorLink::new(&parts, &to.url, to.reference.clone(), offer.is_compressed)?;
        let name = offer.name.clone();
        Ok(Self { parts, state, key, name, rules: Arc::new(BatchRules::new(offer)), link })
    }

    /// Delivers events until `stop` becomes `true`, or the collector cannot be reached any more.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        if !self.check_channels() {
            return;
        }
        match self.deliver(&mut stop).await {
            Ok(()) => {
                self.end().await;
                Report::Ended { subscription: &self.name, reason: "stopped by this machine" }.write();
            }
            Err(error) => {
                Report::Failed { address: self.link.url(), error: &error }.write();
                Report::Ended { subscription: &self.name, reason: "it is tried again at the next refresh" }
                    .write();
            }
        }
    }

    async fn deliver(&self, stop: &mut watch::Receiver<bool>) -> Result<(), ForwarderError> {
        let mut progress = self.open().await?;
        if self.send(stop, &Outgoing::Heartbeat).await? == Next::Stop {
            return Ok(());
        }
        loop {
            let has_more;
            (progress, has_more) = self.fill(progress).await?;
            if *stop.borrow() {
                return Ok(());
            }
            let next = match progress.is_due(&self.rules.offer) {
                true => self.send_batch(&mut progress, stop).await?,
                false => self.wait_for_events(&mut progress, has_more, stop).await?,
            };
            if next == Next::Stop {
                return Ok(());
            }
        }
    }

    /// Sends the events of the batch, and stores the position behind them.
    async fn send_batch(
        &self,
        progress: &mut Progress,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Next, ForwarderError> {
        let begun = Instant::now();
        let bookmark = progress.batch.bookmark()?;
        let items = progress.batch.take_items();
        let form = self.rules.offer.form;
        if self.send(stop, &Outgoing::Events { items: &items, bookmark: &bookmark, form }).await?
            == Next::Stop
        {
            return Ok(Next::Stop);
        }
        tracing::debug!(subscription = self.name, events = items.len(), "Forwarded events");
        self.commit(progress).await?;
        progress.sent_at = Instant::now();
        progress.oldest = None;
        self.limit_rate(items.len(), begun, stop).await;
        Ok(Next::Continue)
    }

    /// Sends a heartbeat if it is due, and waits before the logs are read again.
    async fn wait_for_events(
        &self,
        progress: &mut Progress,
        has_more: bool,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Next, ForwarderError> {
        let offer = &self.rules.offer;
        if progress.sent_at.elapsed() >= offer.heartbeat {
            if self.send(stop, &Outgoing::Heartbeat).await? == Next::Stop {
                return Ok(Next::Stop);
            }
            progress.sent_at = Instant::now();
        }
        if progress.oldest.is_none() && progress.committed_at.elapsed() >= IDLE_COMMIT {
            self.commit(progress).await?;
        }
        if has_more {
            return Ok(Next::Continue);
        }
        let latency = progress.oldest.map(|oldest| offer.max_latency.saturating_sub(oldest.elapsed()));
        let pause = latency.unwrap_or(POLL).clamp(Duration::from_millis(5), POLL);
        Ok(wait(pause, stop).await)
    }

    /// Checks the channels of the query. Returns whether the subscription can run.
    fn check_channels(&self) -> bool {
        let offer = &self.rules.offer;
        let paths = offer.query.paths();
        let files: Vec<String> = self.parts.files.iter().map(TextLogPath::channel).collect();
        let unknown: Vec<&str> = paths
            .iter()
            .filter(|path| channel::find(path).is_none())
            .filter(|path| !files.iter().any(|channel| channel.eq_ignore_ascii_case(path)))
            .map(String::as_str)
            .collect();
        let channels = unknown.join(", ");
        if unknown.is_empty() {
            Report::Created { subscription: &self.name }.write();
            return true;
        }
        if offer.ignores_channel_errors {
            Report::CreatedWithoutChannels { subscription: &self.name, channels: &channels }.write();
            return true;
        }
        let reason = format!("unknown channels: {channels}");
        Report::NotCreated { subscription: &self.name, reason: &reason }.write();
        false
    }

    /// Opens the logs at the position of the subscription, and stores the position.
    async fn open(&self) -> Result<Progress, ForwarderError> {
        let (parts, state, rules) =
            (Arc::clone(&self.parts), Arc::clone(&self.state), Arc::clone(&self.rules));
        let key = self.key.clone();
        blocking(move || {
            let options =
                EventOptions { computer: parts.computer.clone(), has_rendering: rules.has_rendering() };
            let mut logs = LocalLogs::open(&parts.logs, state.sequences(), options)?
                .with_files(&parts.files, state.generations());
            let begin = StartPosition::seek(&mut logs, &rules.offer.start, state.positions(&key))?;
            state.commit(&key, begin.positions.clone(), &logs.sequences())?;
            let (sent_at, committed_at) = (Instant::now(), Instant::now());
            Ok(Progress {
                logs,
                batch: Batch::new(begin.positions, begin.received),
                sent_at,
                committed_at,
                oldest: None,
            })
        })
        .await
    }

    /// Reads events into the batch. Returns whether there may be more.
    async fn fill(&self, mut progress: Progress) -> Result<(Progress, bool), ForwarderError> {
        let (rules, state) = (Arc::clone(&self.rules), Arc::clone(&self.state));
        blocking(move || {
            let has_more = progress.batch.fill(&mut progress.logs, &rules)?;
            // The numbers of events must be the same after a crash.
            state.store_generations()?;
            if progress.batch.is_empty() {
                progress.oldest = None;
            } else if progress.oldest.is_none() {
                progress.oldest = Some(Instant::now());
            }
            Ok((progress, has_more))
        })
        .await
    }

    async fn commit(&self, progress: &mut Progress) -> Result<(), ForwarderError> {
        let (state, key) = (Arc::clone(&self.state), self.key.clone());
        let (positions, sequences) = (progress.batch.positions.clone(), progress.logs.sequences());
        blocking(move || state.commit(&key, positions, &sequences)).await?;
        progress.committed_at = Instant::now();
        Ok(())
    }

    /// Sends a message until the collector has acknowledged it, or the forwarder stops.
    async fn send(
        &self,
        stop: &mut watch::Receiver<bool>,
        outgoing: &Outgoing<'_>,
    ) -> Result<Next, ForwarderError> {
        let offer = &self.rules.offer;
        let mut delay = FIRST_RETRY;
        let mut attempts = 0;
        loop {
            let error = tokio::select! {
                sent = self.link.deliver(outgoing) => match sent {
                    Ok(()) => return Ok(Next::Continue),
                    Err(error) => error,
                },
                () = stopped(stop) => return Ok(Next::Stop),
            };
            attempts += 1;
            if error.is_cancellation() || attempts > offer.retries {
                return Err(error);
            }
            Report::Failed { address: self.link.url(), error: &error }.write();
            if wait(delay.min(offer.retry_interval), stop).await == Next::Stop {
                return Ok(Next::Stop);
            }
            delay = delay.saturating_mul(2);
        }
    }

    /// Waits so long that the rate of events is not above the limit.
    async fn limit_rate(&self, events: usize, begun: Instant, stop: &mut watch::Receiver<bool>) {
        let Some(rate) = self.parts.max_rate.filter(|rate| *rate > 0) else { return };
        let nanoseconds = u64::try_from(events).unwrap_or(u64::MAX).saturating_mul(1_000_000_000);
        let share = Duration::from_nanos(nanoseconds / u64::from(rate));
        // The next step notices a stop as well.
        let _ = wait(share.saturating_sub(begun.elapsed()), stop).await;
    }

    /// Tells the collector that the subscription has ended. The collector may have gone, so failures do not matter.
    async fn end(&self) {
        let offer = &self.rules.offer;
        let to = &offer.end_to;
        let Ok(link) = CollectorLink::new(&self.parts, &to.url, to.reference.clone(), offer.is_compressed)
        else {
            return;
        };
        let ending = link.deliver(&Outgoing::ShuttingDown);
        if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(5), ending).await {
            tracing::debug!(%error, "Cannot report the end of a subscription");
        }
    }
}

/// Waits for some time, or until the forwarder stops.
async fn wait(time: Duration, stop: &mut watch::Receiver<bool>) -> Next {
    tokio::select! {
        () = tokio::time::sleep(time) => Next::Continue,
        () = stopped(stop) => Next::Stop,
    }
}

/// Runs a function that reads files, in a thread that may block.
async fn blocking<T: Send + 'static>(
    function: impl FnOnce() -> Result<T, ForwarderError> + Send + 'static,
) -> Result<T, ForwarderError> {
    match tokio::task::spawn_blocking(function).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
