//! Task of one source in one subscription.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{EventPage, Subscription};
use eventing::{CollectorSubscription, Source};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use winevent::Timestamp;
use winevent::delivery::Head;
use winevent::subscription::{DeliveryMode, EventSource};
use wsman::eventing::Start;

use crate::PullerParts;
use crate::back_off::BackOff;
use crate::connection;
use crate::connection_limit::ConnectionLimit;
use crate::error::PullError;
use crate::page::Batch;

/// Task that receives the events of one source.
pub(crate) struct SourceTask {
    pub(crate) parts: Arc<PullerParts>,
    pub(crate) limit: Arc<ConnectionLimit>,
    /// Subscription without its sources.
    pub(crate) settings: Arc<CollectorSubscription>,
    pub(crate) event_source: EventSource,
    pub(crate) source: Source,
    /// Becomes `true` when the task must end.
    pub(crate) stop: watch::Receiver<bool>,
    /// Ends the pause after a failure.
    pub(crate) retry: Arc<Notify>,
}

/// Reason why a connection has ended without an error.
pub(crate) enum Turn {
    /// The task must end, or the subscription has expired.
    Stopped,
    /// Another task waits for a connection, or the subscription would expire soon.
    Over,
}

/// State that outlives connections.
#[derive(Default)]
pub(crate) struct History {
    back_off: BackOff,
    /// Last reported failure, which is reported as a warning only once.
    reported: Option<String>,
    /// Whether the source has rejected the stored bookmark.
    is_bookmark_rejected: bool,
    /// Whether the push subscription of an earlier process was cancelled.
    is_earlier_cancelled: bool,
}

