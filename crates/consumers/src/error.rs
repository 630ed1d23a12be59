//! What keeps a subscription from being carried out.

use std::io;

use cim::Status;

/// What is wrong with a subscription.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A binding names what there is not.
    #[error("there is no {0}\n  make it, or delete the binding")]
    Missing(String),
    /// Filter, consumer and binding are not of the same user, so that one would act for another.
    #[error("filter, consumer and binding were made by different users\n  have one user make all three")]
    Creators,
    /// It was made by somebody for whom this process does nothing.
    #[error("it was made by {0}, for whom this service does nothing on its own")]
    Creator(String),
    /// The class of the consumer is not known.
    #[error(
        "{0} is no consumer that is carried out here\n  use LogFileEventConsumer, NTEventLogEventConsumer, SMTPEventConsumer or CommandLineEventConsumer"
    )]
    Class(String),
    /// A property of filter or consumer cannot be used.
    #[error("{property}: {what}")]
    Property {
        /// Its name.
        property: &'static str,
        /// What is wrong, and what to do.
        what: &'static str,
    },
    /// A mail would be from or to what is no address.
    #[error(
        "{property}: {what:?} is no address of mail\n  write alice@example.com, or Alice <alice@example.com>"
    )]
    Mailbox {
        /// The property of the consumer.
        property: &'static str,
        /// What it is for this event.
        what: String,
    },
    /// Programs are not run.
    #[error(
        "programs are not run for events\n  WMI.CommandLineConsumers = true in the file of settings allows it"
    )]
    Commands,
    /// The namespace of a filter is none.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// The events cannot be had.
    #[error(transparent)]
    Events(#[from] wmi::Error),
    /// What was to be done could not be.
    #[error("{what}: {source}")]
    Deed {
        /// What.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A program had to be ended.
    #[error("{program} ran longer than {seconds} seconds and was ended")]
    TooLong {
        /// Which.
        program: String,
        /// `KillTimeout`.
        seconds: u64,
    },
    /// A program has failed.
    #[error("{program} has ended with {status}")]
    Status {
        /// Which.
        program: String,
        /// How.
        status: std::process::ExitStatus,
    },
}

impl Problem {
    /// What WMI calls it.
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
