//! Errors of permanent subscriptions.

use std::io;

use cim::Status;

/// Problem of a subscription.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A binding refers to a filter or consumer that does not exist.
    #[error("{0} does not exist\n  create it, or delete the binding")]
    Missing(String),
    /// Filter, consumer and binding have different creators, so one user would act for another.
    #[error("filter, consumer and binding have different creators\n  create all three as the same user")]
    Creators,
    /// This process does not act on behalf of the creator.
    #[error("the creator {0} is not allowed to run subscriptions in this service")]
    Creator(String),
    /// The consumer class is not supported.
    #[error(
        "unsupported consumer class {0}\n  use LogFileEventConsumer, NTEventLogEventConsumer, SMTPEventConsumer or CommandLineEventConsumer"
    )]
    Class(String),
    /// A property of the filter or consumer is not valid.
    #[error("{property}: {what}")]
    Property {
        /// Name of the property.
        property: &'static str,
        /// Description of the problem and its solution.
        what: &'static str,
    },
    /// A sender or recipient is not a valid mail address.
    #[error(
        "{property}: invalid mail address '{what}'\n  write alice@example.com, or Alice <alice@example.com>"
    )]
    Mailbox {
        /// Property of the consumer.
        property: &'static str,
        /// Value of the property for this event.
        what: String,
    },
    /// Running programs is disabled.
    #[error(
        "running programs for events is disabled\n  to enable it, set WMI.CommandLineConsumers = true in the configuration file"
    )]
    Commands,
    /// The namespace of a filter is not valid.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// The event query failed.
    #[error(transparent)]
    Events(#[from] wmi::Error),
    /// An operation failed.
    #[error("{what}: {source}")]
    Io {
        /// Description of the operation.
        what: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A program exceeded its time limit and was killed.
    #[error("{program} was killed after {seconds} seconds")]
    TooLong {
        /// Path of the program.
        program: String,
        /// Time limit in seconds (`KillTimeout`).
        seconds: u64,
    },
    /// A program failed.
    #[error("{program} failed: {status}")]
    Status {
        /// Path of the program.
        program: String,
        /// Exit status.
        status: std::process::ExitStatus,
    },
}

impl Problem {
    /// Returns the WMI status.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Missing(_) => Status::NotFound,
            Self::Creators | Self::Creator(_) | Self::Commands => Status::AccessDenied,
            Self::Class(_) => Status::InvalidClass,
            Self::Property { .. } | Self::Mailbox { .. } => Status::InvalidParameter,
            Self::Model(error) => error.status(),
            Self::Events(error) => error.status(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Status::NotFound,
                io::ErrorKind::PermissionDenied => Status::AccessDenied,
                io::ErrorKind::TimedOut => Status::TimedOut,
                _ => Status::Failed,
            },
            Self::TooLong { .. } => Status::TimedOut,
            Self::Status { .. } => Status::Failed,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
