//! Errors, by what a program would do about them.

use std::convert::Infallible;

use client::Scheme;
use wording::Failure;
use wording::association::{AssociationError, AssociationFilter};
use wording::codes::Code;
use wording::endpoint::AddressError;
use wording::failure::Kind;
use wording::locator::LocatorError;
use wsman::Fault;

/// Error of an operation.
///
/// The variants are the cases that programs distinguish; [`FailureDetails`] contains everything else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid argument or setting. Nothing was sent.
    #[error("{what}{}", advice_line(fix.as_deref()))]
    Argument {
        /// Description of the error.
        what: String,
        /// Advice.
        fix: Option<String>,
    },
    /// The service cannot be reached, or its certificate is not trusted.
    #[error("{0}")]
    Connect(Box<FailureDetails>),
    /// The service rejected the credentials.
    #[error("{0}")]
    Authentication(Box<FailureDetails>),
    /// The authenticated user may not do this.
    #[error("{0}")]
    Denied(Box<FailureDetails>),
    /// The operation timed out.
    #[error("{0}")]
    Timeout(Box<FailureDetails>),
    /// A quota is exceeded.
    #[error("{0}")]
    Quota(Box<FailureDetails>),
    /// The service returned any other fault.
    #[error("{0}")]
    Fault(Box<FailureDetails>),
    /// The response violates HTTP or WS-Management.
    #[error("{0}")]
    Protocol(Box<FailureDetails>),
    /// A local file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Path of the file.
        path: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file could not be copied to or from the remote machine.
    #[error("cannot copy {path}: {reason}")]
    Copy {
        /// Path on the remote machine.
        path: String,
        /// Message of the remote machine.
        reason: String,
    },
}

/// Details of a failed operation: message, explanation and advice.
#[derive(Debug)]
pub struct FailureDetails {
    failure: Failure,
    error: client::Error,
}

impl Error {
    pub(crate) fn argument(what: impl Into<String>, fix: Option<&str>) -> Self {
        Self::Argument { what: what.into(), fix: fix.map(str::to_owned) }
    }

    pub(crate) fn of(error: client::Error, host: &str) -> Self {
        let failure = Failure::from_client(&error, host);
        if let (Kind::Usage, client::Error::Setting { .. } | client::Error::OutputTooLarge { .. }) =
            (failure.kind(), &error)
        {
            return Self::argument(error.to_string(), None);
        }
        let is_protocol = matches!(error, client::Error::Protocol { .. } | client::Error::NoMessage { .. });
        let kind = failure.kind();
        let failed = Box::new(FailureDetails { failure, error });
        match kind {
            Kind::Connect => Self::Connect(failed),
            Kind::Authentication => Self::Authentication(failed),
            Kind::Denied => Self::Denied(failed),
            Kind::Timeout => Self::Timeout(failed),
            Kind::Quota => Self::Quota(failed),
            _ if is_protocol => Self::Protocol(failed),
            _ => Self::Fault(failed),
        }
    }

    /// Details of a failed operation; `None` for errors detected before a request was sent.
    #[must_use]
    pub fn details(&self) -> Option<&FailureDetails> {
        match self {
            Self::Connect(failed)
            | Self::Authentication(failed)
            | Self::Denied(failed)
            | Self::Timeout(failed)
            | Self::Quota(failed)
            | Self::Fault(failed)
            | Self::Protocol(failed) => Some(failed),
            Self::Argument { .. } | Self::File { .. } | Self::Copy { .. } => None,
        }
    }

    /// Windows error number, unsigned as on the wire: 2150858770.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        self.details().and_then(FailureDetails::code)
    }

    /// Advice, one line each; may be empty.
    #[must_use]
    pub fn fix(&self) -> Vec<String> {
        match self {
            Self::Argument { fix, .. } => fix.iter().cloned().collect(),
            error => error.details().map(FailureDetails::fix).unwrap_or_default(),
        }
    }
}

impl FailureDetails {
    /// Windows error number, unsigned as on the wire: 2150858770.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        self.failure.code().map(|code| code.0)
    }

    /// Windows error number, signed as in scripts: -2144108526.
    #[must_use]
    pub fn hresult(&self) -> Option<i32> {
        self.failure.code().map(Code::signed)
    }

    /// Symbol in the Windows headers: `ERROR_WSMAN_DESTINATION_UNREACHABLE`.
    #[must_use]
    pub fn symbol(&self) -> Option<&'static str> {
        self.failure.code().and_then(Code::symbol)
    }

    /// Message of the service or the client.
    #[must_use]
    pub fn message(&self) -> &str {
        self.failure.message()
    }

    /// Explanation in a few words, and the underlying cause: `cannot connect: connection refused`.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        match (self.failure.explanation(), self.failure.cause()) {
            (Some(what), Some(cause)) => Some(format!("{what}: {cause}")),
            (what, cause) => what.or(cause).map(str::to_owned),
        }
    }

    /// Advice, one line each; options are those of the command lines.
    #[must_use]
    pub fn fix(&self) -> Vec<String> {
        self.failure.way_out()
    }

    /// Fault, if the service returned one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &self.error {
            client::Error::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Fault as in `IWSManSession::Error`, one `f:WSManFault` with `Code` and `Machine`.
    #[must_use]
    pub fn xml(&self) -> Option<&str> {
        self.failure.xml()
    }

    /// Schemes that the service offers, if authentication failed.
    #[must_use]
    pub fn offered(&self) -> &[String] {
        match &self.error {
            client::Error::AuthenticationFailed { offered, .. } => offered,
            _ => &[],
        }
    }

    /// Scheme that was tried, if authentication failed.
    #[must_use]
    pub fn tried(&self) -> Option<Scheme> {
        match &self.error {
            client::Error::AuthenticationFailed { tried, .. } => *tried,
            client::Error::SignIn { scheme, .. } => Some(*scheme),
            _ => None,
        }
    }

    /// Error of the client with all details.
    #[must_use]
    pub fn error(&self) -> &client::Error {
        &self.error
    }
}

/// Writes message, explanation and advice, each advice on a separate line.
impl std::fmt::Display for FailureDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.message();
        match self.cause() {
            Some(cause) if message.is_empty() => f.write_str(&cause)?,
            Some(cause) => write!(f, "{cause}: {message}")?,
            None => f.write_str(message)?,
        }
        for line in self.fix() {
            write!(f, "\n  {line}")?;
        }
        match self.failure.code() {
            Some(code) => write!(f, "\n  (code {code})"),
            None => Ok(()),
        }
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::argument(error.to_string(), Some(error.way_out))
    }
}

impl From<AssociationError> for Error {
    fn from(error: AssociationError) -> Self {
        match error {
            AssociationError::Object(error) => error.into(),
            other => Self::argument(other.to_string(), Some(AssociationFilter::WAY_OUT)),
        }
    }
}

impl From<LocatorError> for Error {
    fn from(error: LocatorError) -> Self {
        Self::argument(error.to_string(), error.way_out())
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn advice_line(fix: Option<&str>) -> String {
    fix.map(|fix| format!("\n  {fix}")).unwrap_or_default()
}
