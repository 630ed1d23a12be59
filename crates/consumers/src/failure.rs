//! Log of undelivered events, and the WMI events about them: `__ConsumerFailureEvent`,
//! `__EventQueueOverflowEvent`, `__EventDroppedEvent`.
//!
//! The process that runs subscriptions and the process of a subscriber may differ, so each failure is a line
//! in a file that both use. Only the user who runs the subscriptions may read it (root, for a machine),
//! because events may contain confidential data.

mod events;
mod tail;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cim::mof::{self, InstanceDeclaration, Item};
use cim::{Instance, Namespace, ObjectPath, Schema, Value};
use repository::Repository;
use rustix::fs::OFlags;
use serde_json::json;
use wmi::Provider;

use crate::Problem;

/// Log of failures.
#[derive(Clone, Debug)]
pub struct FailureLog {
    path: PathBuf,
}

/// Subscription to which an event belongs.
#[derive(Clone, Debug)]
pub(crate) struct BoundConsumer {
    /// Namespace of the binding, in which failures are reported.
    pub(crate) namespace: Namespace,
    /// Namespace of the filter's events.
    pub(crate) events: Namespace,
    /// Path of the consumer.
    pub(crate) consumer: String,
}

/// Reason why an event was not delivered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The consumer failed.
    Consumer(Problem),
    /// The queue of the consumer was full; holds the size of the queued events in bytes, if known.
    Overflow(Option<usize>),
    /// The maximum number of events per minute was exceeded.
    RateLimit,
}

/// Maximum size of the log in bytes; one older file of the same size is kept.
const MOST: u64 = 1 << 20;

/// Maximum size in bytes of an event that is included in its failure.
const LONGEST: usize = 64 << 10;

impl FailureLog {
    /// Returns the log in a state directory.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        Self { path: state.join("consumer-failures.jsonl") }
    }

    /// Returns the providers of failure events, one for each namespace with subscriptions.
    #[must_use]
    pub fn providers(&self, repository: &Arc<Repository>) -> Vec<Arc<dyn Provider>> {
        events::providers(self, repository)
    }

    /// Adds a failure. Blocks on the disk.
    pub(crate) fn add(
        &self,
        bound: &BoundConsumer,
        event: Option<&Instance>,
        failure: &Failure,
    ) -> Result<(), Problem> {
        // A failure to deliver a failure event is not reported, to avoid a loop.
        if event.is_some_and(|event| event.class().is_a("__SystemEvent")) {
            return Ok(());
        }
        let mut text = text(bound, event, failure)?;
        if text.len() > LONGEST {
            text = self::text(bound, None, failure)?;
        }
        let (namespace, events) = (bound.namespace.as_str(), bound.events.as_str());
        let line = json!({ "namespace": namespace, "events": events, "failure": text });
        self.append(&format!("{line}\n")).map_err(Problem::io(self.path.display().to_string()))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(&self.path)?;
        if file.metadata()?.len() >= MOST {
            fs::rename(&self.path, self.path.with_extension("old"))?;
            file = options.open(&self.path)?;
        }
        file.write_all(line.as_bytes())
    }
}

/// Returns the failure event in MOF.
fn text(bound: &BoundConsumer, event: Option<&Instance>, failure: &Failure) -> Result<String, cim::Error> {
    let schema = Schema::of(bound.namespace.clone());
    let class = schema.require(match failure {
        Failure::Consumer(_) => "__ConsumerFailureEvent",
        Failure::Overflow(_) => "__EventQueueOverflowEvent",
        Failure::RateLimit => "__EventDroppedEvent",
    })?;
    let consumer = ObjectPath::parse(&bound.consumer)?;
    let mut instance = Instance::new(class).with("IntendedConsumer", Value::Reference(Box::new(consumer)))?;
    if let Some(event) = event {
        instance = instance.with("Event", Value::Object(Box::new(event.clone())))?;
    }
    if let Failure::Consumer(problem) = failure {
        instance = instance
            .with("ErrorCode", problem.status().code())?
            .with("ErrorDescription", problem.to_string())?;
    }
    if let Failure::Overflow(Some(octets)) = failure {
        instance = instance.with("CurrentQueueSize", u32::try_from(*octets).unwrap_or(u32::MAX))?;
    }
    Ok(mof::print(&[Item::Instance(InstanceDeclaration::of(&instance))]))
}
