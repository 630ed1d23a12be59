//! Errors of queries and providers.

use cim::{Name, Namespace, ObjectPath, Status};

use crate::Rights;

/// Error of a request; [`Error::status`] is its WMI status.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A query, path, class or value is not valid.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// The namespace does not exist.
    #[error(
        "namespace {0} does not exist\n  to list the namespaces below root: telarch wmi -n root __Namespace"
    )]
    NoNamespace(Namespace),
    /// The security descriptor of the namespace denies access.
    #[error(
        "the security descriptor of namespace {namespace} does not grant {caller} the right {missing}\n  \
         an administrator can grant it: telarch wmi security {namespace}"
    )]
    AccessDenied {
        /// The namespace.
        namespace: Namespace,
        /// Rights that are not granted.
        missing: Rights,
        /// Name of the caller.
        caller: String,
    },
    /// The instance does not exist.
    #[error("instance {0} does not exist")]
    NotFound(Box<ObjectPath>),
    /// No provider serves the class.
    #[error("no provider for class {0}: it has no instances on this machine")]
    NoProvider(Name),
    /// The class does not have the method.
    #[error("{class} has no method {name}")]
    NoMethod {
        /// The class.
        class: Name,
        /// Requested name.
        name: String,
    },
    /// The method does not have the parameter.
    #[error("method {method} of {class} has no parameter '{name}'")]
    NoParameter {
        /// The class.
        class: Name,
        /// The method.
        method: Name,
        /// Name of the parameter in the request.
        name: String,
    },
    /// A static method was called on an instance.
    #[error("{0} is a static method; call it on the class, without selectors")]
    StaticMethod(Name),
    /// An instance method was called on the class.
    #[error("{0} is an instance method; add a selector for each key")]
    InstanceMethod(Name),
    /// The request changes a read-only property.
    #[error("property {property} of {class} is read-only")]
    ReadOnly {
        /// The class.
        class: Name,
        /// The property.
        property: Name,
    },
    /// The query does not return rows.
    #[error("{0}")]
    NotRows(&'static str),
    /// An event query selects from a class that is not an event class.
    #[error(
        "{0} is not an event class\n  run it as a query, or select from an event class such as __InstanceModificationEvent WHERE TargetInstance ISA '{0}'"
    )]
    NotEventClass(Name),
    /// The query is not an event query.
    #[error("not a valid event query: {0}")]
    NotEvents(&'static str),
    /// A provider failed.
    #[error("{class}: {message}")]
    Provider {
        /// Class served by the provider.
        class: Name,
        /// WMI status.
        status: Status,
        /// Description of the failure.
        message: String,
    },
    /// A provider did not respond in time.
    #[error("the provider of {0} timed out")]
    TimedOut(Name),
    /// The maximum number of concurrent queries is reached.
    #[error("more than {0} concurrent queries\n  retry when other queries have ended")]
    TooBusy(usize),
    /// The maximum number of subscriptions is reached.
    #[error("more than {0} subscriptions\n  end other subscriptions first")]
    TooManySubscriptions(usize),
}

impl Error {
    /// Returns the WMI status.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Model(error) => error.status(),
            Self::NoNamespace(_) => Status::InvalidNamespace,
            Self::AccessDenied { .. } => Status::AccessDenied,
            Self::NotFound(_) => Status::NotFound,
            Self::NoProvider(_) => Status::ProviderNotCapable,
            Self::NoMethod { .. } => Status::InvalidMethod,
            Self::NoParameter { .. } => Status::InvalidProperty,
            Self::StaticMethod(_) | Self::InstanceMethod(_) => Status::InvalidObjectPath,
            Self::ReadOnly { .. } => Status::ReadOnly,
            Self::NotEventClass(_) => Status::NotEventClass,
            Self::NotRows(_) | Self::NotEvents(_) => Status::InvalidQuery,
            Self::Provider { status, .. } => *status,
            Self::TimedOut(_) => Status::ProviderTimedOut,
            Self::TooBusy(_) => Status::ServerTooBusy,
            Self::TooManySubscriptions(_) => Status::QuotaViolation,
        }
    }

    /// Returns whether the error comes from a provider rather than from the engine.
    #[must_use]
    pub fn is_of_provider(&self) -> bool {
        matches!(self, Self::Provider { .. } | Self::TimedOut(_))
    }
}

/// Error of a provider.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The consumer stopped reading; return this error from the provider.
    #[error("the consumer stopped reading")]
    Stopped,
    /// The provider does not support the operation.
    #[error("the provider does not support this operation")]
    NotCapable,
    /// A value does not fit its class.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// The operation failed.
    #[error("{message}")]
    Failed {
        /// WMI status.
        status: Status,
        /// Description of the failure for the caller.
        message: String,
    },
    /// Some rows could not be read. The rows passed before are valid, and the result names what is missing.
    #[error("{message}")]
    Incomplete {
        /// WMI status of the source that failed.
        status: Status,
        /// Description of the failure for the caller.
        message: String,
    },
}

impl ProviderError {
    /// Creates a failure from status and text.
    #[must_use]
    pub fn failed(status: Status, message: impl Into<String>) -> Self {
        Self::Failed { status, message: message.into() }
    }

    /// Creates the error for rows that could not be read, after others were passed.
    #[must_use]
    pub fn incomplete(status: Status, message: impl Into<String>) -> Self {
        Self::Incomplete { status, message: message.into() }
    }

    /// Converts the error for a caller, with the class of the provider.
    pub(crate) fn of(self, class: &Name) -> Error {
        let status = match &self {
            Self::NotCapable => Status::ProviderNotCapable,
            Self::Stopped => Status::CallCancelled,
            // A value that does not fit is an error of the provider, not of the client.
            Self::Model(_) => Status::ProviderFailure,
            Self::Failed { status, .. } | Self::Incomplete { status, .. } => *status,
        };
        Error::Provider { class: class.clone(), status, message: self.to_string() }
    }
}
