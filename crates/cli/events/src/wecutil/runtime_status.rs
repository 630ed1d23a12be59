//! State of a subscription and of its sources (`gr`), from the store of the collector.

use std::fmt::Write as _;
use std::time::SystemTime;

use eventing::{SourceState, StoreReader, StoredSource, StoredSubscription};
use winevent::{Subscription, Timestamp};

use super::error::ToolError;
use super::places::Places;
use crate::health::Health;
use crate::source_name::{is_named, printable};

/// State of a subscription as text.
pub(super) struct RuntimeStatus {
    /// Lines of Windows.
    pub(super) text: String,
    /// Reason why the subscription is not active, if it should be.
    pub(super) note: Option<&'static str>,
}

/// State of a source in a subscription.
struct SourceStatus<'s> {
    source: &'s StoredSource,
    state: &'s SourceState,
    health: Health,
}

/// Returns the state of a subscription and of all sources, or of the sources with these names or addresses.
pub(super) fn read(
    places: &Places,
    subscription: &Subscription,
    names: &[String],
) -> Result<RuntimeStatus, ToolError> {
    let reader = StoreReader::open(&places.store)?;
    let (stored, sources) = match &reader {
        Some(reader) => (reader.subscriptions()?, reader.sources()?),
        None => (Vec::new(), Vec::new()),
    };
    let now = Timestamp::from(SystemTime::now());
    let stored = stored.iter().find(|one| one.name == subscription.id.as_str());
    let all: Vec<SourceStatus<'_>> = sources
        .iter()
        .filter_map(|source| {
            let (_, state) = source.states.iter().find(|(id, _)| Some(id) == stored.map(|one| &one.id))?;
            Some(SourceStatus { source, state, health: Health::of(state, stored, now.seconds()) })
        })
        .collect();
    for name in names {
        if !all.iter().any(|status| status.is(name)) {
            return Err(ToolError::NoSource(name.clone()));
        }
    }
    let is_loaded = stored.is_some_and(|stored| is_current(stored, subscription));
    let (word, note) = match (subscription.enabled, subscription.is_active(now), is_loaded) {
        (false, ..) => ("Disabled", None),
        (true, false, _) => {
            ("Inactive", Some("The subscription has expired; wecutil ss ID /ex:TIME extends it."))
        }
        (true, true, false) => ("Inactive", Some(NOT_LOADED)),
        (true, true, true) => ("Active", None),
    };
    let mut text = format!("\nSubscription: {}\n\tRunTimeStatus: {word}\n\tLastError: 0\n", subscription.id);
    text.push_str("\tEventSources:\n");
    for status in all.iter().filter(|status| names.is_empty() || names.iter().any(|name| status.is(name))) {
        status.write(&mut text, subscription.enabled);
    }
    Ok(RuntimeStatus { text, note })
}

const NOT_LOADED: &str = "The collector has not loaded this version of the subscription: check with systemctl status \
                          telarchd that it runs, and with wecutil qc that it is enabled.";

/// Returns whether the collector has loaded the subscription as it is in its file.
fn is_current(stored: &StoredSubscription, subscription: &Subscription) -> bool {
    stored.is_present
        && Subscription::parse(&stored.document).is_ok_and(|import| import.subscription == *subscription)
}

impl SourceStatus<'_> {
    fn is(&self, name: &str) -> bool {
        is_named(self.source, name) || self.state.remote_ip.as_deref() == Some(name)
    }

    fn write(&self, text: &mut String, is_enabled: bool) {
        let word = match self.health {
            _ if !is_enabled => "Disabled",
            Health::Active | Health::NoEvents | Health::Outdated => "Active",
            Health::Fault => "Trying",
            Health::Silent | Health::Removed => "Inactive",
        };
        let fault = self.state.last_fault.as_deref();
        let error = if fault.is_some() { SOURCE_FAILED } else { 0 };
        let name = printable(&self.source.name);
        // Writing to a string cannot fail.
        let _ = write!(text, "\t\t{name}\n\t\t\tRunTimeStatus: {word}\n\t\t\tLastError: {error}\n");
        if let Some(fault) = fault {
            let _ = writeln!(text, "\t\t\tErrorMessage: {}", printable(fault));
            let _ = writeln!(text, "\t\t\tErrorTime: {}", time(self.state.last_heartbeat));
        }
        let _ = writeln!(text, "\t\t\tLastHeartbeatTime: {}", time(self.state.last_heartbeat));
    }
}

/// Error number of a source with a fault: `ERROR_CONNECTION_ABORTED`. Sources report no number.
const SOURCE_FAILED: u32 = 1_236;

/// Returns a time in UTC with milliseconds and without zone, as Windows writes it.
fn time(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return String::new() };
    let text = Timestamp::new(seconds, 0).to_string();
    text.chars().take("2018-07-24T21:58:07.503".len()).collect()
}
