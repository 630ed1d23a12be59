//! Messages between the broker and a host.

use std::fmt;
use std::time::Duration;

use sddl::Token;
use zeroize::Zeroizing;

use crate::message::{read_token, write_token};
use crate::wire::{Malformed, Reader, Writer};

/// Command from the broker to a host.
pub enum HostCommand {
    /// Names the user the host works for; sent first and once.
    Begin {
        /// Name of the account of the caller.
        account: String,
        /// Access token of the caller.
        token: Token,
        /// Endpoint that the host serves as another account than the caller's; `None` for an ordinary host.
        run_as: Option<RunAsEndpoint>,
        /// How long the host stays without work before it ends; sent in whole milliseconds.
        idle_timeout: Duration,
    },
    /// Serves the gateway on the attached connection.
    ServeGateway,
    /// Answers [`HostReport::RequestHardware`]. The descriptor of the local controller's driver is attached if access
    /// is granted and the driver exists.
    SupplyHardware(HardwareReply),
    /// Replaces the access token because the user's groups or rights have changed. The host ends existing
    /// subscriptions, drops what it received for the old token, ends as soon as it has no shells, and reports whether
    /// that is now.
    ReplaceToken(Token),
}

/// PowerShell endpoint that a host serves as another account than that of the caller. All values are from the settings of
/// the broker; the host ignores those that a gateway sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAsEndpoint {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the account of the process.
    pub account: String,
    /// Setting `PowerShell/Program`.
    pub program: String,
    /// Setting `PowerShell/Configurations`.
    pub configurations: String,
}

/// Answer to a host's request for the list of management controllers.
pub enum HardwareReply {
    /// Denied: the user is not an administrator, or the list cannot be read.
    Denied,
    /// List of controllers, with decrypted secrets.
    Granted(Zeroizing<String>),
    /// Denied: the host has reached the limit of requests per minute.
    RateLimited,
}

/// HostReport of a host to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostReport {
    /// The user's session is open and the host process exists. Sent by the session process, with a descriptor of the
    /// host process (pidfd_open(2)) if the kernel supports it.
    Opened,
    /// The host is ready.
    Started,
    /// The host cannot start. Holds the reason for the log.
    StartFailed(String),
    /// The host was idle_timeout long enough and ends once the broker has closed the link. The broker keeps the link
    /// open if it has sent further [`ServeGateway`](HostCommand::ServeGateway) commands that were still in transit.
    Leaving {
        /// Number of `ServeGateway` commands received so far.
        connected: u64,
    },
    /// The host does not end yet because it has shells.
    Staying,
    /// Requests the list of management controllers, whose passwords and driver belong to root.
    RequestHardware,
}

/// Hides secrets.
impl fmt::Debug for HostCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { account, token, run_as, idle_timeout } => f
                .debug_struct("Begin")
                .field("account", account)
                .field("token", token)
                .field("run_as", run_as)
                .field("idle_timeout", idle_timeout)
                .finish(),
            Self::ServeGateway => f.write_str("ServeGateway"),
            Self::ReplaceToken(token) => f.debug_tuple("ReplaceToken").field(token).finish(),
            Self::SupplyHardware(hardware) => f.debug_tuple("SupplyHardware").field(hardware).finish(),
        }
    }
}

/// Hides secrets.
impl fmt::Debug for HardwareReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "Denied",
            Self::Granted(_) => "Granted",
            Self::RateLimited => "RateLimited",
        })
    }
}

impl HostCommand {
    /// Encodes the command.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        match self {
            Self::Begin { account, token, run_as, idle_timeout } => {
                let milliseconds = u64::try_from(idle_timeout.as_millis()).unwrap_or(u64::MAX);
                w.u8(1).text(account).u64(milliseconds).optional(run_as.as_ref(), |w, run_as| {
                    let RunAsEndpoint { endpoint, account, program, configurations } = run_as;
                    w.text(endpoint).text(account).text(program).text(configurations);
                });
                write_token(&mut w, token);
            }
            Self::ServeGateway => _ = w.u8(2),
            Self::ReplaceToken(token) => _ = write_token(w.u8(3), token),
            Self::SupplyHardware(HardwareReply::Denied) => _ = w.u8(4).u8(0),
            Self::SupplyHardware(HardwareReply::Granted(text)) => _ = w.u8(4).u8(1).text(text),
            Self::SupplyHardware(HardwareReply::RateLimited) => _ = w.u8(4).u8(2),
        }
        w.finish()
    }

    /// Decodes a command.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a command.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let order = match r.u8()? {
            1 => Self::Begin {
                account: r.text()?.to_owned(),
                idle_timeout: Duration::from_millis(r.u64()?),
                run_as: r.optional(|r| {
                    Ok(RunAsEndpoint {
                        endpoint: r.text()?.to_owned(),
                        account: r.text()?.to_owned(),
                        program: r.text()?.to_owned(),
                        configurations: r.text()?.to_owned(),
                    })
                })?,
                token: read_token(&mut r)?,
            },
            2 => Self::ServeGateway,
            3 => Self::ReplaceToken(read_token(&mut r)?),
            4 => Self::SupplyHardware(match r.u8()? {
                0 => HardwareReply::Denied,
                1 => HardwareReply::Granted(Zeroizing::new(r.text()?.to_owned())),
                2 => HardwareReply::RateLimited,
                _ => return Err(Malformed("unknown answer about management controllers")),
            }),
            _ => return Err(Malformed("unknown command")),
        };
        r.finish()?;
        Ok(order)
    }
}

impl HostReport {
    /// Maximum length of a report in bytes. It is small because the host runs as the user, who is not trusted.
    pub const MAX_LENGTH: usize = 16 << 10;

    /// Encodes the report.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        match self {
            Self::Started => _ = w.u8(1),
            Self::StartFailed(reason) => _ = w.u8(2).text(reason),
            Self::Leaving { connected } => _ = w.u8(3).u64(*connected),
            Self::Staying => _ = w.u8(4),
            Self::RequestHardware => _ = w.u8(5),
            Self::Opened => _ = w.u8(6),
        }
        w.finish()
    }

    /// Decodes a report.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a report.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let report = match r.u8()? {
            1 => Self::Started,
            2 => Self::StartFailed(r.text()?.to_owned()),
            3 => Self::Leaving { connected: r.u64()? },
            4 => Self::Staying,
            5 => Self::RequestHardware,
            6 => Self::Opened,
            _ => return Err(Malformed("unknown report")),
        };
        r.finish()?;
        Ok(report)
    }
}
