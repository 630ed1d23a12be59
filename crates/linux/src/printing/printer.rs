//! Print queues.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ipp::{Attributes, Operation};
use super::scheduler::Scheduler;
use crate::{Error, Machine};

/// A print queue or a class of printers.
#[derive(Clone, Debug, PartialEq)]
pub struct Printer {
    /// Attributes of the queue (RFC 8011 5.4).
    pub attributes: Attributes,
    /// Whether it is the default queue.
    pub is_default: bool,
}

/// State of a queue (RFC 8011 5.4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Ready for jobs.
    Idle,
    /// A job is being printed.
    Printing,
    /// Paused.
    Stopped,
    /// Not reported.
    Unknown,
}

/// Bit of `printer-type` for queues of another server (cups/cups.h, `cups_ptype_e`).
const REMOTE: i32 = 0x2;

impl Printer {
    /// Returns all queues.
    ///
    /// # Errors
    /// If CUPS cannot be queried.
    pub fn all(machine: &Machine) -> Result<Vec<Self>, Error> {
        let scheduler = Scheduler::of(machine);
        let request = scheduler.request(Operation::GetPrinters).keyword("requested-attributes", "all");
        let printers = scheduler.list(request.end(&[]))?;
        let default = if printers.is_empty() { None } else { default_name(&scheduler) };
        let printers = printers.into_iter().filter_map(|attributes| {
            let is_default = Some(attributes.text("printer-name")?) == default.as_deref();
            Some(Self { attributes, is_default })
        });
        Ok(printers.collect())
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.attributes.text("printer-name").unwrap_or_default()
    }

    /// Returns the capabilities (`printer-type`, bits of `cups_ptype_e`).
    #[must_use]
    pub fn kind(&self) -> i32 {
        self.attributes.number("printer-type").unwrap_or_default()
    }

    /// Returns whether the queue is on another server.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.kind() & REMOTE != 0
    }

    /// Returns whether other machines may use the queue.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.attributes.boolean("printer-is-shared").unwrap_or_default()
    }

    /// Returns whether documents are passed to the printer unchanged.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.attributes.text("printer-make-and-model") == Some("Local Raw Printer")
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> State {
        match self.attributes.number("printer-state") {
            Some(3) => State::Idle,
            Some(4) => State::Printing,
            Some(5) => State::Stopped,
            _ => State::Unknown,
        }
    }

    /// Returns the keywords of `printer-state-reasons`, without "none".
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = self.attributes.texts("printer-state-reasons");
        reasons.retain(|reason| reason != "none");
        reasons
    }

    /// Returns whether the printer is offline.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.reasons().iter().any(|reason| reason.starts_with("offline"))
    }
}

/// Returns the name of the default queue; `None` without a default, which CUPS reports as
/// an error.
fn default_name(scheduler: &Scheduler<'_>) -> Option<String> {
    let request = scheduler.request(Operation::GetDefault).keyword("requested-attributes", "printer-name");
    let printers = scheduler.list(request.end(&[])).ok()?;
    printers.first()?.text("printer-name").map(str::to_owned)
}

/// Returns the URI of a queue, with percent-encoded characters where necessary.
#[must_use]
pub fn uri(name: &str) -> String {
    format!("ipp://localhost/printers/{}", utf8_percent_encode(name, PATH_SEGMENT))
}

/// Characters that a segment of a path encodes: all but the unreserved ones (RFC 3986 2.3).
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
