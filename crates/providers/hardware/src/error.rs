//! Errors of access to controllers, and their WMI status.

use std::io;
use std::sync::Arc;

use accounts::AccountsError;
use cim::Status;
use ipmi::IpmiError;
use ipmi::proto::{CompletionCode, ProtoError};
use wmi::ProviderError;

use crate::HostFileError;

/// Error of a request to a controller.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardwareError {
    /// The controller does not respond.
    #[error(
        "the controller {0} does not respond\n  check its address, that IPMI over LAN is enabled, and that its UDP port is reachable"
    )]
    Silent(Arc<str>),
    /// The request was not complete within the time limit.
    #[error("the request to the controller {0} timed out after {1} seconds")]
    Slow(Arc<str>, u64),
    /// The controller rejects the login.
    #[error(
        "the controller {controller} rejected the login: {reason}\n  set address, user and password with telarch ipmi host add"
    )]
    Login {
        /// Name of the controller.
        controller: Arc<str>,
        /// Reason for the rejection.
        reason: String,
    },
    /// The stored password was encrypted for another entry or on another machine.
    #[error(
        "cannot decrypt the password of the controller {0} with the key of this machine\n  set it again with telarch ipmi host add"
    )]
    Sealed(Arc<str>),
    /// The controller rejects the command.
    #[error("the controller {controller} rejected the command: {code}")]
    Refused {
        /// Name of the controller.
        controller: Arc<str>,
        /// Completion code.
        code: CompletionCode,
    },
    /// The response is not valid, or the network failed.
    #[error("the controller {controller}: {problem}")]
    Broken {
        /// Name of the controller.
        controller: Arc<str>,
        /// Description of the problem.
        problem: String,
    },
    /// The caller may not read the file of controllers.
    #[error("access to the list of management controllers denied: {0}")]
    Denied(Arc<str>),
    /// The caller may not access or change the controllers; the text says who may.
    #[error("{0}")]
    AccessDenied(Arc<str>),
    /// The file of controllers cannot be used.
    #[error("{0}")]
    Hosts(Arc<str>),
    /// A value does not fit its CIM class.
    #[error(transparent)]
    Model(#[from] cim::Error),
}

impl HardwareError {
    /// Converts an IPMI error of a controller.
    pub(crate) fn of(controller: &Arc<str>, error: &IpmiError) -> Self {
        let controller = controller.clone();
        match error {
            IpmiError::Proto(ProtoError::NoAnswer | ProtoError::Ended) => Self::Silent(controller),
            IpmiError::Proto(ProtoError::WrongPassword) => {
                let reason =
                    "wrong password, missing K_g key, or a host that impersonates the controller".to_owned();
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
            Self::Login { .. } | Self::Sealed(_) | Self::Denied(_) | Self::AccessDenied(_) => {
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
            HostFileError::AccessDenied | HostFileError::ReadOnly => Self::AccessDenied(text),
            _ => Self::Hosts(text),
        }
    }
}

/// The only conversion of controller errors into WMI errors.
impl From<HardwareError> for ProviderError {
    fn from(error: HardwareError) -> Self {
        Self::failed(error.status(), error.to_string())
    }
}

/// Returns the first line; the following lines are hints for the command line.
fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Insufficient privilege level (IPMI 2.0, table 5-2).
const PRIVILEGE: CompletionCode = CompletionCode(0xd4);
