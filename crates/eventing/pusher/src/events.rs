//! The end of a delivery, for the service.

use std::sync::Arc;

use limits::Permit;
use sddl::Sid;
use service::{BoxFuture, Caller, EndReason, Item, Items};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use wsman::Fault;

use crate::delivery::DeliveryTask;

/// Items of a push subscription: none, but an end. Dropping them ends the delivery without a message, except after
/// [`Items::end`].
pub(crate) struct PushedEvents {
    /// `None` once the end was returned.
    end: Option<oneshot::Receiver<Option<Fault>>>,
    checks: mpsc::Sender<Arc<Caller>>,
    /// Tells the task why it ends.
    ended: watch::Sender<Option<EndReason>>,
    task: AbortHandle,
    /// Counts the subscription.
    _permit: Permit<Sid>,
}

/// Number of checks of rights that wait for the task.
const CHECKS: usize = 1;

impl PushedEvents {
    /// Starts the task that `delivery` creates with the receivers of checks and of the reason for its end.
    pub(crate) fn start(
        permit: Permit<Sid>,
        delivery: impl FnOnce(mpsc::Receiver<Arc<Caller>>, watch::Receiver<Option<EndReason>>) -> DeliveryTask,
    ) -> Self {
        let (checks, received) = mpsc::channel(CHECKS);
        let (ended, reason) = watch::channel(None);
        let (sender, end) = oneshot::channel();
        let delivery = delivery(received, reason);
        let task = tokio::spawn(async move {
            // The service may have ended the subscription.
            let _ = sender.send(delivery.run().await);
        });
        Self { end: Some(end), checks, ended, task: task.abort_handle(), _permit: permit }
    }
}

impl Items for PushedEvents {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            let end = match &mut self.end {
                Some(end) => end.await,
                None => return None,
            };
            self.end = None;
            end.ok().flatten().map(Err)
        })
    }

    /// Passes the subscriber to the task, which checks its rights before the next message and ends without them.
    fn check_access(&self, caller: &Caller) -> Result<(), Fault> {
        let caller = Caller::new(caller.identity().clone(), caller.token().clone(), caller.address())
            .with_location(caller.location());
        // A check that waits already leads to the same decision.
        let _ = self.checks.try_send(Arc::new(caller));
        Ok(())
    }

    /// Lets the task report the reason to the subscriber, which takes a few seconds at most.
    fn end(&mut self, reason: EndReason) {
        self.ended.send_replace(Some(reason));
    }
}

impl Drop for PushedEvents {
    fn drop(&mut self) {
        if self.ended.borrow().is_none() {
            self.task.abort();
        }
    }
}
