//! Subscriptions whose events a plug-in pushes to the subscriber.

use std::sync::{Arc, Weak};
use std::time::Duration;

use config::State;
use locks::Mutex;
use tokio::sync::watch;
use wsman::{Action, Fault, Head};

use super::{
    NewSubscription, Phase, Subscription, SubscriptionMap, Subscriptions, account_disabled, close, end_of,
};
use crate::access;
use crate::authentication::SignIn;
use crate::caller::Caller;
use crate::plugin::{Answer, EndReason};
use crate::request_limits::RequestLimits;
use crate::resource::TargetResource;

/// The subscriber, and the means to check its account again while events are pushed.
pub(crate) struct PushOwner {
    caller: Arc<Caller>,
    sign_in: Arc<SignIn>,
    state: watch::Receiver<Arc<State>>,
}

/// Minimum time between two checks of an account.
const MIN_CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl PushOwner {
    /// Creates the owner of a subscription.
    pub(crate) fn new(caller: Arc<Caller>, sign_in: Arc<SignIn>, state: watch::Receiver<Arc<State>>) -> Self {
        Self { caller, sign_in, state }
    }

    /// Verifies that the owner may still sign in and receive events of a resource. Updates its groups.
    async fn recheck(&mut self, target: &TargetResource) -> Result<(), Fault> {
        self.caller = self.sign_in.recheck(&self.caller).await.ok_or_else(account_disabled)?;
        let state = Arc::clone(&self.state.borrow());
        access::admit(&self.caller, target, &Action::Subscribe, &state).map(|_| ())
    }
}

impl Subscriptions {
    /// Creates a subscription whose events the plug-in pushes, and responds to Subscribe.
    pub(crate) fn create_push(
        &self,
        new: NewSubscription,
        owner: PushOwner,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        let (answer, subscription) = self.open(new, head, limits)?;
        tokio::spawn(follow(Arc::downgrade(&self.0), Arc::downgrade(&subscription), owner));
        Ok(answer)
    }
}

/// Ends a subscription when its delivery has ended or its owner has lost the right to it.
async fn follow(all: Weak<Mutex<SubscriptionMap>>, subscription: Weak<Subscription>, mut owner: PushOwner) {
    let Some((mut phase, source)) = subscription
        .upgrade()
        .map(|subscription| (subscription.phase.subscribe(), Arc::clone(&subscription.source)))
    else {
        return;
    };
    let mut source = source.lock_owned().await;
    let interval = owner.sign_in.check_lifetime().max(MIN_CHECK_INTERVAL);
    let end = loop {
        tokio::select! {
            // This also returns when the subscription is dropped.
            last = end_of(&mut phase) => {
                if last == Phase::Expired {
                    source.items.end(EndReason::Expired);
                }
                return;
            }
            next = source.items.next() => match next {
                Some(Err(fault)) => break Some(fault),
                // The plug-in delivers events itself.
                Some(Ok(_)) => continue,
                None => break None,
            },
            () = tokio::time::sleep(interval) => {}
        }
        let Some(target) = subscription.upgrade().map(|subscription| subscription.target.clone()) else {
            return;
        };
        let rechecked = owner.recheck(&target).await;
        if let Err(fault) = rechecked.and_then(|()| source.items.check_access(&owner.caller)) {
            source.items.end(EndReason::AccessLost);
            break Some(fault);
        }
    };
    let (Some(all), Some(subscription)) = (all.upgrade(), subscription.upgrade()) else { return };
    match end {
        Some(fault) => tracing::debug!(subscription = subscription.identifier, %fault, "Push delivery ended"),
        None => tracing::debug!(subscription = subscription.identifier, "Push delivery ended"),
    }
    close(&all, &subscription, Phase::Ended);
}
