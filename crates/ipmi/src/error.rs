//! Why a controller could not be asked, or has not done what it was asked for.

use std::io;

use ipmi_proto::{CompletionCode, Protection, ProtoError};

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IpmiError {
    /// The session, or something in it.
    #[error(transparent)]
    Proto(#[from] ProtoError),
    /// The controller does not do it.
    #[error("the controller refuses: {0}{way_out}", way_out = way_out(*.0))]
    Completion(CompletionCode),
    /// The controller does not do it, for a reason of the command's own.
    #[error("the controller refuses: {reason}\n  (completion code {code:02x}h)")]
    Refused {
        /// The reason.
        reason: &'static str,
        /// Its number.
        code: u8,
    },
    /// The controller has said that it was done, and it was not.
    #[error("the controller says that it has changed {what}, but reading it back shows no change")]
    Unchanged {
        /// What was to be changed.
        what: &'static str,
    },
    /// A secret would be sent where others can read it.
    #[error("passwords are not sent with {protection}, which does not encrypt\n  use cipher suite 17 or 3")]
    InClear {
        /// What protects the session.
        protection: Protection,
    },
    /// The driver of this machine's own controller.
    #[error("{0}")]
    Driver(#[source] io::Error),
    /// The socket, or what randomness comes from.
    #[error("the network: {0}")]
    Socket(#[from] io::Error),
}

impl IpmiError {
    /// Whether the controller does not let this user in: many lock an account after a few attempts.
    #[must_use]
    pub fn is_about_the_user(&self) -> bool {
        matches!(self, Self::Proto(error) if error.is_about_the_user())
    }

    /// Whether nobody answers, or not any more.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Proto(ProtoError::NoAnswer | ProtoError::Undecided | ProtoError::Ended))
    }
}

/// What whoever asks can do about it, on a line of its own; nothing where nobody knows.
fn way_out(code: CompletionCode) -> &'static str {
    match code.0 {
        INSUFFICIENT_PRIVILEGE => "\n  ask at a higher level with --level, or as another user",
        _ => "",
    }
}

const INSUFFICIENT_PRIVILEGE: u8 = 0xd4;
