//! Folding of repeated log lines: the first lines about a user or source are written, further ones are counted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use limits::{FoldedWarnings, Origin};
use locks::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::escape::cut;

/// Interval after which counts are written.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of users and sources with their own counts; all others are counted together.
pub(crate) const MAX_KEYS: usize = 256;

/// User or source that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    /// Name and value of the field; an address is reduced to its [`Origin`].
    pub(crate) field: Option<(&'static str, String)>,
}

impl Subject {
    /// Replaces the subject by a field of higher rank. A SID ranks highest because it is verified. An address ranks
    /// above an account name, which a client can choose freely.
    pub(crate) fn consider(&mut self, name: &'static str, value: &dyn fmt::Debug) {
        let Some(rank) = rank(name) else { return };
        if self.field.as_ref().and_then(|(known, _)| self::rank(known)).is_some_and(|known| known <= rank) {
            return;
        }
        let value = cut(value, MAX_SUBJECT);
        self.field = Some(match name {
            "address" | "peer" => ("address", origin(&value).unwrap_or(value)),
            _ => (name, value),
        });
    }
}

fn rank(name: &str) -> Option<u8> {
    match name {
        "sid" => Some(0),
        "address" | "peer" => Some(1),
        "uid" => Some(2),
        "account" => Some(3),
        _ => None,
    }
}

fn origin(text: &str) -> Option<String> {
    let address = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| Origin::of(address).to_string())
}

/// Layer that omits repeated events from a log. Debug events pass unchanged.
///
/// It wraps the log instead of filtering it, because a filter must not depend on the fields of an event
/// (`FilterState` of tracing-subscriber).
pub(crate) struct Folding<L> {
    log: L,
    repetitions: Repetitions,
}

/// Recently written and counted events.
#[derive(Clone, Default)]
struct Repetitions(Arc<Mutex<State>>);

struct State {
    warnings: FoldedWarnings<Key>,
    /// Counts to be written.
    pending: Vec<(Key, u64)>,
    /// Whether a thread is waiting to write counts.
    is_waiting: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { warnings: FoldedWarnings::new(INTERVAL, MAX_KEYS), pending: Vec::new(), is_waiting: false }
    }
}

/// Properties shared by events that are folded into one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    message: String,
    subject: Subject,
}

impl Repetitions {
    /// Returns whether an event is to be written; otherwise it is counted.
    fn admits(&self, key: Key) -> bool {
        let burst = if key.subject.field.is_some() { BURST_OF_ONE } else { BURST };
        let mut state = self.0.lock();
        let report = state.warnings.note_up_to(burst, key.clone(), Instant::now());
        if let Some(report) = report.filter(|report| report.repeated > 0)
            && state.pending.len() < MAX_KEYS
        {
            state.pending.push((key, report.repeated));
        }
        if report.is_none_or(|report| report.repeated > 0) && !state.is_waiting {
            let repetitions = self.clone();
            state.is_waiting = later(move || repetitions.write());
        }
        report.is_some()
    }

    /// Writes the counts that are due; returns whether more are pending.
    fn write(&self) -> bool {
        let now = Instant::now();
        let mut state = self.0.lock();
        let mut due = std::mem::take(&mut state.pending);
        due.extend(state.warnings.take_due(now));
        let others = state.warnings.take_others(now);
        state.is_waiting = !state.warnings.is_empty();
        let is_waiting = state.is_waiting;
        drop(state);
        let seconds = INTERVAL.as_secs();
        for (Key { message, subject: Subject { field } }, repeated) in due {
            let about = field.map(|(name, value)| format!("{name} {value}")).unwrap_or_default();
            tracing::warn!(target: OWN, of = message, about, repeated, seconds, "Omitted repeated log lines");
        }
        if others > 0 {
            tracing::warn!(target: OWN, repeated = others, seconds, "Omitted log lines about many users or sources");
        }
        is_waiting
    }
}

/// Calls a function after each [`INTERVAL`] on a new thread until it returns `false`. Returns `false` if the thread
/// cannot be created.
pub(crate) fn later(mut write: impl FnMut() -> bool + Send + 'static) -> bool {
    let waiting = thread::Builder::new().name("log".to_owned()).stack_size(STACK).spawn(move || {
        loop {
            thread::sleep(INTERVAL);
            if !write() {
                return;
            }
        }
    });
    waiting.is_ok()
}

impl<L> Folding<L> {
    pub(crate) fn of(log: L) -> Self {
        Self { log, repetitions: Repetitions::default() }
    }

    fn admits(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == OWN {
            return true;
        }
        let mut key = Key { message: String::new(), subject: Subject::default() };
        event.record(&mut key);
        self.repetitions.admits(key)
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Folding<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.admits(event) {
            self.log.on_event(event, context);
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.log.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.log.on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.log.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.log.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.log.on_close(id, context);
    }
}

impl Visit for Key {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = cut(value, MAX_SUBJECT),
            name => self.subject.consider(name, value),
        }
    }
}

/// Target of the events with counts, which are never folded themselves.
const OWN: &str = "telarchd::log";
/// Number of events about one subject that are written in each interval.
const BURST_OF_ONE: u32 = 6;
/// Number of events without a subject that are written in each interval.
const BURST: u32 = 100;
const MAX_SUBJECT: usize = 256;
const STACK: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(fields: &[(&'static str, &str)]) -> Option<(&'static str, String)> {
        let mut subject = Subject::default();
        for (name, value) in fields {
            subject.consider(name, &format_args!("{value}"));
        }
        subject.field
    }

    #[test]
    fn the_subject_is_the_sid_if_verified_and_otherwise_the_network() {
        let cases = [
            (&[("account", "ada"), ("peer", "192.0.2.1")], "192.0.2.1"),
            (&[("peer", "[2001:db8::7]:80"), ("account", "ada")], "2001:db8::"),
        ];
        for (fields, address) in cases {
            assert_eq!(subject(fields), Some(("address", address.to_owned())));
        }
        assert_eq!(subject(&[("address", "192.0.2.1"), ("sid", "S-1-5")]), Some(("sid", "S-1-5".to_owned())));
        assert_eq!(subject(&[("code", "5")]), None);
    }

    #[test]
    fn repeated_lines_are_counted_after_the_first_ones() {
        let folding = Repetitions::default();
        // Prevents the start of a thread.
        folding.0.lock().is_waiting = true;
        fn key(address: &str) -> Key {
            let field = Some(("address", address.to_owned()));
            Key { message: "Refused".to_owned(), subject: Subject { field } }
        }
        let written = (0..4_000).filter(|_| folding.admits(key("192.0.2.1"))).count();
        assert_eq!(u32::try_from(written), Ok(BURST_OF_ONE));
        assert!(folding.admits(key("192.0.2.2")), "another source is not affected");
        let due = folding.0.lock().warnings.take_due(Instant::now() + INTERVAL);
        assert_eq!(due, [(key("192.0.2.1"), 4_000 - u64::from(BURST_OF_ONE))]);
    }
}
