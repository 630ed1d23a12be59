//! What the broker and a host say to each other.

use std::fmt;
use std::time::Duration;

use sddl::Token;
use zeroize::Zeroizing;

use crate::message::{read_token, write_token};
use crate::wire::{Malformed, Reader, Writer};

/// What a host is told.
pub enum Order {
    /// Whom it works for; the first order, and given once.
    Begin {
        /// The account.
        account: String,
        /// What access is decided with.
        token: Token,
        /// How long it may have nothing to do, in whole milliseconds.
        idle: Duration,
    },
    /// To serve the gateway at the other end of the descriptor that comes with it.
    Connect,
    /// What it has asked for with [`Report::AsksForHardware`]; the driver of this machine's own controller comes with
    /// it as a descriptor, if it is given and there is one.
    Hardware(Hardware),
    /// To end as soon as it can, for its groups or rights are no longer those of its user; until then access is decided
    /// with this, and nothing that began with what was before is told any more. It reports whether it ends now.
    Renew(Token),
}

/// What a host gets that asks for the management controllers.
pub enum Hardware {
    /// It gets none: its user is no administrator, or they cannot be read.
    Withheld,
    /// The file of them with its secrets opened.
    Given(Zeroizing<String>),
    /// It has asked more often than anybody needs, and is to wait for a minute.
    TooOften,
}

/// What a host tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The session of the user is open and the process of the host exists; reported by the process that keeps the
    /// session, with a descriptor of the host's process (pidfd_open(2)) where the kernel has such descriptors.
    Opened,
    /// It works.
    Started,
    /// It does not, and why, for the log.
    Refused(String),
    /// It has had nothing to do for a while and ends as soon as the broker has closed the link. The broker does not
    /// if it has given more orders to connect than these, which are still on their way.
    Leaving {
        /// How many orders to connect have come.
        connected: u64,
    },
    /// It was to end, and has shells.
    Staying,
    /// It is asked about management controllers, whose passwords and driver are root's.
    AsksForHardware,
}

/// Secrets are not shown.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { account, token, idle } => f
                .debug_struct("Begin")
                .field("account", account)
                .field("token", token)
                .field("idle", idle)
                .finish(),
            Self::Connect => f.write_str("Connect"),
            Self::Renew(token) => f.debug_tuple("Renew").field(token).finish(),
            Self::Hardware(hardware) => f.debug_tuple("Hardware").field(hardware).finish(),
        }
    }
}

/// Secrets are not shown.
impl fmt::Debug for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Withheld => "Withheld",
            Self::Given(_) => "Given",
            Self::TooOften => "TooOften",
        })
    }
}

impl Order {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        match self {
            Self::Begin { account, token, idle } => {
                let milliseconds = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
                write_token(w.u8(1).text(account).u64(milliseconds), token);
            }
            Self::Connect => _ = w.u8(2),
            Self::Renew(token) => _ = write_token(w.u8(3), token),
            Self::Hardware(Hardware::Withheld) => _ = w.u8(4).u8(0),
            Self::Hardware(Hardware::Given(text)) => _ = w.u8(4).u8(1).text(text),
            Self::Hardware(Hardware::TooOften) => _ = w.u8(4).u8(2),
        }
        w.finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let order = match r.u8()? {
            1 => Self::Begin {
                account: r.text()?.to_owned(),
                idle: Duration::from_millis(r.u64()?),
                token: read_token(&mut r)?,
            },
            2 => Self::Connect,
            3 => Self::Renew(read_token(&mut r)?),
            4 => Self::Hardware(match r.u8()? {
                0 => Hardware::Withheld,
                1 => Hardware::Given(Zeroizing::new(r.text()?.to_owned())),
                2 => Hardware::TooOften,
                _ => return Err(Malformed("nobody knows what becomes of the hardware")),
            }),
            _ => return Err(Malformed("nobody knows the order")),
        };
        r.finish()?;
        Ok(order)
    }
}

impl Report {
    /// Longest report in octets. The other end is a process of the user, so little is taken from it.
    pub const LONGEST: usize = 16 << 10;

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        match self {
            Self::Started => _ = w.u8(1),
            Self::Refused(reason) => _ = w.u8(2).text(reason),
            Self::Leaving { connected } => _ = w.u8(3).u64(*connected),
            Self::Staying => _ = w.u8(4),
            Self::AsksForHardware => _ = w.u8(5),
            Self::Opened => _ = w.u8(6),
        }
        w.finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let report = match r.u8()? {
            1 => Self::Started,
            2 => Self::Refused(r.text()?.to_owned()),
            3 => Self::Leaving { connected: r.u64()? },
            4 => Self::Staying,
            5 => Self::AsksForHardware,
            6 => Self::Opened,
            _ => return Err(Malformed("nobody knows the report")),
        };
        r.finish()?;
        Ok(report)
    }
}
