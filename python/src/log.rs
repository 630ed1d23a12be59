//! Warnings of the native code, for the module `logging` of Python.
//!
//! A warning can come from any thread, also from one that holds a lock. It is kept until the end of an operation, where
//! Python code can be called.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::mem::take;

use locks::Mutex;
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Warnings that have not been logged yet.
static PENDING: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Maximum number of kept warnings; the oldest ones are dropped.
const MOST_PENDING: usize = 64;

/// Keeps the warnings of this process from now on.
pub(crate) fn install() {
    // Fails only if the module is initialised again, for example by another interpreter of the same process.
    let _ = tracing::subscriber::set_global_default(Warnings);
}

/// Logs the kept warnings with the logger `telarch`.
pub(crate) fn deliver(py: Python<'_>) -> PyResult<()> {
    let pending = take(&mut *PENDING.lock());
    if pending.is_empty() {
        return Ok(());
    }
    let logger = py.import("logging")?.call_method1("getLogger", ("telarch",))?;
    for warning in pending {
        logger.call_method1("warning", ("%s", warning))?;
    }
    Ok(())
}

/// Subscriber that keeps the warnings of the client.
struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::WARN
            && metadata.target().starts_with("telarch_client")
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = EventText::default();
        event.record(&mut text);
        let mut pending = PENDING.lock();
        if pending.len() == MOST_PENDING {
            pending.pop_front();
        }
        pending.push_back(text.finish());
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Text of an event: its message, and its fields in parentheses.
#[derive(Default)]
struct EventText {
    message: String,
    fields: String,
}

impl EventText {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            self.message.write_fmt(value)
        } else {
            let separator = if self.fields.is_empty() { "" } else { ", " };
            write!(self.fields, "{separator}{}: {value}", field.name())
        };
    }

    fn finish(self) -> String {
        if self.fields.is_empty() { self.message } else { format!("{} ({})", self.message, self.fields) }
    }
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}
