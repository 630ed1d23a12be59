//! State of a subscription and of its sources (`gr`), from the store of the collector.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use eventing::{Source, SourceState, StoreReader, StoreSettings, StoredSource, StoredSubscription};
use winevent::subscription::SubscriptionType;
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

/// Source in a subscription.
struct SourceStatus<'s> {
    name: String,
    /// Whether the subscription uses the source.
    is_enabled: bool,
    /// Row of the store, and the state in the subscription; `None` before the first contact.
    stored: Option<(&'s StoredSource, &'s SourceState, Health)>,
}

/// Returns the subscription with a name that collectors have in their database; `None` if the store is a file.
pub(super) fn find_stored(places: &Places, name: &str) -> Result<Option<Subscription>, ToolError> {
    let settings = StoreSettings::read(&places.collector, &places.store)?;
    if settings.file().is_some() {
        return Ok(None);
    }
    let stored = match StoreReader::open(&settings)? {
        Some(reader) => reader.subscriptions()?,
        None => Vec::new(),
    };
    let found = stored.iter().find(|one| one.is_present && one.name.eq_ignore_ascii_case(name));
    Ok(found.and_then(|one| Some(Subscription::parse(&one.document).ok()?.subscription)))
}

/// Returns the state of a subscription and of all sources, or of the sources with these names or addresses.
pub(super) fn read(
    places: &Places,
    subscription: &Subscription,
    names: &[String],
) -> Result<RuntimeStatus, ToolError> {
    let reader = StoreReader::open(&StoreSettings::read(&places.collector, &places.store)?)?;
    let (stored, sources) = match &reader {
        Some(reader) => (reader.subscriptions()?, reader.sources()?),
        None => (Vec::new(), Vec::new()),
    };
    let now = Timestamp::from(SystemTime::now());
    let stored = stored.iter().find(|one| one.name == subscription.id.as_str());
    let seen: Vec<(&StoredSource, &SourceState, Health)> = sources
        .iter()
        .filter_map(|source| {
            let (_, state) = source.states.iter().find(|(id, _)| Some(id) == stored.map(|one| &one.id))?;
            Some((source, state, Health::of(state, stored, now.seconds())))
        })
        .collect();
    let all: Vec<SourceStatus<'_>> = match subscription.kind {
        SubscriptionType::SourceInitiated => seen.into_iter().map(SourceStatus::of_seen).collect(),
        SubscriptionType::CollectorInitiated => of_listed(subscription, &seen),
    };
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

/// Returns the listed sources of a collector-initiated subscription.
fn of_listed<'s>(
    subscription: &Subscription,
    seen: &[(&'s StoredSource, &'s SourceState, Health)],
) -> Vec<SourceStatus<'s>> {
    let by_id: HashMap<&str, _> = seen.iter().map(|one| (one.0.id.as_str(), *one)).collect();
    let listed = subscription.sources.iter().map(|source| SourceStatus {
        name: source.address.clone(),
        is_enabled: source.enabled,
        stored: by_id.get(Source::of_address(&source.address).id().as_str()).copied(),
    });
    listed.collect()
}

impl<'s> SourceStatus<'s> {
    fn of_seen(seen: (&'s StoredSource, &'s SourceState, Health)) -> Self {
        Self { name: seen.0.name.clone(), is_enabled: true, stored: Some(seen) }
    }

    fn is(&self, name: &str) -> bool {
        let is_stored = self.stored.is_some_and(|(source, state, _)| {
            is_named(source, name) || state.remote_ip.as_deref() == Some(name)
        });
        is_stored || self.name.eq_ignore_ascii_case(name)
    }

    fn write(&self, text: &mut String, is_enabled: bool) {
        let (state, health) = (self.stored.map(|stored| stored.1), self.stored.map(|stored| stored.2));
        let word = match health {
            _ if !is_enabled || !self.is_enabled => "Disabled",
            Some(Health::Active | Health::NoEvents | Health::Outdated) => "Active",
            Some(Health::Fault) | None => "Trying",
            Some(Health::Silent | Health::Removed) => "Inactive",
        };
        let fault = state.and_then(|state| state.last_fault.as_deref());
        let code = state.and_then(|state| state.fault_code).unwrap_or(SOURCE_FAILED);
        let error = if fault.is_some() { code } else { 0 };
        let name = printable(&self.name);
        // Writing to a string cannot fail.
        let _ = write!(text, "\t\t{name}\n\t\t\tRunTimeStatus: {word}\n\t\t\tLastError: {error}\n");
        let Some(state) = state else { return };
        if let Some(fault) = fault {
            let _ = writeln!(text, "\t\t\tErrorMessage: {}", printable(fault));
            let _ = writeln!(text, "\t\t\tErrorTime: {}", time(state.fault_time.or(state.last_heartbeat)));
            if state.retry_time.is_some() && word == "Trying" {
                let _ = writeln!(text, "\t\t\tNextRetryTime: {}", time(state.retry_time));
            }
        }
        let _ = writeln!(text, "\t\t\tLastHeartbeatTime: {}", time(state.last_heartbeat));
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
