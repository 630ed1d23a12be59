//! Errors of decoding, signing in and encoding.

use crate::login_status::{Stage, Status};

/// Error of a packet, a login or a value that cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtoError {
    /// The data ends too early.
    #[error("{what} is cut off")]
    Truncated {
        /// Name of the item that was decoded.
        what: &'static str,
    },
    /// A checksum or padding is wrong.
    #[error("{what} is damaged: its checksum or padding is wrong")]
    Damaged {
        /// Name of the item that was decoded.
        what: &'static str,
    },
    /// A field has an invalid value.
    #[error("{what} has the invalid value {value:#x}")]
    Unexpected {
        /// Name of the field.
        what: &'static str,
        /// Value of the field.
        value: u32,
    },
    /// The authentication code of a packet is wrong.
    #[error("the authentication code of a packet is wrong")]
    Unauthentic,
    /// The sequence number of a packet was already received or is outside the window.
    #[error("a packet was repeated or is far out of order")]
    OutOfWindow,
    /// An item is longer than its limit.
    #[error("{what} has {octets} bytes, more than {limit}")]
    TooLong {
        /// Name of the item.
        what: &'static str,
        /// Length in bytes.
        octets: usize,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// A text contains a NUL, which would end it early.
    #[error("{what} contains a NUL, which a controller cannot store")]
    Nul {
        /// Name of the item.
        what: &'static str,
    },
    /// An item does not exist.
    #[error("{what} is not there")]
    Absent {
        /// Name of the item.
        what: &'static str,
    },
    /// A word is not one of the allowed words.
    #[error("\"{word}\" is not {what}\n  there are {known}")]
    Word {
        /// Description of the expected value.
        what: &'static str,
        /// The word passed by the user.
        word: String,
        /// List of the allowed words.
        known: String,
    },
    /// The cipher suite does not exist or is not supported.
    #[error(
        "cipher suite {0} is not supported\n  those that are: 17, 3; and by name only 0, 1, 2, 6, 7, 8, 11, 12, 15, 16"
    )]
    Suite(u32),
    /// The controller did not respond within the time limit.
    #[error("no answer\n  is the address right, IPMI over LAN switched on, and UDP port 623 open?")]
    NoAnswer,
    /// Datagrams arrived, but none was a valid response.
    #[error(
        "no valid answer: {reason}\n  what answers there is not a management controller, or the port is wrong"
    )]
    NoValidAnswer {
        /// Reason for which the first datagram was rejected.
        reason: String,
    },
    /// A command that must not be repeated got no response; it may or may not have been executed.
    #[error(
        "no answer: the command may have been done, or not\n  look at the state of the machine before you send it again"
    )]
    Undecided,
    /// The controller rejected a step of an IPMI 1.5 login.
    #[error("the login was refused at {step}: {reason} (completion code {code:02x}h)")]
    Lan15Refused {
        /// Name of the step.
        step: &'static str,
        /// Reason for the rejection.
        reason: &'static str,
        /// Completion code of the response.
        code: u8,
    },
    /// The controller supports IPMI 1.5 only.
    #[error(
        "the controller speaks IPMI 1.5 only, which protects little; it takes: {kinds}\n  allow one of them with --ipmi15, if you must"
    )]
    OnlyLan15 {
        /// Authentication types that it accepts.
        kinds: String,
    },
    /// The password is longer than IPMI 1.5 allows; it would be truncated.
    #[error("the password is longer than the 16 bytes that IPMI 1.5 supports")]
    LongForLan15,
    /// The controller rejected a step of the login.
    #[error("the login was refused at {stage}: {status}{}", status.way_out())]
    Refused {
        /// The rejected step.
        stage: Stage,
        /// Status code of the response.
        status: Status,
    },
    /// The controller rejected all allowed cipher suites.
    #[error(
        "the controller takes none of the cipher suites {tried}\n  allow another one with --suite, if you must"
    )]
    NoSuite {
        /// Numbers of the suites.
        tried: String,
    },
    /// The password is wrong, or the response was not sent by the controller.
    #[error(
        "wrong password, or the answer does not come from the controller\n  some say so of users that they do not have, too: is it the right one (-U)? If a K_g key is set, give it with --kg-file"
    )]
    WrongPassword,
    /// The controller rejected the privilege level after the login.
    #[error(
        "the user may not have the level {level}: completion code {code:#04x}\n  ask for a lower one with --level"
    )]
    Level {
        /// Name of the requested level.
        level: &'static str,
        /// Completion code of the response.
        code: u8,
    },
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}

impl ProtoError {
    /// Returns whether the controller rejected the user. Do not retry in this case: many controllers lock an
    /// account after a few attempts.
    #[must_use]
    pub fn is_about_the_user(&self) -> bool {
        match self {
            Self::WrongPassword => true,
            Self::Refused { status, .. } => status.is_about_the_user(),
            _ => false,
        }
    }

    /// Returns whether data was received but is invalid.
    #[must_use]
    pub fn is_about_octets(&self) -> bool {
        matches!(
            self,
            Self::Truncated { .. } | Self::Damaged { .. } | Self::Unexpected { .. } | Self::TooLong { .. }
        )
    }
}
