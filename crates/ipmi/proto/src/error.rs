//! What can be wrong with what a controller sends, or with what is asked for.

use crate::rakp::{Stage, Status};

/// Why octets mean nothing, a login is refused, or a value cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtoError {
    /// It ends too early.
    #[error("{what} is cut off")]
    Truncated {
        /// What was read.
        what: &'static str,
    },
    /// A checksum or padding is wrong.
    #[error("{what} is damaged: its checksum or padding is wrong")]
    Damaged {
        /// What was read.
        what: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("{what} has the value {value:#x}, which means nothing here")]
    Unexpected {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u32,
    },
    /// The code that proves who sent it is wrong.
    #[error("a packet does not prove that it comes from the session's other end")]
    Unauthentic,
    /// Its number was seen already, or is too far away from those that were.
    #[error("a packet was seen already, or is far out of order")]
    OutOfWindow,
    /// It is longer than any controller may send.
    #[error("{what} has {octets} octets, more than {limit}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// How long it is.
        octets: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A password with a NUL, which means the end of one.
    #[error("{what} contains a NUL, which a controller cannot store")]
    Nul {
        /// What it is.
        what: &'static str,
    },
    /// Something that there is not.
    #[error("{what} is not there")]
    Absent {
        /// What it is.
        what: &'static str,
    },
    /// A word that is not one of those that are known.
    #[error("{word:?} is not {what}\n  there are {known}")]
    Word {
        /// What it should be.
        what: &'static str,
        /// What was given.
        word: String,
        /// Those that are known.
        known: String,
    },
    /// A cipher suite that there is not, or that is not offered.
    #[error(
        "cipher suite {0} is not supported\n  those that are: 17, 3; and by name only 0, 1, 2, 6, 7, 8, 11, 12, 15, 16"
    )]
    Suite(u32),
    /// Nothing answered, for as long as the limit allows.
    #[error("no answer\n  is the address right, IPMI over LAN switched on, and UDP port 623 open?")]
    NoAnswer,
    /// Nothing answered a command that must not be done twice.
    #[error(
        "no answer: the command may have been done, or not\n  look at the state of the machine before you send it again"
    )]
    Undecided,
    /// The controller refused one of the steps of an IPMI 1.5 login.
    #[error("the login was refused at {step}: {reason} (completion code {code:02x}h)")]
    Lan15Refused {
        /// At which step.
        step: &'static str,
        /// Why.
        reason: &'static str,
        /// Its completion code.
        code: u8,
    },
    /// The controller does not speak IPMI 2.0.
    #[error(
        "the controller speaks IPMI 1.5 only, which protects little; it takes: {kinds}\n  allow one of them with --ipmi15, if you must"
    )]
    OnlyLan15 {
        /// The types of authentication it takes.
        kinds: String,
    },
    /// A password that IPMI 1.5 would cut.
    #[error("the password is longer than the 16 octets that IPMI 1.5 knows")]
    LongForLan15,
    /// The controller refused one of the steps of the login.
    #[error("the login was refused at {stage}: {status}{}", status.way_out())]
    Refused {
        /// At which step.
        stage: Stage,
        /// Its reason.
        status: Status,
    },
    /// Every suite that was allowed was refused.
    #[error(
        "the controller takes none of the cipher suites {tried}\n  allow another one with --suite, if you must"
    )]
    NoSuite {
        /// Their numbers.
        tried: String,
    },
    /// The controller does not know the password, or it is not the controller.
    #[error(
        "wrong password, or the answer does not come from the controller\n  some say so of users that they do not have, too: is it the right one (-U)? If a K_g key is set, give it with --kg-file"
    )]
    WrongPassword,
    /// The level of privilege was refused after the login.
    #[error(
        "the user may not have the level {level}: completion code {code:#04x}\n  ask for a lower one with --level"
    )]
    Level {
        /// What was asked for.
        level: &'static str,
        /// The answer.
        code: u8,
    },
    /// The session is at its end.
    #[error("the session has ended")]
    Ended,
}

impl ProtoError {
    /// Whether the controller does not let this user in: many lock an account after a few attempts.
    #[must_use]
    pub fn is_about_the_user(&self) -> bool {
        match self {
            Self::WrongPassword => true,
            Self::Refused { status, .. } => status.is_about_the_user(),
            _ => false,
        }
    }

    /// Whether octets that arrived mean nothing, rather than that nothing arrived.
    #[must_use]
    pub fn is_about_octets(&self) -> bool {
        matches!(
            self,
            Self::Truncated { .. } | Self::Damaged { .. } | Self::Unexpected { .. } | Self::TooLong { .. }
        )
    }
}
