//! Delivery of the events of one subscription.

use std::sync::Arc;
use std::time::Duration;

use service::{Caller, EndReason, Items};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use winevent::delivery::Push;
use wsman::Fault;

use crate::batch::{Batch, TooLarge};
use crate::error::PushError;
use crate::request::DeliveryRules;
use crate::send_error::SendError;
use crate::sink::Sink;

/// Task that delivers the events of a subscription.
pub(crate) struct DeliveryTask {
    pub(crate) items: Box<dyn Items>,
    pub(crate) rules: DeliveryRules,
    pub(crate) notify_to: Sink,
    pub(crate) end_to: Option<Sink>,
    /// Becomes `true` when the service stops.
    pub(crate) stop: watch::Receiver<bool>,
    /// Reason why the service ends the subscription, once it does.
    pub(crate) ended: watch::Receiver<Option<EndReason>>,
    /// The subscriber with its current rights, whenever they are to be checked.
    pub(crate) checks: mpsc::Receiver<Arc<Caller>>,
}

/// Reason why a delivery has ended.
#[derive(Debug)]
enum End {
    /// There are no more events.
    Over,
    /// The events cannot be read, or the subscriber has lost the right to them.
    Failed(Fault),
    /// An event does not fit into a message.
    TooLarge(TooLarge),
    /// The subscriber has cancelled the subscription.
    Cancelled,
    /// The subscriber has not accepted a message in any attempt.
    Undeliverable(SendError),
    /// The service stops.
    Stopped,
    /// The service has ended the subscription.
    Ended(EndReason),
}

/// Progress of a delivery.
struct Progress {
    batch: Batch,
    sent_at: Instant,
    /// Reason why no events follow those of the batch.
    end: Option<End>,
}

/// Delay before the first repetition of a message; it doubles up to the interval of the subscription.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Time for the message about the end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

impl DeliveryTask {
    /// Delivers events until the subscription ends. Returns the fault that has ended it.
    pub(crate) async fn run(mut self) -> Option<Fault> {
        let end = self.deliver().await;
        self.report(&end).await;
        match end {
            End::Over | End::Stopped | End::Ended(_) => None,
            End::Failed(fault) => Some(fault),
            End::TooLarge(TooLarge { bytes }) => Some(PushError::TooLarge { bytes }.into()),
            End::Cancelled => Some(PushError::Cancelled.into()),
            End::Undeliverable(_) => Some(PushError::Undeliverable.into()),
        }
    }

    async fn deliver(&mut self) -> End {
        let mut progress = Progress { batch: Batch::new(self.rules), sent_at: Instant::now(), end: None };
        if self.rules.heartbeat.is_some()
            && let Err(end) = self.send(Push::Heartbeat, None).await
        {
            return end;
        }
        loop {
            if let Err(end) = self.collect(&mut progress).await {
                return end;
            }
            let (content, bookmark) = match progress.batch.is_empty() {
                true => (Push::Heartbeat, None),
                false => progress.batch.content(),
            };
            if let Err(end) = self.send(content, bookmark).await {
                return end;
            }
            progress.sent_at = Instant::now();
            if let Err(large) = progress.batch.clear(progress.sent_at) {
                return End::TooLarge(large);
            }
        }
    }

    /// Collects the events of the next message. The batch stays empty if a heartbeat is due.
    async fn collect(&mut self, progress: &mut Progress) -> Result<(), End> {
        loop {
            let Progress { batch, sent_at, end } = progress;
            if batch.is_full() || (end.is_some() && !batch.is_empty()) {
                return Ok(());
            }
            if let Some(end) = end.take() {
                return Err(end);
            }
            // Events that are waiting replace a heartbeat.
            let heartbeat = self.rules.heartbeat.map(|interval| *sent_at + interval);
            let due = [batch.due(), heartbeat].into_iter().flatten().min();
            tokio::select! {
                end = interruption(&mut self.stop, &mut self.ended) => return Err(end),
                Some(caller) = self.checks.recv() => {
                    self.items.check_access(&caller).map_err(End::Failed)?;
                }
                next = self.items.next() => match next {
                    Some(Ok(item)) => batch.add(item, Instant::now()).map_err(End::TooLarge)?,
                    Some(Err(fault)) => *end = Some(End::Failed(fault)),
                    None => *end = Some(End::Over),
                },
                () = wait_until(due) => return Ok(()),
            }
        }
    }

