//! Operational events, with the numbers of the log `Microsoft-Windows-Forwarding/Operational`.

use crate::ForwarderError;

/// Operational event of the forwarder.
#[derive(Debug)]
pub(crate) enum Report<'a> {
    /// 100: a subscription was created.
    Created { subscription: &'a str },
    /// 101: a subscription was created, but some of its channels do not exist or cannot be read.
    CreatedWithoutChannels { subscription: &'a str, channels: &'a str },
    /// 102: a subscription could not be created.
    NotCreated { subscription: &'a str, reason: &'a str },
    /// 103: a subscription was ended.
    Ended { subscription: &'a str, reason: &'a str },
    /// 104: the subscription manager answered.
    Connected { manager: &'a str, subscriptions: usize },
    /// 105: the subscription manager, or the address for deliveries, cannot be used.
    Failed { address: &'a str, error: &'a ForwarderError },
    /// 106: the policy names other subscription managers, or the same ones with other values.
    PolicyChanged { managers: usize },
}

impl Report<'_> {
    /// Writes the event to the log.
    pub(crate) fn write(&self) {
        match self {
            Self::Created { subscription } => {
                tracing::info!(event_id = 100, subscription, "Subscription created");
            }
            Self::CreatedWithoutChannels { subscription, channels } => {
                tracing::warn!(
                    event_id = 101,
                    subscription,
                    channels,
                    "Subscription created without some channels"
                );
            }
            Self::NotCreated { subscription, reason } => {
                tracing::error!(event_id = 102, subscription, reason, "Cannot create a subscription");
            }
            Self::Ended { subscription, reason } => {
                tracing::info!(event_id = 103, subscription, reason, "Subscription ended");
            }
            Self::Connected { manager, subscriptions } => {
                tracing::info!(
                    event_id = 104,
                    manager,
                    subscriptions,
                    "Connected to the subscription manager"
                );
            }
            Self::Failed { address, error } => {
                tracing::warn!(event_id = 105, address, %error, "Cannot communicate with the collector");
            }
            Self::PolicyChanged { managers } => {
                tracing::info!(event_id = 106, managers, "Policy SubscriptionManager changed");
            }
        }
    }
}
