//! Failures as WMI events.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use cim::mof::{self, Item};
use cim::{Class, Instance, Name, Namespace, Schema, Status};
use repository::Repository;
use serde_json::Value;
use wmi::{BoxFuture, EventSource, Happening, Provider, ProviderError, Scan, Sink, Watch};

use super::FailureLog;
use super::tail::Tail;

/// Namespaces with subscriptions; the first is the usual one.
const NAMESPACES: [&str; 3] = ["root/subscription", "root/cimv2", "root/default"];

const CLASSES: [&str; 3] = ["__ConsumerFailureEvent", "__EventQueueOverflowEvent", "__EventDroppedEvent"];

pub(super) fn providers(log: &FailureLog, repository: &Arc<Repository>) -> Vec<Arc<dyn Provider>> {
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    for namespace in NAMESPACES.iter().filter_map(|namespace| Namespace::parse(namespace).ok()) {
        let repository = Arc::clone(repository);
        providers.push(Arc::new(Failures { log: log.clone(), repository, namespace }));
    }
    providers
}

/// Provider of the failure events of one namespace.
struct Failures {
    log: FailureLog,
    repository: Arc<Repository>,
    namespace: Namespace,
}

impl Provider for Failures {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        CLASSES.iter().filter_map(|class| Some((self.namespace.clone(), Name::parse(class).ok()?))).collect()
    }

    fn enumerate(&self, _scan: &Scan, _rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        // Past failures can be read in the file.
        Err(ProviderError::NotCapable)
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(NewFailures {
            tail: Tail::of(&self.log.path).map_err(|error| self.failed(&error))?,
            class: Arc::clone(watch.class),
            namespace: self.namespace.clone(),
            repository: Arc::clone(&self.repository),
            ready: VecDeque::new(),
        })))
    }
}

impl Failures {
    fn failed(&self, error: &io::Error) -> ProviderError {
        let status = match error.kind() {
            io::ErrorKind::PermissionDenied => Status::AccessDenied,
            _ => Status::Failed,
        };
        let path = self.log.path.display();
        ProviderError::failed(
            status,
            format!("{path}: {error}\n  only the user who runs the subscriptions can read their failures"),
        )
    }
}

/// Event source of new failures.
struct NewFailures {
    tail: Tail,
    class: Arc<Class>,
    namespace: Namespace,
    repository: Arc<Repository>,
    ready: VecDeque<Instance>,
}

impl NewFailures {
    /// Returns the event of a line, if it belongs to this class and namespace; invalid lines are skipped.
    fn event(&self, line: &[u8]) -> Option<Instance> {
        let line: Value = serde_json::from_slice(line).ok()?;
        if !line.get("namespace")?.as_str()?.eq_ignore_ascii_case(self.namespace.as_str()) {
            return None;
        }
        let items = mof::parse(line.get("failure")?.as_str()?).ok()?;
        let [Item::Instance(declaration)] = items.as_slice() else { return None };
        if declaration.class != *self.class.name() {
            return None;
        }
        let events = Namespace::parse(line.get("events")?.as_str()?).ok()?;
        let contents = self.repository.contents();
        let stored = contents.namespace(&events).ok().map(|stored| stored.schema().clone());
        let schema = stored.unwrap_or_else(|| Schema::of(events));
        let whole = declaration.resolve(&schema, &|_| None);
        // The class of the undelivered event may no longer exist; it is then omitted.
        whole.ok().or_else(|| {
            let mut rest = declaration.clone();
            rest.values.retain(|(name, _)| *name != *"Event");
            rest.resolve(&schema, &|_| None).ok()
        })
    }
}

impl EventSource for NewFailures {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Ok(Happening::Event(event));
                }
                let lines = self.tail.next().await;
                let lines =
                    lines.map_err(|error| ProviderError::failed(Status::Failed, error.to_string()))?;
                let events: Vec<Instance> = lines.iter().filter_map(|line| self.event(line)).collect();
                self.ready.extend(events);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{BoundConsumer, Failure};

    #[tokio::test]
    async fn failures_are_reported_only_in_the_namespace_of_the_subscription() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = FailureLog::of_state(folder.path());
        let namespace = |text| Namespace::parse(text).expect("a namespace");
        let schema = Schema::of(namespace("root/cimv2"));
        let mut received = NewFailures {
            tail: Tail::of(&log.path).expect("there is a folder"),
            class: schema.require("__EventDroppedEvent").expect("a class"),
            namespace: namespace("root/cimv2"),
            repository: Arc::new(Repository::in_memory()),
            ready: VecDeque::new(),
        };
        for (place, consumer) in
            [("root/subscription", "other"), ("root/cimv2/below", "other"), ("ROOT/CIMV2", "own")]
        {
            let consumer = format!("LogFileEventConsumer.Name=\"{consumer}\"");
            let bound =
                BoundConsumer { namespace: namespace(place), events: namespace("root/cimv2"), consumer };
            log.add(&bound, None, &Failure::RateLimit).expect("it is written");
        }
        let Ok(Happening::Event(event)) = received.next().await else { panic!("no event") };
        let consumer = event.value("IntendedConsumer").expect("a consumer").to_text();
        assert_eq!(consumer, "LogFileEventConsumer.Name=\"own\"");
    }
}
