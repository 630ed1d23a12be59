//! Events that did not get to their consumers, and how others hear of that: `__ConsumerFailureEvent`,
//! `__EventQueueOverflowEvent`, `__EventDroppedEvent`.
//!
//! Who carries out subscriptions and who asks for events need not be the same process, so a failure is a line in a file
//! that both know. Only the user who carries them out may read it, which for a machine is root: an event may say what
//! is nobody else's business.

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

/// The file of failures.
#[derive(Clone, Debug)]
pub struct FailureLog {
    path: PathBuf,
}

/// Where an event was going.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// Where the binding is, and where failures are events.
    pub(crate) namespace: Namespace,
    /// Where the events of the filter are.
    pub(crate) events: Namespace,
    /// The path of the consumer.
    pub(crate) consumer: String,
}

/// Why an event has not got there.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The consumer could not do what it is for.
    Consumer(Problem),
    /// It has not done that with those before, which take so many octets; `None` if that is not known.
    Overflow(Option<usize>),
    /// It was one too many in a minute.
    Pace,
}

/// No more than this is kept, in octets, and as much again of what was before.
const MOST: u64 = 1 << 20;

/// An event that takes more is not told with its failure.
const LONGEST: usize = 64 << 10;

impl FailureLog {
    /// That of a directory of state.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        Self { path: state.join("consumer-failures.jsonl") }
    }

    /// Those who tell of failures in each namespace where subscriptions are registered.
    #[must_use]
    pub fn providers(&self, repository: &Arc<Repository>) -> Vec<Arc<dyn Provider>> {
        events::providers(self, repository)
    }

    /// Adds a failure. Waits for the disk.
    pub(crate) fn add(
        &self,
        bound: &Bound,
        event: Option<&Instance>,
        failure: &Failure,
    ) -> Result<(), Problem> {
        // One that tells of a failure would tell of itself.
        if event.is_some_and(|event| event.class().is_a("__SystemEvent")) {
            return Ok(());
        }
        let mut text = text(bound, event, failure)?;
        if text.len() > LONGEST {
            text = self::text(bound, None, failure)?;
        }
        let (namespace, events) = (bound.namespace.as_str(), bound.events.as_str());
        let line = json!({ "namespace": namespace, "events": events, "failure": text });
        self.append(&format!("{line}\n")).map_err(Problem::deed(self.path.display().to_string()))
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

/// The event of a failure, in MOF.
fn text(bound: &Bound, event: Option<&Instance>, failure: &Failure) -> Result<String, cim::Error> {
    let schema = Schema::of(bound.namespace.clone());
    let class = schema.require(match failure {
        Failure::Consumer(_) => "__ConsumerFailureEvent",
        Failure::Overflow(_) => "__EventQueueOverflowEvent",
        Failure::Pace => "__EventDroppedEvent",
    })?;
    let consumer = ObjectPath::parse(&bound.consumer)?;
    let mut told = Instance::new(class).with("IntendedConsumer", Value::Reference(Box::new(consumer)))?;
    if let Some(event) = event {
        told = told.with("Event", Value::Object(Box::new(event.clone())))?;
    }
    if let Failure::Consumer(problem) = failure {
        told =
            told.with("ErrorCode", problem.status().code())?.with("ErrorDescription", problem.to_string())?;
    }
    if let Failure::Overflow(Some(octets)) = failure {
        told = told.with("CurrentQueueSize", u32::try_from(*octets).unwrap_or(u32::MAX))?;
    }
    Ok(mof::print(&[Item::Instance(InstanceDeclaration::of(&told))]))
}
