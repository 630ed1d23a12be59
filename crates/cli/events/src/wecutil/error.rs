//! Errors of `wecutil`, with their exit status.

use std::io;
use std::path::PathBuf;

use cli::secret::PasswordError;
use config::StoreError;
use eventing::CollectorError;
use files::FileError;
use winevent::WinEventError;

use crate::windows_options::UsageError;

/// Error of `wecutil`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The command line is invalid.
    #[error("{0}\nRun wecutil -? for the commands, or wecutil COMMAND -? for the options of a command.")]
    Usage(#[from] UsageError),
    /// The collector has no such function.
    #[error("{0}\n{1}")]
    NotSupported(&'static str, &'static str),
    /// Subscriptions or the store of sources cannot be used.
    #[error("{}", of_collector(.0))]
    Collector(#[from] CollectorError),
    /// A subscription file is invalid.
    #[error("The subscription is invalid. Error = 0xD.\n{0}")]
    Subscription(#[from] WinEventError),
    /// The query of a subscription is invalid.
    #[error("The specified query is invalid. Error = 0x3A99.\n{0}")]
    Query(WinEventError),
    /// A subscription contradicts itself or the command line.
    #[error("The subscription is invalid. Error = 0xD.\n{0}")]
    Invalid(String),
    /// The subscription is disabled.
    #[error("The subscription is disabled: {0}\nEnable it with wecutil ss {0:?} /e.")]
    Disabled(String),
    /// The collector has received nothing from a source.
    #[error("The collector has received no message from {0}.\nRun telarch events sources for the names.")]
    NoSource(String),
    /// The subscription has no such event source.
    #[error(
        "The subscription has no event source {0}.\nAdd it with /esa:{0} /aes, or run wecutil gs for the addresses."
    )]
    NoEventSource(String),
    /// A password cannot be read.
    #[error("Cannot read the password: {0}")]
    Password(#[from] PasswordError),
    /// A file named on the command line cannot be read.
    #[error("Cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The settings cannot be changed.
    #[error("{0}")]
    Settings(#[from] StoreError),
    /// A program failed.
    #[error("{0}\n{1}")]
    Program(String, &'static str),
    /// The user has declined.
    #[error("Nothing was changed.")]
    Declined,
    /// The environment names no home directory.
    #[error("Cannot locate the settings: neither XDG_CONFIG_HOME nor HOME is set.\nSet HOME.")]
    NoHome,
    /// The output cannot be written.
    #[error("Cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl ToolError {
    /// An option for service principal names with a port.
    pub(crate) const SPN_PORT: Self = Self::NotSupported(
        "Option essp is not supported: service principal names of sources have no port.",
        "Omit the option, and register the name HTTP/HOST for the source.",
    );

    /// Returns the exit status: the error number of Windows if it fits into 8 bits, otherwise 1.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 87,
            Self::NotSupported(..) => 50,
            Self::Subscription(_) | Self::Invalid(_) => 13,
            Self::NoSource(_) | Self::NoEventSource(_) => 2,
            Self::File { source, .. } => status_of(source),
            Self::Settings(StoreError::Disk { source, .. }) => status_of(source),
            Self::Collector(error) => number(error),
            Self::Query(_)
            | Self::Disabled(_)
            | Self::Settings(_)
            | Self::Program(..)
            | Self::Declined
            | Self::Password(_)
            | Self::NoHome
            | Self::Output(_) => 1,
        }
    }
}

/// Returns the message of Windows with the reason.
fn of_collector(error: &CollectorError) -> String {
    let begin = match error {
        CollectorError::NoSubscription { .. } => "Failed to open subscription.",
        CollectorError::SubscriptionExists { .. } => "Failed to create subscription.",
        CollectorError::Subscription { .. } => "The subscription is invalid.",
        _ => return error.to_string(),
    };
    let advice = match error {
        CollectorError::NoSubscription { .. } => "\nRun wecutil es for the names.",
        CollectorError::SubscriptionExists { .. } => "\nChange it with wecutil ss /c:FILE.",
        _ => "",
    };
    format!("{begin} Error = {:#X}.\n{error}{advice}", number(error))
}

/// Returns the error number of Windows.
fn number(error: &CollectorError) -> u8 {
    match error {
        CollectorError::NoSubscription { .. } => 2,
        CollectorError::SubscriptionExists { .. } => 183,
        CollectorError::Subscription { .. } => 13,
        CollectorError::File { source, .. } | CollectorError::TrustedFile(FileError::Disk { source, .. }) => {
            status_of(source)
        }
        _ => 1,
    }
}

fn status_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::PermissionDenied => 5,
        _ => 1,
    }
}
