//! The error type of the crate.

use std::io;
use std::path::PathBuf;

use eventlog::LogError;
use winevent::delivery::DeliveryError;

/// Error of the forwarder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwarderError {
    /// The file of positions cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    State {
        /// The operation, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file of positions is damaged.
    #[error(
        "cannot use {}: it is not the state of a forwarder\n  move the file away to continue with the positions of the collectors",
        path.display()
    )]
    DamagedState {
        /// The file.
        path: PathBuf,
    },
    /// An address of the collector is not valid.
    #[error("cannot use the address {url}: {source}")]
    Address {
        /// The URL.
        url: String,
        /// Reason.
        source: client::EndpointError,
    },
    /// The collector cannot be reached, or has rejected the authentication.
    #[error("{0}")]
    Client(#[from] client::Error),
    /// The collector has answered with another status than 200.
    #[error("the collector answered with HTTP status {status}\n  {hint}")]
    Status {
        /// HTTP status.
        status: u16,
        /// Next step.
        hint: &'static str,
    },
    /// The collector has rejected a message.
    #[error("the collector rejected the message: {subcode} {reason}")]
    Fault {
        /// Local name of the subcode.
        subcode: String,
        /// Explanation of the collector.
        reason: String,
    },
    /// The answer is not that of a collector.
    #[error("the answer of the collector is not valid: {0}")]
    Answer(#[from] DeliveryError),
    /// The answer belongs to another message.
    #[error("the collector sent an unexpected answer")]
    UnexpectedAnswer,
    /// A local log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A message cannot be compressed, or a bookmark has too many channels.
    #[error("cannot write a message: {0}")]
    Message(#[from] winevent::WinEventError),
}

impl ForwarderError {
    /// Returns whether the collector has cancelled the subscription (DSP0226 10.6).
    pub(crate) fn is_cancellation(&self) -> bool {
        matches!(self, Self::Fault { subcode, .. } if subcode == "DeliveryRefused")
    }
}
