//! Why a controller could not be asked, or has not done what it was asked for.

use std::io;

use ipmi_proto::{CompletionCode, ProtoError};

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IpmiError {
    /// The session, or something in it.
    #[error(transparent)]
    Proto(#[from] ProtoError),
    /// The controller does not do it.
    #[error("the controller refuses: {0}")]
    Completion(CompletionCode),
    /// The socket, or what randomness comes from.
    #[error("the network: {0}")]
    Socket(#[from] io::Error),
}
