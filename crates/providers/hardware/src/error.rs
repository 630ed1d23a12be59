//! Why a controller could not be asked, and what WMI calls that.

use std::io;
use std::sync::Arc;

use accounts::AccountsError;
use cim::Status;
use ipmi::IpmiError;
use ipmi::proto::{CompletionCode, ProtoError};
use wmi::ProviderError;

use crate::HostFileError;

/// Why there is no answer from a controller, or not the one that was hoped for.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardwareError {
    /// Nothing answers.
    #[error(
        "the controller {0} does not answer\n  is its address right, IPMI over LAN switched on, and the port of UDP open?"
    )]
    Silent(Arc<str>),
    /// It was not done with in time.
    #[error("the controller {0} is too slow: what was asked for is not there after {1} seconds")]
    Slow(Arc<str>, u64),
    /// It does not let the user in.
    #[error(
        "the controller {controller} refuses the login: {reason}\n  telarch ipmi host add sets address, user and password"
    )]
    Login {
        /// Which one.
        controller: Arc<str>,
        /// What it says.
        reason: String,
    },
    /// The password in the file is not for this entry, or was sealed on another machine.
    #[error(
        "the password of the controller {0} cannot be opened with the key of this machine\n  telarch ipmi host add sets it again"
    )]
    Sealed(Arc<str>),
    /// It does not do it.
    #[error("the controller {controller} refuses: {code}")]
    Refused {
        /// Which one.
        controller: Arc<str>,
        /// Why.
        code: CompletionCode,
    },
    /// What it says means nothing, or the network failed.
    #[error("the controller {controller}: {problem}")]
    Broken {
        /// Which one.
        controller: Arc<str>,
        /// What happened.
        problem: String,
    },
    /// Only some may know the controllers of this machine.
    #[error("the controllers that this machine knows are not for everybody: {0}")]
    Denied(Arc<str>),
    /// Only some may ask or change them, and the text says who.
    #[error("{0}")]
    NotYours(Arc<str>),
    /// The file of controllers cannot be used.
    #[error("{0}")]
    Hosts(Arc<str>),
    /// A value does not fit its class.
    #[error(transparent)]
    Model(#[from] cim::Error),
}

impl HardwareError {
    /// What has gone wrong with a controller.
    pub(crate) fn of(controller: &Arc<str>, error: &IpmiError) -> Self {
        let controller = controller.clone();
        match error {
            IpmiError::Proto(ProtoError::NoAnswer | ProtoError::Ended) => Self::Silent(controller),
            IpmiError::Proto(ProtoError::WrongPassword) => {
                let reason = "wrong password, a K_g key that is missing, or an impostor".to_owned();
                Self::Login { controller, reason }
            }
            IpmiError::Proto(
                error @ (ProtoError::Refused { .. } | ProtoError::NoSuite { .. } | ProtoError::Level { .. }),
            ) => Self::Login { controller, reason: first_line(error) },
            IpmiError::Completion(code) => Self::Refused { controller, code: *code },
            other => Self::Broken { controller, problem: first_line(other) },
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Silent(_) | Self::Slow(..) => Status::ProviderTimedOut,
            Self::Login { .. } | Self::Sealed(_) | Self::Denied(_) | Self::NotYours(_) => {
                Status::AccessDenied
            }
            Self::Refused { code, .. } if *code == PRIVILEGE => Status::AccessDenied,
            Self::Refused { .. } => Status::Failed,
            Self::Broken { .. } | Self::Hosts(_) | Self::Model(_) => Status::ProviderFailure,
        }
    }
}

impl From<HostFileError> for HardwareError {
    fn from(error: HostFileError) -> Self {
        let text = error.to_string().into();
        match error {
            HostFileError::Accounts(AccountsError::Disk { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Self::Denied(text)
            }
            HostFileError::NotYours | HostFileError::NotChanged => Self::NotYours(text),
            _ => Self::Hosts(text),
        }
    }
}

/// The only place where what went wrong with a controller becomes an error of WMI.
impl From<HardwareError> for ProviderError {
    fn from(error: HardwareError) -> Self {
        Self::failed(error.status(), error.to_string())
    }
}

/// The rest is for whoever sits before the command line.
fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Insufficient privilege level (IPMI 2.0, table 5-2).
const PRIVILEGE: CompletionCode = CompletionCode(0xd4);
