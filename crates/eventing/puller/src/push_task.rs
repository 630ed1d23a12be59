//! Push delivery in the task of one source: subscribes with an address of this collector, and renews the subscription.

use std::sync::Arc;
use std::time::Duration;

use client::{Error, PushSubscription, Session};
use eventing::{Activity, DeliveryRequest};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::connection::{self, LIFETIME};
use crate::delivery_address;
use crate::error::PullError;
use crate::source_task::{FAREWELL, History, RESPONSE_TIME, SourceTask, Turn};

/// Reason to look at a subscription.
enum Wake {
    /// The source has sent a message.
    Message,
    /// The subscription must be renewed.
    Renewal,
    /// No message has arrived in time.
    Silence,
    /// The task may have been stopped, or the subscription may have expired.
    Check,
}

/// Times of a subscription.
struct Schedule {
    /// Time without a message after which the source counts as silent.
    silence: Duration,
    silent_at: Instant,
    renew_at: Instant,
}

impl SourceTask {
    /// Subscribes and waits while the source delivers, until the task is stopped.
    pub(crate) async fn subscribe_and_receive(&mut self, history: &mut History) -> Result<Turn, PullError> {
        if !self.is_active() {
            return Ok(Turn::Stopped);
        }
        let session = connection::session(&self.parts, &self.settings, &self.event_source, RESPONSE_TIME)?;
        let request = self.parts.collector.expect_delivery(&self.source, &self.settings).map_err(Arc::new)?;
        let received = self.receive(&session, &request, history).await;
        // The next subscription begins at the bookmark of the last message that is being stored.
        request.close().await;
        received
    }

    async fn receive(
        &mut self,
        session: &Session,
        request: &DeliveryRequest,
        history: &mut History,
    ) -> Result<Turn, PullError> {
        let mut activity = request.activity();
        let Some(mut subscription) = self.subscribe_push(session, request, history).await? else {
            return Ok(Turn::Stopped);
        };
        tracing::info!(source = %self.source.name, subscription = %self.settings.subscription.id, "Subscribed at an event source that pushes");
        self.note_open_delivery(subscription.identifier()).await;
        let received = self.follow(&mut subscription, &mut activity, history).await;
        let is_over = match received.as_ref().is_err_and(PullError::is_end) {
            true => true,
            // The source may not answer any more.
            false => matches!(timeout(FAREWELL, subscription.unsubscribe()).await, Ok(Ok(()))),
        };
        if is_over {
            self.note_open_delivery(None).await;
        }
        received
    }

    /// Cancels the subscription that an earlier process, or an earlier connection, has left at the source, so that a
    /// collector that restarts often does not exhaust the source's limit of subscriptions. Returns whether there is none
    /// any more.
    pub(crate) async fn cancel_earlier(&self, session: &Session) -> bool {
        let identifier = match self.parts.collector.open_delivery(&self.source, &self.settings).await {
            Ok(Some(identifier)) => identifier,
            Ok(None) => return true,
            Err(error) => {
                tracing::warn!(source = %self.source.name, %error, "Cannot read the earlier subscription at an event source");
                return false;
            }
        };
        let Ok(earlier) = connection::earlier(session, &self.settings, identifier) else { return false };
        match timeout(FAREWELL, earlier.unsubscribe()).await {
            Ok(Ok(())) => {
                tracing::debug!(source = %self.source.name, "Cancelled the earlier subscription at an event source");
            }
            // The source has ended the subscription itself.
            Ok(Err(Error::Fault(_))) => {}
            // The next message shows the reason.
            Ok(Err(_)) | Err(_) => return false,
        }
        self.note_open_delivery(None).await;
        true
    }

    /// Stores the identifier of the subscription at the source, or its end.
    async fn note_open_delivery(&self, identifier: Option<&str>) {
        let collector = &self.parts.collector;
        if let Err(error) = collector.set_open_delivery(&self.source, &self.settings, identifier).await {
            tracing::warn!(source = %self.source.name, %error, "Cannot store the subscription at an event source");
        }
    }

