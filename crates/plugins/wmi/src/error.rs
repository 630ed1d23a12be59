//! Errors of WMI requests.

use cim::{Name, Namespace};

/// Error of a request; `fault.rs` converts it to a fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WmiError {
    /// Error of the engine or a provider.
    #[error(transparent)]
    Engine(#[from] wmi::Error),
    /// URI and selector name different namespaces.
    #[error("the URI names the namespace {named}, the selector __cimnamespace names {selected}")]
    TwoNamespaces { named: Namespace, selected: Namespace },
    /// The URI names all classes (`*`) where one class is required.
    #[error("the URI ends in *, where a class is needed\n  name one, or enumerate with a query as filter")]
    NoClass,
    /// The request needs an instance, but has no selectors for its keys.
    #[error("{0} has keys: say which instance is meant, with a selector for each key")]
    SelectorsRequired(Name),
    /// An enumeration has selectors.
    #[error("an enumeration takes no selectors\n  leave them out, or get the one instance instead")]
    SelectorsInEnumeration,
    /// A subscription has selectors.
    #[error("a subscription takes no selectors\n  say in the query which events are wanted")]
    SelectorsInSubscription,
    /// A subscription has no query.
    #[error("a subscription needs a query of events as filter")]
    EventsWithoutFilter,
    /// Selectors and body name different instances.
    #[error("the key {0} cannot be changed: delete the instance and create another")]
    KeyChange(Name),
    /// The class of the body differs from that of the URI.
    #[error("the body is an instance of {given}, the URI names {named}")]
    OtherClass { given: Name, named: Name },
    /// The filter dialect is not supported.
    #[error("filters are understood in WQL, in XPath, as selectors and as associations, not in {0:?}")]
    FilterDialect(String),
    /// The filter is incomplete.
    #[error("{0}")]
    Filter(&'static str),
    /// The action does not support fragments; only Get and Put do.
    #[error("only Get and Put take parts of instances\n  leave FragmentTransfer out")]
    NoFragments,
    /// The fragment dialect is not supported.
    #[error("parts of instances are named in XPath, not in {0:?}")]
    FragmentDialect(String),
    /// A fragment has no expression.
    #[error("FragmentTransfer names no part\n  write the name of a property")]
    BlankFragment,
    /// A fragment expression outside the supported part of XPath.
    #[error("{0:?} is not understood: write Property, Property[2] or Property/text()")]
    FragmentPath(String),
    /// The fragment in the body is missing or is another one.
    #[error("{0}")]
    FragmentBody(&'static str),
    /// The time limit of the client has passed.
    #[error("there was no answer within the time of OperationTimeout")]
    TimedOut,
}

impl From<cim::Error> for WmiError {
    fn from(error: cim::Error) -> Self {
        Self::Engine(wmi::Error::Model(error))
    }
}
