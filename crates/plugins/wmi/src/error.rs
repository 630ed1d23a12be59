//! Errors of WMI requests.

use cim::{Name, Namespace};

/// Error of a request; `fault.rs` converts it to a fault.
#[derive(Debug, thiserror::Error)]
pub enum WmiError {
    /// Error of the engine or a provider.
    #[error(transparent)]
    Engine(#[from] wmi::Error),
    /// URI and selector name different namespaces.
    #[error(
        "the URI names the namespace {named}, but the selector __cimnamespace names {selected}\n  omit the selector, or name the same namespace"
    )]
    TwoNamespaces { named: Namespace, selected: Namespace },
    /// The URI names all classes (`*`) where one class is required.
    #[error("the URI names no class (*)\n  name a class, or enumerate with a query as filter")]
    NoClass,
    /// The request needs an instance, but has no selectors for its keys.
    #[error("missing selectors: {0} requires a selector for each key\n  add them, or enumerate the class")]
    SelectorsRequired(Name),
    /// An enumeration has selectors.
    #[error("selectors are not allowed in an enumeration\n  omit them, or use get for a single instance")]
    SelectorsInEnumeration,
    /// A subscription has selectors.
    #[error("selectors are not allowed in a subscription\n  select the events in the query")]
    SelectorsInSubscription,
    /// A subscription has no query.
    #[error("a subscription requires an event query\n  add it as filter")]
    EventsWithoutFilter,
    /// Selectors and body name different instances.
    #[error("the key {0} cannot be changed; delete the instance and create another")]
    KeyChange(Name),
    /// The class of the body differs from that of the URI.
    #[error("the body is an instance of {given}, but the URI names {named}\n  name the same class in both")]
    OtherClass { given: Name, named: Name },
    /// The filter dialect is not supported.
    #[error("unsupported filter dialect '{0}'; use WQL, XPath, a selector or an association filter")]
    FilterDialect(String),
    /// The filter is incomplete.
    #[error("{0}")]
    Filter(&'static str),
    /// The action does not support fragments; only Get and Put do.
    #[error("fragments are supported by Get and Put only\n  omit FragmentTransfer")]
    NoFragments,
    /// The fragment dialect is not supported.
    #[error("unsupported fragment dialect '{0}'; use XPath")]
    FragmentDialect(String),
    /// A fragment has no expression.
    #[error("FragmentTransfer is empty\n  write the name of a property")]
    BlankFragment,
    /// A fragment expression outside the supported part of XPath.
    #[error("unsupported fragment path '{0}'; write Property, Property[2] or Property/text()")]
    FragmentPath(String),
    /// The fragment in the body is missing or is another one.
    #[error("{0}")]
    FragmentBody(&'static str),
    /// The time limit of the client has passed.
    #[error("the operation timed out (OperationTimeout)\n  raise OperationTimeout, or request less")]
    TimedOut,
}

impl From<cim::Error> for WmiError {
    fn from(error: cim::Error) -> Self {
        Self::Engine(wmi::Error::Model(error))
    }
}
