//! What can be wrong with a request of WMI.

use cim::{Name, Namespace};

/// What went wrong; `fault.rs` says what a client is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WmiError {
    /// The engine or a provider says so.
    #[error(transparent)]
    Engine(#[from] wmi::Error),
    /// The URI and a selector name different namespaces.
    #[error("the URI names the namespace {named}, the selector __cimnamespace names {selected}")]
    TwoNamespaces { named: Namespace, selected: Namespace },
    /// The URI stands for all classes.
    #[error("the URI ends in *, where a class is needed\n  name one, or enumerate with a query as filter")]
    NoClass,
    /// The URI names a class where an instance is needed.
    #[error("{0} has keys: say which instance is meant, with a selector for each key")]
    SelectorsRequired(Name),
    /// Instances of a class are listed without selectors.
    #[error("an enumeration takes no selectors\n  leave them out, or get the one instance instead")]
    SelectorsInEnumeration,
    /// Events of a query are asked for with selectors.
    #[error("a subscription takes no selectors\n  say in the query which events are wanted")]
    SelectorsInSubscription,
    /// Events are asked for without a query.
    #[error("a subscription needs a query of events as filter")]
    EventsWithoutFilter,
    /// The selectors and the body name different instances.
    #[error("the key {0} cannot be changed: delete the instance and create another")]
    KeyChange(Name),
    /// The body is of another class than the URI.
    #[error("the body is an instance of {given}, the URI names {named}")]
    OtherClass { given: Name, named: Name },
    /// The language of a filter is unknown.
    #[error("filters are understood in WQL, in XPath, as selectors and as associations, not in {0:?}")]
    FilterDialect(String),
    /// A filter that says too little.
    #[error("{0}")]
    Filter(&'static str),
    /// Only instances have parts.
    #[error("only Get and Put take parts of instances\n  leave FragmentTransfer out")]
    NoFragments,
    /// The language of a fragment is unknown.
    #[error("parts of instances are named in XPath, not in {0:?}")]
    FragmentDialect(String),
    /// A fragment without expression.
    #[error("FragmentTransfer names no part\n  write the name of a property")]
    BlankFragment,
    /// A fragment that is too much of XPath.
    #[error("{0:?} is not understood: write Property, Property[2] or Property/text()")]
    FragmentPath(String),
    /// A fragment to be written that is not there, or is another.
    #[error("{0}")]
    FragmentBody(&'static str),
    /// The client waits no longer.
    #[error("there was no answer within the time of OperationTimeout")]
    TimedOut,
}

impl From<cim::Error> for WmiError {
    fn from(error: cim::Error) -> Self {
        Self::Engine(wmi::Error::Model(error))
    }
}
