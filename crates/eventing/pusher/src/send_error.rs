//! Reasons why a message is sent again.

use winevent::WinEventError;
use winevent::delivery::DeliveryError;

/// Reason why a message was not accepted by the subscriber.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The subscriber cannot be reached.
    #[error("{0}")]
    Client(#[from] client::Error),
    /// The message cannot be compressed.
    #[error("{0}")]
    Compression(#[from] WinEventError),
    /// The response has another status than the mode requires.
    #[error("the subscriber answered with HTTP status {0}")]
    Status(u16),
    /// The subscriber has rejected the message, with this subcode.
    #[error("the subscriber rejected the message: {0:?}")]
    Fault(String),
    /// The response does not acknowledge the message.
    #[error("the subscriber did not acknowledge the message: {0}")]
    Answer(#[from] DeliveryError),
    /// The response is the answer to a request for subscriptions.
    #[error("the subscriber sent an unexpected answer")]
    UnexpectedAnswer,
}

impl SendError {
    /// Returns whether the subscriber has cancelled the subscription (DSP0226 10.6).
    pub(crate) fn is_cancellation(&self) -> bool {
        matches!(self, Self::Fault(subcode) if subcode == "DeliveryRefused")
    }
}
