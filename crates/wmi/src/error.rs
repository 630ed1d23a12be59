//! What can go wrong between a question and its rows.

use cim::{Name, Namespace, ObjectPath, Status};

use crate::Rights;

/// What went wrong; [`Error::status`] is what WMI calls it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A query, path, class or value is wrong.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// There is no such namespace.
    #[error("there is no namespace {0}\n  those below root are told by: telarch wmi -n root __Namespace")]
    NoNamespace(Namespace),
    /// The descriptor of the namespace does not let the caller.
    #[error(
        "{caller} has no {missing} in {namespace}\n  \
         an administrator can give it: telarch wmi security {namespace}"
    )]
    AccessDenied {
        /// Where.
        namespace: Namespace,
        /// The rights that nobody gives.
        missing: Rights,
        /// Who asked.
        caller: String,
    },
    /// There is no such instance.
    #[error("there is no {0}")]
    NotFound(Box<ObjectPath>),
    /// Nobody serves the class.
    #[error("nobody serves {0}\n  it is a class without instances here")]
    NoProvider(Name),
    /// A class has no such method.
    #[error("{class} has no method {name}")]
    NoMethod {
        /// The class.
        class: Name,
        /// What was asked for.
        name: String,
    },
    /// A method has no such parameter.
    #[error("{method} of {class} has no parameter {name:?}")]
    NoParameter {
        /// The class.
        class: Name,
        /// The method.
        method: Name,
        /// What was given.
        name: String,
    },
    /// A method of the class was called on an instance.
    #[error("{0} is a static method: call it on the class, without selectors")]
    StaticMethod(Name),
    /// A method of instances was called on the class.
    #[error("{0} is a method of instances: say of which, with a selector for each key")]
    InstanceMethod(Name),
    /// A property that cannot be written has another value than before.
    #[error("{property} of {class} cannot be written")]
    ReadOnly {
        /// The class.
        class: Name,
        /// The property.
        property: Name,
    },
    /// A query that is not one of rows.
    #[error("{0}")]
    NotRows(&'static str),
    /// A query of events that selects from something else.
    #[error(
        "{0} is no class of events\n  run the query, or select from a class of events, such as __InstanceModificationEvent, WHERE TargetInstance ISA '{0}'"
    )]
    NotEventClass(Name),
    /// A query that is not one of events.
    #[error("this cannot be subscribed to: {0}")]
    NotEvents(&'static str),
    /// A provider failed.
    #[error("{class}: {message}")]
    Provider {
        /// The class it serves.
        class: Name,
        /// What WMI calls it.
        status: Status,
        /// What happened.
        message: String,
    },
    /// A provider said nothing for too long.
    #[error("the provider of {0} did not answer in time")]
    TimedOut(Name),
    /// More is asked at once than is served.
    #[error("more than {0} queries at once\n  ask again when others have ended")]
    TooBusy(usize),
    /// More is watched at once than may be.
    #[error("more than {0} subscriptions at once\n  end some of those there are")]
    TooManySubscriptions(usize),
}

impl Error {
    /// What WMI calls it.
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

    /// Whether a provider said it, and not the engine.
    #[must_use]
    pub fn is_of_provider(&self) -> bool {
        matches!(self, Self::Provider { .. } | Self::TimedOut(_))
    }
}

/// Why a provider could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// Nobody wants more rows; pass it on.
    #[error("nobody wants more rows")]
    Stopped,
    /// It does not do such things at all.
    #[error("this cannot be done")]
    NotCapable,
    /// A value does not fit its class.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// It failed.
    #[error("{message}")]
    Failed {
        /// What WMI calls it.
        status: Status,
        /// What happened, for whoever asked.
        message: String,
    },
}

impl ProviderError {
    /// A failure in words.
    #[must_use]
    pub fn failed(status: Status, message: impl Into<String>) -> Self {
        Self::Failed { status, message: message.into() }
    }

    /// The failure of the provider of a class.
    pub(crate) fn of(self, class: &Name) -> Error {
        let status = match &self {
            Self::NotCapable => Status::ProviderNotCapable,
            Self::Stopped => Status::CallCancelled,
            // A value that does not fit is the provider's mistake, not the client's.
            Self::Model(_) => Status::ProviderFailure,
            Self::Failed { status, .. } => *status,
        };
        Error::Provider { class: class.clone(), status, message: self.to_string() }
    }
}