impl SourceTask {
    /// Receives events until the task is stopped.
    pub(crate) async fn run(mut self) {
        let mut history = History::default();
        loop {
            let ended = match self.delivery_mode() {
                DeliveryMode::Pull => self.connect_and_pull(&mut history).await,
                DeliveryMode::Push => self.subscribe_and_receive(&mut history).await,
            };
            let error = match ended {
                Ok(Turn::Stopped) => return,
                Ok(Turn::Over) => continue,
                Err(error) => error,
            };
            if error.is_invalid_bookmark() && !history.is_bookmark_rejected {
                tracing::warn!(
                    source = %self.source.name,
                    subscription = %self.settings.subscription.id,
                    "Source rejects the stored bookmark; all its events are pulled again"
                );
                history.is_bookmark_rejected = true;
                continue;
            }
            let random = random::bytes::<1>().map_or(0, |[byte]| byte);
            let pause = history.back_off.next(error.pause_bounds(), random);
            self.report(&error, pause, &mut history).await;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.retry.notified() => {}
                _ = self.stop.wait_for(|is_stopped| *is_stopped) => return,
            }
        }
    }

    /// Returns the direction of the requests that carry events.
    fn delivery_mode(&self) -> DeliveryMode {
        let subscription = &self.settings.subscription;
        match self.parts.presets_push {
            true => subscription.delivery_mode_of_windows(),
            false => subscription.delivery_mode(),
        }
    }

    /// Subscribes and pulls until the task is stopped or its turn is over.
    async fn connect_and_pull(&mut self, history: &mut History) -> Result<Turn, PullError> {
        if !self.is_active() {
            return Ok(Turn::Stopped);
        }
        let limit = Arc::clone(&self.limit);
        let _permit = tokio::select! {
            permit = limit.acquire() => permit,
            _ = self.stop.wait_for(|is_stopped| *is_stopped) => return Ok(Turn::Stopped),
        };
        let wait = self.wait();
        let session = connection::session(&self.parts, &self.settings, &self.event_source, wait)?;
        if !history.is_earlier_cancelled {
            // An earlier process with other settings may have left a push subscription at the source.
            history.is_earlier_cancelled = self.cancel_earlier(&session).await;
        }
        let start = self.start(history).await?;
        let settings = Arc::clone(&self.settings);
        let subscribing = timeout(wait + RESPONSE_TIME, connection::subscribe(&session, &settings, start));
        let mut subscription = tokio::select! {
            subscribed = subscribing => subscribed.map_err(|_| PullError::Slow(wait + RESPONSE_TIME))??,
            _ = self.stop.wait_for(|is_stopped| *is_stopped) => return Ok(Turn::Stopped),
        };
        tracing::debug!(source = %self.source.name, subscription = %settings.subscription.id, "Subscribed at an event source");
        self.note_contact().await;
        let pulled = self.pull(&mut subscription, wait, history).await;
        let is_ended = pulled.as_ref().is_err_and(PullError::is_end);
        if !is_ended {
            // The source may not answer any more.
            let _ = timeout(FAREWELL, subscription.unsubscribe()).await;
        }
        pulled
    }

    async fn pull(
        &mut self,
        subscription: &mut Subscription,
        wait: Duration,
        history: &mut History,
    ) -> Result<Turn, PullError> {
        let begun = Instant::now();
        let granted = subscription.expires().unwrap_or(connection::LIFETIME).min(connection::LIFETIME);
        let turn = self.parts.turn;
        let lifetime = (granted / 2).max(turn);
        while self.is_active() {
            let requested = Instant::now();
            let page = tokio::select! {
                page = timeout(wait + RESPONSE_TIME, subscription.next_page()) => page,
                _ = self.stop.wait_for(|is_stopped| *is_stopped) => return Ok(Turn::Stopped),
            };
            let page = page.map_err(|_| PullError::Slow(wait + RESPONSE_TIME))?.ok_or(PullError::Ended)??;
            if !self.store(&page).await? {
                return Ok(Turn::Stopped);
            }
            self.note_recovery(history);
            let age = begun.elapsed();
            if age >= lifetime || (self.limit.is_contended() && age >= turn) {
                return Ok(Turn::Over);
            }
            let pause = self.pause_after(&page).saturating_sub(requested.elapsed());
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.stop.wait_for(|is_stopped| *is_stopped) => return Ok(Turn::Stopped),
            }
        }
        Ok(Turn::Stopped)
    }

    /// Stores the events of a response. While the collector cannot store them, the batch is kept and tried again.
    /// Returns `false` if the task was stopped before.
    async fn store(&mut self, page: &EventPage) -> Result<bool, PullError> {
        if page.dropped > 0 {
            tracing::warn!(source = %self.source.name, count = page.dropped, "Source has dropped events");
        }
        if page.events.is_empty() && page.bookmark.is_none() {
            self.note_contact().await;
            return Ok(true);
        }
        let batch = Batch::of(page, &self.settings.version);
        let items = batch.items();
        let delivered = eventing::Batch { head: &batch.head, items: &items };
        let mut back_off = BackOff::default();
        loop {
            // Not interrupted: a batch that is being written has a bookmark that the next task needs.
            let error = match self.parts.collector.deliver(&self.source, &self.settings, delivered).await {
                Ok(_) => return Ok(true),
                Err(error) => PullError::Collector(error),
            };
            let pause = back_off.next(error.pause_bounds(), 0);
            tracing::warn!(source = %self.source.name, %error, "Cannot store pulled events; trying again");
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.stop.wait_for(|is_stopped| *is_stopped) => return Ok(false),
            }
        }
    }

    /// Forgets earlier failures after events or a heartbeat.
    pub(crate) fn note_recovery(&self, history: &mut History) {
        if history.reported.take().is_some() {
            tracing::info!(source = %self.source.name, subscription = %self.settings.subscription.id, "Receiving from the source again");
        }
        history.back_off.reset();
        history.is_bookmark_rejected = false;
    }

    /// Returns the position at which the subscription begins.
    pub(crate) async fn start(&self, history: &History) -> Result<Option<Start>, PullError> {
        if history.is_bookmark_rejected {
            // The record numbers of the source may have begun anew.
            self.parts.collector.forget_bookmark(&self.source, &self.settings).await.map_err(Arc::new)?;
            return Ok(Some(Start::Earliest));
        }
        let stored = self.parts.collector.bookmark(&self.source, &self.settings).await.map_err(Arc::new)?;
        let existing = self.settings.subscription.read_existing_events.then_some(Start::Earliest);
        Ok(stored.map(Start::Bookmark).or(existing))
    }

    /// Returns the time that the source may wait for an event. The answer without events is the heartbeat.
    fn wait(&self) -> Duration {
        if self.limit.is_contended() {
            return SHORT_WAIT;
        }
        let heartbeat = Duration::from_millis(self.settings.subscription.timing().heartbeat.into());
        heartbeat.clamp(SHORT_WAIT, LONGEST_WAIT)
    }

    /// Returns the time between two requests. A response that is not full is followed by a pause, so that the next one
    /// has several events; it is short compared with the maximum latency.
    fn pause_after(&self, page: &EventPage) -> Duration {
        let timing = self.settings.subscription.timing();
        let most = usize::try_from(timing.max_items.unwrap_or(FULL)).unwrap_or(usize::MAX);
        if page.events.is_empty() {
            return SHORTEST_PAUSE;
        }
        if page.events.len() >= most {
            return Duration::ZERO;
        }
        (Duration::from_millis(timing.max_latency.into()) / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    pub(crate) fn is_active(&self) -> bool {
        !*self.stop.borrow() && self.settings.subscription.is_active(Timestamp::from(SystemTime::now()))
    }

    async fn note_contact(&self) {
        let head = Head { identifier: Some(self.settings.version.clone()), ..Head::default() };
        if let Err(error) = self.parts.collector.note(&self.source, &self.settings, &head, None).await {
            tracing::warn!(source = %self.source.name, %error, "Cannot record the contact with an event source");
        }
    }

    /// Records a failure, and logs it if it is another one than before.
    async fn report(&self, error: &PullError, pause: Duration, history: &mut History) {
        let subscription = &self.settings.subscription;
        let failure = error.failure(subscription, &self.event_source.address, self.delivery_mode(), pause);
        let retry_s = pause.as_secs();
        if history.reported.as_ref() == Some(&failure.message) || error.is_end() {
            tracing::debug!(source = %self.source.name, subscription = %subscription.id, error = failure.message, retry_s, "No events can be received from a source");
        } else {
            tracing::warn!(source = %self.source.name, subscription = %subscription.id, error = failure.message, retry_s, "No events can be received from a source");
        }
        if let Err(error) = self.parts.collector.note_failure(&self.source, &self.settings, &failure).await {
            tracing::warn!(source = %self.source.name, %error, "Cannot record the failure of an event source");
        }
        history.reported = Some(failure.message);
    }
}

/// Time for a response in addition to the time that the source may wait.
pub(crate) const RESPONSE_TIME: Duration = Duration::from_secs(60);
/// Time for the last message to a source.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);
/// Minimum and maximum time that a source may wait for an event.
const SHORT_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Minimum and maximum time between two requests, unless a response was full.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Number of events of a full response, if the subscription has no maximum.
const FULL: u32 = 100;
