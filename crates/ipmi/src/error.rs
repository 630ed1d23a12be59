//! Errors of requests to a controller.

use std::io;

use ipmi_proto::{CompletionCode, Protection, ProtoError};

/// Error of a request to a controller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IpmiError {
    /// Error of the session or the protocol.
    #[error(transparent)]
    Proto(#[from] ProtoError),
    /// The controller rejected the command.
    #[error("the controller refuses: {0}{way_out}", way_out = way_out(*.0))]
    Completion(CompletionCode),
    /// The controller rejected the command with a code specific to it.
    #[error("the controller refuses: {reason}\n  (completion code {code:02x}h)")]
    Refused {
        /// Reason for the rejection.
        reason: &'static str,
        /// Completion code.
        code: u8,
    },
    /// The controller reported success, but reading back returns another value.
    #[error(
        "the controller confirmed the change of {what}, but reading it back returns {found} instead of {wanted}"
    )]
    Unchanged {
        /// Name of the setting.
        what: &'static str,
        /// Requested value, as text.
        wanted: String,
        /// Value read back, as text.
        found: String,
    },
    /// A secret was not sent, because the session is not encrypted.
    #[error("passwords are not sent with {protection}, which does not encrypt\n  use cipher suite 17 or 3")]
    InClear {
        /// Protection of the session.
        protection: Protection,
    },
    /// Error of the driver for the controller of this machine.
    #[error("{0}")]
    Driver(#[source] io::Error),
    /// Error of a socket or of the random number source.
    #[error("the network: {0}")]
    Socket(#[from] io::Error),
}

impl IpmiError {
    /// Returns whether the controller rejected the user. Do not retry in this case: many controllers lock an
    /// account after a few attempts.
    #[must_use]
    pub fn is_about_the_user(&self) -> bool {
        matches!(self, Self::Proto(error) if error.is_about_the_user())
    }

    /// Returns whether the controller does not respond, or no longer responds.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Proto(ProtoError::NoAnswer | ProtoError::Undecided | ProtoError::Ended))
    }
}

/// Returns a hint for the user, beginning with a line break; may be empty.
fn way_out(code: CompletionCode) -> &'static str {
    match code.0 {
        INSUFFICIENT_PRIVILEGE => "\n  sign in at a higher level with --level, or as another user",
        _ => "",
    }
}

const INSUFFICIENT_PRIVILEGE: u8 = 0xd4;
