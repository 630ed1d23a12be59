//! Changes of classes, found by comparing an engine with its successor.

use std::collections::BTreeMap;
use std::sync::Arc;

use cim::{Class, ClassDeclaration, Instance, Name, Schema, Value};
use tokio::task::JoinSet;

use super::Subscriber;
use super::query::{EventClasses, Kind};
use crate::{Engine, Error};

/// Starts to compare. Nothing is compared until the engine is replaced.
pub(super) fn watch(
    subscriber: Subscriber,
    events: EventClasses,
    watching: &mut JoinSet<()>,
) -> Result<(), Error> {
    let added = added(subscriber.engine.schema(&subscriber.namespace)?);
    watching.spawn(Comparison { subscriber, events, added }.run());
    Ok(())
}

struct Comparison {
    subscriber: Subscriber,
    events: EventClasses,
    /// Classes of the last engine, except built-in ones.
    added: BTreeMap<Name, Arc<Class>>,
}

impl Comparison {
    async fn run(mut self) {
        loop {
            let engine = self.subscriber.updates.next().await;
            if let Err(error) = self.follow(engine) {
                return self.subscriber.output.fail(error);
            }
        }
    }

    fn follow(&mut self, engine: Engine) -> Result<(), Error> {
        if let Kind::Classes(events) = self.subscriber.requery(engine)? {
            self.events = events;
        }
        let now = added(self.subscriber.engine.schema(&self.subscriber.namespace)?);
        let before = std::mem::take(&mut self.added);
        for (name, class) in &now {
            match before.get(name) {
                None => self.tell(&self.events.creation, class, None)?,
                Some(old) if declared(old) != declared(class) => {
                    self.tell(&self.events.modification, class, Some(old))?;
                }
                Some(_) => {}
            }
        }
        for (_, class) in before.iter().filter(|(name, _)| !now.contains_key(name)) {
            self.tell(&self.events.deletion, class, None)?;
        }
        self.added = now;
        Ok(())
    }

    fn tell(&self, event: &Arc<Class>, class: &Arc<Class>, before: Option<&Arc<Class>>) -> Result<(), Error> {
        let mut event = Instance::new(event.clone()).with(self.events.target, embedded(class))?;
        if let Some(before) = before {
            event = event.with(self.events.previous, embedded(before))?;
        }
        self.subscriber.output.deliver(event);
        Ok(())
    }
}

/// Returns the classes that are not built in; built-in ones never change.
fn added(schema: &Schema) -> BTreeMap<Name, Arc<Class>> {
    let added = schema.names().map(|(name, _)| name).filter(|name| !schema.is_builtin(name.as_str()));
    added.filter_map(|name| Some((name.clone(), schema.class(name.as_str())?))).collect()
}

fn declared(class: &Class) -> ClassDeclaration {
    ClassDeclaration::from(class)
}

/// Returns a class as an embedded object: because values can only be instances, it is an instance with the
/// defaults of the class.
fn embedded(class: &Arc<Class>) -> Value {
    Value::Object(Box::new(Instance::with_defaults(class.clone())))
}