    /// Sends Subscribe with the address of this delivery. Returns `None` if the task was stopped.
    async fn subscribe_push(
        &mut self,
        session: &Session,
        request: &DeliveryRequest,
        history: &History,
    ) -> Result<Option<PushSubscription>, PullError> {
        let limit = Arc::clone(&self.limit);
        let _permit = tokio::select! {
            permit = limit.acquire() => permit,
            _ = self.stop.wait_for(|is_stopped| *is_stopped) => return Ok(None),
        };
        let _ = self.cancel_earlier(session).await;
        let start = self.start(history).await?;
        let delivery = delivery_address::delivery(&self.parts, &self.settings, request.secret())?;
        let settings = Arc::clone(&self.settings);
        let limit = RESPONSE_TIME + RESPONSE_TIME;
        let subscribing = timeout(limit, connection::subscribe_push(session, &settings, start, delivery));
        tokio::select! {
            subscribed = subscribing => Ok(Some(subscribed.map_err(|_| PullError::Slow(limit))??)),
            _ = self.stop.wait_for(|is_stopped| *is_stopped) => Ok(None),
        }
    }

    /// Waits until the task is stopped, the source ends the subscription, or nothing arrives any more.
    async fn follow(
        &mut self,
        subscription: &mut PushSubscription,
        activity: &mut watch::Receiver<Activity>,
        history: &mut History,
    ) -> Result<Turn, PullError> {
        let mut schedule = self.schedule(subscription);
        while self.is_active() {
            let wake = tokio::select! {
                changed = activity.changed() => match changed {
                    Ok(()) => Wake::Message,
                    Err(_) => return Err(PullError::Ended),
                },
                () = sleep_until(schedule.renew_at) => Wake::Renewal,
                () = sleep_until(schedule.silent_at) => Wake::Silence,
                // The subscription may expire.
                () = sleep(CHECK_INTERVAL) => Wake::Check,
                _ = self.stop.wait_for(|is_stopped| *is_stopped) => Wake::Check,
            };
            match wake {
                Wake::Message => {
                    let current = activity.borrow_and_update().clone();
                    if let Some(reason) = current.end {
                        return Err(PullError::EndedBySource(reason));
                    }
                    self.note_recovery(history);
                    schedule.silent_at = Instant::now() + schedule.silence;
                }
                Wake::Renewal => {
                    self.renew(subscription).await?;
                    schedule.renew_at = Instant::now() + lifetime(subscription) / 2;
                }
                Wake::Silence => {
                    return Err(match activity.borrow().messages {
                        0 => PullError::NotReached(delivery_address::shown(&self.parts, &self.settings)),
                        _ => PullError::Silent(schedule.silence),
                    });
                }
                Wake::Check => {}
            }
        }
        Ok(Turn::Stopped)
    }

    fn schedule(&self, subscription: &PushSubscription) -> Schedule {
        let heartbeat = delivery_address::heartbeat(&self.settings);
        let silence = heartbeat + heartbeat.clamp(MIN_TOLERANCE, MAX_TOLERANCE);
        let now = Instant::now();
        // A source sends a heartbeat as soon as it has subscribed.
        let silent_at = now + silence.min(FIRST_MESSAGE);
        Schedule { silence, silent_at, renew_at: now + lifetime(subscription) / 2 }
    }

    async fn renew(&mut self, subscription: &mut PushSubscription) -> Result<(), PullError> {
        let limit = Arc::clone(&self.limit);
        let renewing = async {
            let _permit = limit.acquire().await;
            timeout(RESPONSE_TIME, subscription.renew(Some(LIFETIME))).await
        };
        tokio::select! {
            renewed = renewing => {
                renewed.map_err(|_| PullError::Slow(RESPONSE_TIME))??;
            }
            // The caller notices it.
            _ = self.stop.wait_for(|is_stopped| *is_stopped) => {}
        }
        Ok(())
    }
}

/// Returns the time that the source has granted.
fn lifetime(subscription: &PushSubscription) -> Duration {
    subscription.expires().unwrap_or(LIFETIME).clamp(MIN_LIFETIME, LIFETIME)
}

/// Time for the first message of a source.
const FIRST_MESSAGE: Duration = Duration::from_secs(60);
/// Bounds of the time by which a heartbeat may be late.
const MIN_TOLERANCE: Duration = Duration::from_secs(5);
const MAX_TOLERANCE: Duration = Duration::from_secs(60);
/// Interval in which the end of the subscription is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Lifetime of a subscription that a source grants for less time than a request takes.
const MIN_LIFETIME: Duration = Duration::from_secs(2);
