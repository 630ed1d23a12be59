//! Analysis of event queries.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cim::wql::{Condition, Group, Predicate, PropertyPath, Select};
use cim::{Class, Instance, Name, Origin, Schema};

use super::Changes;
use super::aggregate::Groups;
use crate::Error;

/// An event query, and how to find and filter its events.
pub(super) struct EventQuery {
    pub(super) kind: Kind,
    from: Name,
    /// Aggregation, with the class of aggregate events.
    group: Option<(Group, Arc<Class>)>,
    filter: Arc<EventFilter>,
}

/// How events are found.
pub(super) enum Kind {
    /// Found by comparing instances.
    Changes(Wanted),
    /// Found by comparing the classes of successive engines.
    Classes(EventClasses),
    /// Reported by event sources.
    Others,
}

/// Requested changes of instances.
pub(super) struct Wanted {
    /// Watched classes, including their subclasses.
    pub(super) targets: Vec<Name>,
    pub(super) changes: Changes,
    /// Polling interval.
    pub(super) interval: Duration,
    /// Comparisons of properties of the only target class, all of which an instance must satisfy.
    pub(super) comparisons: Vec<(Name, Condition)>,
    pub(super) events: EventClasses,
    /// Whether modification events need the previous state.
    pub(super) tells_previous: bool,
}

/// Event classes of changes.
#[derive(Clone)]
pub(super) struct EventClasses {
    pub(super) creation: Arc<Class>,
    pub(super) modification: Arc<Class>,
    pub(super) deletion: Arc<Class>,
    /// `TargetInstance`, `TargetNamespace` or `TargetClass`.
    pub(super) target: &'static str,
    /// `PreviousInstance`, `PreviousNamespace` or `PreviousClass`.
    pub(super) previous: &'static str,
}

/// Filter for events.
pub(super) struct EventFilter {
    /// Condition for each possible event class.
    predicates: HashMap<Name, Predicate>,
}

impl EventFilter {
    pub(super) fn matches(&self, event: &Instance) -> bool {
        self.predicates.get(event.class().name()).is_some_and(|predicate| predicate.evaluate(event))
    }
}

/// A family of change events: its classes, and the properties for the changed object.
struct Family {
    above: &'static str,
    names: [&'static str; 3],
    target: &'static str,
    previous: &'static str,
}

const INSTANCES: Family = Family {
    above: "__InstanceOperationEvent",
    names: ["__InstanceCreationEvent", "__InstanceModificationEvent", "__InstanceDeletionEvent"],
    target: "TargetInstance",
    previous: "PreviousInstance",
};

const NAMESPACES: Family = Family {
    above: "__NamespaceOperationEvent",
    names: ["__NamespaceCreationEvent", "__NamespaceModificationEvent", "__NamespaceDeletionEvent"],
    target: "TargetNamespace",
    previous: "PreviousNamespace",
};

const CLASSES: Family = Family {
    above: "__ClassOperationEvent",
    names: ["__ClassCreationEvent", "__ClassModificationEvent", "__ClassDeletionEvent"],
    target: "TargetClass",
    previous: "PreviousClass",
};

/// Polling interval if the query has no `WITHIN`. Windows rejects such queries.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum polling interval.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

impl EventQuery {
    /// Analyses a query in a namespace with these classes.
    ///
    /// # Errors
    /// [`Error::Model`] for an invalid query, [`Error::NotEventClass`] and [`Error::NotEvents`] for other
    /// queries.
    pub(super) fn read(schema: &Schema, select: Select, origin: Origin) -> Result<Self, Error> {
        let class = schema.require(select.from.as_str())?;
        // The query is validated against the class it names.
        Predicate::bind(&select, &class, &origin)?;
        select.selected(&class)?;
        if !class.is_a("__Event") {
            return Err(Error::NotEventClass(class.name().clone()));
        }
        if let Some(group) = &select.group {
            group.fits(&class)?;
        }
        let kind = match [INSTANCES, NAMESPACES].into_iter().find(|family| class.is_a(family.above)) {
            Some(family) => Kind::Changes(wanted(schema, &class, &select, &family)?),
            None if class.is_a(CLASSES.above) => Kind::Classes(CLASSES.events(schema)?),
            None => Kind::Others,
        };
        let below = schema.subclasses(class.name().as_str());
        let mut predicates = HashMap::new();
        for class in std::iter::once(&class).chain(&below) {
            predicates.insert(class.name().clone(), Predicate::bind(&select, class, &origin)?);
        }
        let aggregate = schema.require("__AggregateEvent")?;
        let group = select.group.map(|group| (group, aggregate));
        Ok(Self { kind, from: class.name().clone(), group, filter: Arc::new(EventFilter { predicates }) })
    }