    /// Sends a message until the subscriber has accepted it, or no attempt is left.
    async fn send(&mut self, content: Push<'_>, bookmark: Option<&str>) -> Result<(), End> {
        let mut delay = FIRST_RETRY;
        let mut attempts = 0;
        loop {
            while let Ok(caller) = self.checks.try_recv() {
                self.items.check_access(&caller).map_err(End::Failed)?;
            }
            let error = tokio::select! {
                sent = self.notify_to.push(content, bookmark, self.rules.mode) => match sent {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                end = interruption(&mut self.stop, &mut self.ended) => return Err(end),
            };
            attempts += 1;
            if error.is_cancellation() {
                return Err(End::Cancelled);
            }
            if attempts > self.rules.retries {
                return Err(End::Undeliverable(error));
            }
            tracing::debug!(address = %self.notify_to.server(), %error, "Cannot deliver events; trying again");
            tokio::select! {
                () = tokio::time::sleep(delay.min(self.rules.retry_interval)) => {}
                end = interruption(&mut self.stop, &mut self.ended) => return Err(end),
            }
            delay = delay.saturating_mul(2);
        }
    }

    /// Logs the end, and reports it to the address for that if the subscriber has not ended the subscription itself
    /// (WS-Eventing 3.4).
    async fn report(&mut self, end: &End) {
        let (status, reason) = match end {
            End::Over => ("SourceCancelling", "there are no more events".to_owned()),
            End::Failed(fault) => ("SourceCancelling", fault.to_string()),
            End::TooLarge(TooLarge { bytes }) => {
                ("SourceCancelling", PushError::TooLarge { bytes: *bytes }.to_string())
            }
            End::Stopped => ("SourceShuttingDown", "the service of this machine stops".to_owned()),
            End::Ended(EndReason::Expired) => {
                ("SourceCancelling", "the subscription has expired; subscribe again".to_owned())
            }
            End::Ended(EndReason::AccessLost) => {
                ("SourceCancelling", "the subscriber has lost the right to the events".to_owned())
            }
            End::Undeliverable(error) => {
                tracing::warn!(address = %self.notify_to.server(), %error, "Push delivery failed; the subscription ends");
                ("DeliveryFailure", "the address for events has not accepted a message".to_owned())
            }
            End::Cancelled => return,
        };
        let Some(end_to) = &self.end_to else { return };
        // The subscriber may be gone, so failures do not matter.
        if let Ok(Err(error)) = timeout(END_TIMEOUT, end_to.end(status, &reason)).await {
            tracing::debug!(%error, "Cannot report the end of a subscription");
        }
    }
}

/// Waits until the service stops, or ends the subscription.
async fn interruption(
    stop: &mut watch::Receiver<bool>,
    ended: &mut watch::Receiver<Option<EndReason>>,
) -> End {
    tokio::select! {
        // An error means that the plug-in was dropped without a stop.
        _ = stop.wait_for(|stop| *stop) => End::Stopped,
        Some(reason) = reason(ended) => End::Ended(reason),
    }
}

/// Waits for the reason of the end. Returns `None` if the subscription is dropped without one.
async fn reason(ended: &mut watch::Receiver<Option<EndReason>>) -> Option<EndReason> {
    ended.wait_for(Option::is_some).await.ok().and_then(|reason| *reason)
}

/// Waits until a time; forever without one.
async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
