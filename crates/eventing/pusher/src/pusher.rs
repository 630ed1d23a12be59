//! Admission of subscriptions, and the start of their delivery.

use std::time::Duration;

use limits::{Capacity, KeyedLimit, Permit};
use sddl::Sid;
use service::{Answer, Call, Items};
use tokio::sync::watch;
use tokio::time::timeout;
use wsman::Fault;
use wsman::eventing::DeliveryMode;

use crate::delivery::DeliveryTask;
use crate::error::PushError;
use crate::events::PushedEvents;
use crate::request::{DeliveryRules, PushRequest};
use crate::sink::Sink;

/// Push delivery of the events of one plug-in.
pub struct Pusher {
    /// Full name of this machine.
    machine: String,
    stop: watch::Sender<bool>,
    open: KeyedLimit<Sid>,
}

/// Delivery of a subscription that was admitted.
pub enum Delivery {
    /// The subscriber requests events with Pull.
    Pull,
    /// This process sends the events.
    Push(Box<PushDelivery>),
}

/// Admitted push delivery.
pub struct PushDelivery {
    rules: DeliveryRules,
    notify_to: Sink,
    end_to: Option<Sink>,
    stop: watch::Receiver<bool>,
    permit: Permit<Sid>,
}

/// Maximum number of push subscriptions: each has a connection and the events of a message.
const CAPACITY: Capacity = Capacity { per_key: 16, total: 64 };
/// Time for messages about the end of subscriptions when the service stops.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(2_500);

impl Pusher {
    /// Creates a pusher without deliveries. `machine` is the full name of this machine.
    #[must_use]
    pub fn new(machine: String) -> Self {
        Self { machine, stop: watch::Sender::new(false), open: KeyedLimit::new() }
    }

    /// Creates a pusher without deliveries, whose messages have the name of this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::new(rustix::system::uname().nodename().to_string_lossy().into_owned())
    }

    /// Checks the delivery that a Subscribe request asks for; sends nothing.
    ///
    /// # Errors
    /// `w:UnsupportedFeature` for an address, authentication or encoding that cannot be used, `w:QuotaLimit` for too
    /// many subscriptions, and `w:SchemaValidationError` without an address.
    pub fn admit(&self, call: &Call) -> Result<Delivery, Fault> {
        let mode = call.operation.subscribe().map_or(DeliveryMode::Pull, |subscribe| subscribe.mode);
        if mode == DeliveryMode::Pull {
            return Ok(Delivery::Pull);
        }
        let request = PushRequest::of(call, mode)?;
        let permit = self.open.acquire(call.caller.sid(), CAPACITY);
        let permit = permit.map_err(|_| PushError::TooMany(CAPACITY.per_key))?;
        let (form, sign_in, config) = (request.form, request.sign_in.as_ref(), &call.config);
        let notify_to = Sink::new(request.notify_to, &self.machine, form, sign_in, config)?;
        let end_to = request.end_to.map(|address| {
            // The credentials are those of the server for events.
            let sign_in = sign_in.filter(|_| notify_to.is_same_server(&address.url));
            Sink::new(address, &self.machine, form, sign_in, config)
        });
        let (rules, end_to, stop) = (request.rules, end_to.transpose()?, self.stop.subscribe());
        Ok(Delivery::Push(Box::new(PushDelivery { rules, notify_to, end_to, stop, permit })))
    }

    /// Ends all deliveries because the service stops, and waits until the subscribers know it or a short time has passed.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        if timeout(CLOSE_TIMEOUT, self.stop.closed()).await.is_err() {
            tracing::debug!("Some subscribers do not know that the service stops");
        }
    }
}

impl Delivery {
    /// Returns whether every event is the content of a message, without an element around it.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Push(push) if push.rules.mode != DeliveryMode::Events)
    }

    /// Begins the delivery of the events.
    #[must_use]
    pub fn deliver(self, items: impl Items + 'static) -> Answer {
        let Self::Push(push) = self else { return Answer::items(items) };
        let PushDelivery { rules, notify_to, end_to, stop, permit } = *push;
        Answer::push(PushedEvents::start(permit, |checks, ended| DeliveryTask {
            items: Box::new(items),
            rules,
            notify_to,
            end_to,
            stop,
            ended,
            checks,
        }))
    }
}