    /// Returns the aggregation, if the query has one.
    pub(super) fn groups(&self) -> Option<Groups> {
        let (group, aggregate) = self.group.as_ref()?;
        Some(Groups::new(group.clone(), self.from.clone(), Arc::clone(aggregate)))
    }

    pub(super) fn filter(&self) -> Arc<EventFilter> {
        Arc::clone(&self.filter)
    }
}

impl Family {
    fn events(&self, schema: &Schema) -> Result<EventClasses, Error> {
        let [creation, modification, deletion] = self.names.map(|name| schema.require(name));
        let (target, previous) = (self.target, self.previous);
        let (creation, modification, deletion) = (creation?, modification?, deletion?);
        Ok(EventClasses { creation, modification, deletion, target, previous })
    }
}

fn wanted(schema: &Schema, class: &Class, select: &Select, family: &Family) -> Result<Wanted, Error> {
    let events = family.events(schema)?;
    let flags = [Changes::CREATION, Changes::MODIFICATION, Changes::DELETION];
    let requested = [&events.creation, &events.modification, &events.deletion].into_iter().zip(flags);
    let changes = requested
        .filter(|(event, _)| event.is_a(class.name().as_str()))
        .fold(Changes::empty(), |changes, (_, flag)| changes | flag);
    let targets = match family.target {
        "TargetNamespace" => vec![Name::parse("__Namespace")?],
        property => select.classes_of(property),
    };
    let targets =
        targets.iter().map(|target| schema.require(target.as_str())).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(Error::NotEvents(
            "the query selects no class of instances; add WHERE TargetInstance ISA 'CLASS'",
        ));
    }
    let condition = select.condition.as_ref();
    let tells_previous = changes.contains(Changes::MODIFICATION)
        && (select.names().is_none_or(|names| names.iter().any(|name| *name == *family.previous))
            || condition.is_some_and(|condition| mentions(condition, family.previous)));
    Ok(Wanted {
        changes,
        interval: select.within.unwrap_or(USUAL_INTERVAL).max(SHORTEST_INTERVAL),
        comparisons: match (condition, targets.as_slice()) {
            (Some(condition), [_]) => comparisons(condition, family.target),
            _ => Vec::new(),
        },
        targets: targets.iter().map(|target| target.name().clone()).collect(),
        events,
        tells_previous,
    })
}

/// Returns the comparisons of single properties of instances that the condition requires.
fn comparisons(condition: &Condition, target: &str) -> Vec<(Name, Condition)> {
    match condition {
        Condition::And(all) => all.iter().flat_map(|condition| comparisons(condition, target)).collect(),
        Condition::Compare { property: path, operator, constant, span } => match path.parts.as_slice() {
            [object, property] if *object == *target && path.index.is_none() => {
                let path = PropertyPath { parts: vec![property.clone()], ..path.clone() };
                let (operator, constant, span) = (*operator, constant.clone(), *span);
                vec![(property.clone(), Condition::Compare { property: path, operator, constant, span })]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Returns whether one of the first two parts of a path, which may include an alias, is a property.
fn begins_with(path: &PropertyPath, property: &str) -> bool {
    path.parts.iter().take(2).any(|part| *part == *property)
}

fn mentions(condition: &Condition, property: &str) -> bool {
    match condition {
        Condition::And(all) | Condition::Or(all) => all.iter().any(|one| mentions(one, property)),
        Condition::Not(one) => mentions(one, property),
        Condition::Compare { property: path, .. }
        | Condition::IsNull(path)
        | Condition::Like { property: path, .. } => begins_with(path, property),
        Condition::Isa { property: path, .. } => {
            path.as_ref().is_some_and(|path| begins_with(path, property))
        }
    }
}
