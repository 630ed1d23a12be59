//! Errors of permanent subscriptions.

use std::io;

use cim::Status;

/// Problem of a subscription.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A binding refers to a filter or consumer that does not exist.
    #[error("there is no {0}\n  make it, or delete the binding")]
    Missing(String),
    /// Filter, consumer and binding have different creators, so one user would act for another.
    #[error("filter, consumer and binding were made by different users\n  have one user make all three")]
    Creators,
    /// This process does not act on behalf of the creator.
    #[error("it was made by {0}, for whom this service does nothing on its own")]
    Creator(String),
    /// The consumer class is not supported.
    #[error(
        "{0} is no consumer that is carried out here\n  use LogFileEventConsumer, NTEventLogEventConsumer, SMTPEventConsumer or CommandLineEventConsumer"
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
        "{property}: {what:?} is no address of mail\n  write alice@example.com, or Alice <alice@example.com>"
    )]
    Mailbox {
        /// Property of the consumer.
        property: &'static str,
        /// Value of the property for this event.
        what: String,
    },
    /// Running programs is disabled.
    #[error(
        "programs are not run for events\n  WMI.CommandLineConsumers = true in the file of settings allows it"
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
    Deed {
        /// Description of the operation.
        what: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A program exceeded its time limit and was killed.
    #[error("{program} ran longer than {seconds} seconds and was ended")]
    TooLong {
        /// Path of the program.
        program: String,
        /// Time limit in seconds (`KillTimeout`).
        seconds: u64,
    },
    /// A program failed.
    #[error("{program} has ended with {status}")]
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
            Self::Deed { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Status::NotFound,
                io::ErrorKind::PermissionDenied => Status::AccessDenied,
                io::ErrorKind::TimedOut => Status::TimedOut,
                _ => Status::Failed,
            },
            Self::TooLong { .. } => Status::TimedOut,
            Self::Status { .. } => Status::Failed,
        }
    }

    pub(crate) fn deed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Deed { what, source }
    }
}
