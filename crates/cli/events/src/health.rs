//! State of a source in a subscription.

use eventing::{SourceState, StoredSubscription};
use winevent::Subscription;

/// State of a source in a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Messages arrive in time, events among them.
    Active,
    /// Heartbeats arrive in time, but no event has arrived yet.
    NoEvents,
    /// The last message says that events of another computer were sent, or that the source ended the subscription; or the
    /// collector cannot pull from the source.
    Fault,
    /// No message has arrived for more than two intervals of heartbeats.
    Silent,
    /// The source runs another version of the subscription.
    Outdated,
    /// The collector no longer has the subscription.
    Removed,
}

impl Health {
    /// Returns the state at a time in seconds since 1970. The most serious one counts.
    pub(crate) fn of(state: &SourceState, subscription: Option<&StoredSubscription>, now: i64) -> Self {
        let Some(subscription) = subscription.filter(|one| one.is_present) else { return Self::Removed };
        let is_silent =
            state.last_heartbeat.is_none_or(|last| now.saturating_sub(last) > patience(subscription));
        if state.last_fault.is_some() {
            Self::Fault
        } else if is_silent {
            Self::Silent
        } else if state
            .version_seen
            .as_deref()
            .is_some_and(|seen| !is_same_version(seen, &subscription.version))
        {
            Self::Outdated
        } else if state.last_event.is_none() {
            Self::NoEvents
        } else {
            Self::Active
        }
    }

    /// Word for tables and JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NoEvents => "no events",
            Self::Fault => "fault",
            Self::Silent => "silent",
            Self::Outdated => "outdated",
            Self::Removed => "removed",
        }
    }

    /// Explanation and remedy for a source to which the collector connects.
    pub(crate) fn advice_for_pulled(self) -> &'static str {
        match self {
            Self::NoEvents => {
                "the source answers, but has sent no event: either none matches the query, or all were logged before the \
                 subscription began (wecutil ss ID /ree requests those as well)"
            }
            Self::Fault => "the last fault is above; the collector tries again, at once with wecutil rs ID",
            Self::Silent | Self::Outdated => {
                "no answer for more than two heartbeats: check that telarchd runs and that the source is enabled (wecutil \
                 gr ID)"
            }
            Self::Active | Self::Removed => self.advice(),
        }
    }

    /// Explanation and remedy.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Active => "events arrive",
            Self::NoEvents => {
                "heartbeats arrive, but no event was sent: either none matches the query, or the source may not read \
                 its logs; add NETWORK SERVICE to the group Event Log Readers for the log Security"
            }
            Self::Fault => {
                "the last fault is above; the source tries again when it requests its subscriptions (Refresh in its \
                 policy)"
            }
            Self::Silent => {
                "no message for more than two heartbeats: check that the source runs, that it reaches the collector, \
                 and its log Microsoft-Windows-Forwarding/Operational"
            }
            Self::Outdated => {
                "the source runs an earlier version of the subscription, and changes to the current one when it \
                 requests its subscriptions (Refresh in its policy)"
            }
            Self::Removed => "the collector no longer has this subscription; nothing is to be done",
        }
    }
}

/// Returns the time without messages after which a source is silent, in seconds.
fn patience(subscription: &StoredSubscription) -> i64 {
    let parsed = Subscription::parse(&subscription.document);
    let heartbeat = parsed.map_or(DEFAULT_HEARTBEAT, |import| import.subscription.timing().heartbeat);
    i64::from(heartbeat / 1_000).saturating_mul(2).saturating_add(MARGIN)
}

fn is_same_version(seen: &str, current: &str) -> bool {
    without_scheme(seen) == without_scheme(current)
}

fn without_scheme(version: &str) -> String {
    version.trim().to_ascii_lowercase().trim_start_matches("uuid:").to_owned()
}

/// Interval of heartbeats in milliseconds, if the subscription cannot be read.
const DEFAULT_HEARTBEAT: u32 = 900_000;
/// Time in seconds for a message to arrive.
const MARGIN: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_serious_state_counts() {
        let subscription = StoredSubscription {
            id: "I".to_owned(),
            name: "S".to_owned(),
            document:
                "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">\
                       <SubscriptionId>S</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>\
                       <ConfigurationMode>MinLatency</ConfigurationMode><Query>x</Query></Subscription>"
                    .to_owned(),
            version: "AB".to_owned(),
            is_present: true,
        };
        let state = SourceState {
            last_heartbeat: Some(10_000),
            last_event: Some(9_000),
            version_seen: Some("uuid:ab".to_owned()),
            ..SourceState::default()
        };
        let of = |state: &SourceState, now| Health::of(state, Some(&subscription), now);
        assert_eq!(of(&state, 10_100), Health::Active);
        // Heartbeats of MinLatency come every hour.
        assert_eq!(of(&state, 10_000 + 7_200), Health::Active);
        assert_eq!(of(&state, 10_000 + 7_300), Health::Silent);
        let other = SourceState { version_seen: Some("CD".to_owned()), ..state.clone() };
        assert_eq!(of(&other, 10_100), Health::Outdated);
        assert_eq!(of(&SourceState { last_event: None, ..state.clone() }, 10_100), Health::NoEvents);
        let failed = SourceState { last_fault: Some("ended".to_owned()), ..state.clone() };
        assert_eq!(of(&failed, 90_000), Health::Fault);
        assert_eq!(Health::of(&state, None, 10_100), Health::Removed);
    }
}
