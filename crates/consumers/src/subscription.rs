//! Registered filters, consumers and bindings.

use cim::{Instance, Namespace, ObjectPath, Value};
use repository::Contents;
use sddl::Sid;

use crate::words::Words;
use crate::{Consumer, Problem};

/// A filter and the consumer of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Filter.
    pub filter: Filter,
    /// Consumer.
    pub consumer: Consumer,
    /// Approximate maximum size in bytes of events that wait for the consumer (`MaximumQueueSize`).
    pub queue: usize,
}

/// An event filter (`__EventFilter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Namespace of the events.
    pub namespace: Namespace,
    /// Query in WQL.
    pub query: String,
}

/// A registered binding.
#[derive(Debug)]
pub struct Registered {
    /// Namespace of the binding.
    pub namespace: Namespace,
    /// Path of its filter.
    pub filter: String,
    /// Path of its consumer.
    pub consumer: String,
    /// Creator; `None` for the owner of the repository file.
    pub creator: Option<Sid>,
    /// The resulting subscription, or the reason why it cannot be run.
    pub subscription: Result<Subscription, Problem>,
}

/// Returns all registered bindings of all namespaces.
#[must_use]
pub fn registered(contents: &Contents, words: Words) -> Vec<Registered> {
    let mut all = Vec::new();
    for (namespace, stored) in contents.namespaces() {
        let bindings =
            stored.instances().filter(|instance| instance.class().is_a("__FilterToConsumerBinding"));
        for binding in bindings {
            let (filter, consumer) = (reference(binding, "Filter"), reference(binding, "Consumer"));
            let subscription = read(contents, namespace, binding, filter, consumer, words);
            all.push(Registered {
                namespace: namespace.clone(),
                filter: filter.map(ObjectPath::to_string).unwrap_or_default(),
                consumer: consumer.map(ObjectPath::to_string).unwrap_or_default(),
                creator: creator(binding),
                subscription,
            });
        }
    }
    all
}

fn read(
    contents: &Contents,
    namespace: &Namespace,
    binding: &Instance,
    filter: Option<&ObjectPath>,
    consumer: Option<&ObjectPath>,
    words: Words,
) -> Result<Subscription, Problem> {
    let at = filter.and_then(|path| path.namespace.as_ref()).unwrap_or(namespace);
    let (filter, consumer) = (find(contents, namespace, filter)?, find(contents, namespace, consumer)?);
    if creator(filter) != creator(binding) || creator(consumer) != creator(binding) {
        return Err(Problem::Creators);
    }
    let namespace = text(filter, "EventNamespace").map(Namespace::parse).transpose()?;
    let what = "must be an event query";
    let query = text(filter, "Query").ok_or(Problem::Property { property: "Query", what })?.to_owned();
    let filter = Filter { namespace: namespace.unwrap_or_else(|| at.clone()), query };
    let queue = consumer.value("MaximumQueueSize").and_then(Value::as_integer);
    let queue = queue.and_then(|octets| usize::try_from(octets).ok()).filter(|octets| *octets > 0);
    let queue = queue.map_or(LARGEST_QUEUE, |octets| octets.min(LARGEST_QUEUE));
    Ok(Subscription { filter, consumer: Consumer::read(consumer, words)?, queue })
}

fn reference<'i>(binding: &'i Instance, name: &str) -> Option<&'i ObjectPath> {
    match binding.value(name) {
        Some(Value::Reference(path)) => Some(path.as_ref()),
        _ => None,
    }
}

/// Returns a stored instance; paths without a namespace belong to `namespace`.
fn find<'c>(
    contents: &'c Contents,
    namespace: &Namespace,
    path: Option<&ObjectPath>,
) -> Result<&'c Instance, Problem> {
    let path = path.ok_or_else(|| Problem::Missing("filter or consumer".to_owned()))?;
    let stored = contents.namespace(path.namespace.as_ref().unwrap_or(namespace)).ok();
    let instance = stored.and_then(|stored| stored.instance(path).ok().flatten());
    instance.ok_or_else(|| Problem::Missing(path.to_string()))
}

/// Returns a property as non-empty text.
fn text<'i>(instance: &'i Instance, name: &str) -> Option<&'i str> {
    instance.value(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Maximum size in bytes of events that wait for a consumer, whatever its `MaximumQueueSize`.
const LARGEST_QUEUE: usize = 1 << 20;

/// Returns the creator of an instance; the anonymous SID if the property is not valid.
fn creator(instance: &Instance) -> Option<Sid> {
    let Some(Value::Array(octets)) = instance.value("CreatorSID") else { return None };
    let octets = octets.iter().filter_map(Value::as_integer).filter_map(|octet| u8::try_from(octet).ok());
    Some(Sid::decode(&octets.collect::<Vec<u8>>()).unwrap_or(sddl::well_known::ANONYMOUS))
}
