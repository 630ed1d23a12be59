//! Repetitions in the log: of lines about one user or source that repeat, the first are written, and the others are
//! counted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use limits::{FoldedWarnings, Origin};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::escape::cut;
use super::stderr::locked;

/// How long repetitions are counted before the count is written.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Number of users and sources whose repetitions are counted apart; those of all others are counted together.
pub(crate) const MOST_KEYS: usize = 256;

/// User or source that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    /// Name of the field and its value; an address is that of its [`Origin`].
    pub(crate) field: Option<(&'static str, String)>,
}

impl Subject {
    /// Takes a field into account. A SID was proven; an address is less than that, but cannot be chosen as the name of
    /// an account can.
    pub(crate) fn consider(&mut self, name: &'static str, value: &dyn fmt::Debug) {
        let Some(rank) = rank(name) else { return };
        if self.field.as_ref().and_then(|(known, _)| self::rank(known)).is_some_and(|known| known <= rank) {
            return;
        }
        let value = cut(value, LONGEST_SUBJECT);
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

/// Leaves repeated events out of a log. Debugging is left as it is.
///
/// It is a layer around the log and not a filter of it: a filter that decides by the fields of an event must not do so
/// for events whose call is always enabled (`FilterState` of tracing-subscriber).
pub(super) struct Folding<L> {
    log: L,
    repetitions: Repetitions,
}

/// Events that were written or counted.
#[derive(Clone, Default)]
struct Repetitions(Arc<Mutex<State>>);

struct State {
    warnings: FoldedWarnings<Key>,
    /// Counts that are to be written.
    pending: Vec<(Key, u64)>,
    /// Whether a thread waits to write counts.
    is_waiting: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { warnings: FoldedWarnings::new(INTERVAL, MOST_KEYS), pending: Vec::new(), is_waiting: false }
    }
}

/// Events that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    message: String,
    subject: Subject,
}

impl Repetitions {
    /// Returns whether an event is to be written.
    fn admits(&self, key: Key) -> bool {
        let burst = if key.subject.field.is_some() { BURST_OF_ONE } else { BURST };
        let mut state = locked(&self.0);
        let report = state.warnings.note_up_to(burst, key.clone(), Instant::now());
        if let Some(report) = report.filter(|report| report.repeated > 0)
            && state.pending.len() < MOST_KEYS
        {
            state.pending.push((key, report.repeated));
        }
        if report.is_none_or(|report| report.repeated > 0) && !state.is_waiting {
            let repetitions = self.clone();
            state.is_waiting = later(move || repetitions.write());
        }
        report.is_some()
    }

    /// Writes the counts that are due. Returns whether there may be more later.
    fn write(&self) -> bool {
        let now = Instant::now();
        let mut state = locked(&self.0);
        let mut due = std::mem::take(&mut state.pending);
        due.extend(state.warnings.take_due(now));
        let others = state.warnings.take_others(now);
        state.is_waiting = !state.warnings.is_empty();
        let is_waiting = state.is_waiting;
        drop(state);
        let seconds = INTERVAL.as_secs();
        for (Key { message, subject: Subject { field } }, repeated) in due {
            let about = field.map(|(name, value)| format!("{name} {value}")).unwrap_or_default();
            tracing::warn!(target: OWN, of = message, about, repeated, seconds, "Repeated log lines were left out");
        }
        if others > 0 {
            tracing::warn!(target: OWN, repeated = others, seconds, "Log lines about many users or sources were left out");
        }
        is_waiting
    }
}

/// Calls a function after each [`INTERVAL`], from a thread of its own, as long as it returns `true`. Returns `false` if
/// there is no such thread.
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
    pub(super) fn of(log: L) -> Self {
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
            "message" => self.message = cut(value, LONGEST_SUBJECT),
            name => self.subject.consider(name, value),
        }
    }
}

/// The target of counts, which are never folded themselves.
const OWN: &str = "telarchd::log";
/// Events about one user or source that are written in one interval.
const BURST_OF_ONE: u32 = 6;
/// The same for events that name none.
const BURST: u32 = 100;
const LONGEST_SUBJECT: usize = 256;
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
    fn who_has_no_name_is_counted_by_network_and_who_has_proven_one_by_it() {
        let address = |text: &str| Some(("address", text.to_owned()));
        assert_eq!(subject(&[("account", "ada"), ("peer", "192.0.2.1")]), address("192.0.2.1"));
        assert_eq!(subject(&[("peer", "[2001:db8::7]:80"), ("account", "ada")]), address("2001:db8::"));
        assert_eq!(subject(&[("address", "192.0.2.1"), ("sid", "S-1-5")]), Some(("sid", "S-1-5".to_owned())));
        assert_eq!(subject(&[("code", "5")]), None);
    }

    #[test]
    fn of_lines_that_repeat_the_first_are_written_and_all_are_counted() {
        let folding = Repetitions::default();
        // No thread is wanted here.
        locked(&folding.0).is_waiting = true;
        let key = |address: &str| Key {
            message: "Refused".to_owned(),
            subject: Subject { field: Some(("address", address.to_owned())) },
        };
        let written = (0..4_000).filter(|_| folding.admits(key("192.0.2.1"))).count();
        assert_eq!(u32::try_from(written), Ok(BURST_OF_ONE));
        assert!(folding.admits(key("192.0.2.2")), "another source is not affected");
        let due = locked(&folding.0).warnings.take_due(Instant::now() + INTERVAL);
        assert_eq!(due, [(key("192.0.2.1"), 4_000 - u64::from(BURST_OF_ONE))]);
    }
}
