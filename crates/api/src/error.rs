//! Everything that can go wrong, by what one would do about it.

use std::convert::Infallible;

use client::Scheme;
use wording::Failure;
use wording::association::{AssociationError, AssociationFilter};
use wording::codes::Code;
use wording::endpoint::AddressError;
use wording::failure::Kind;
use wording::locator::LocatorError;
use wsman::Fault;

/// Why an operation did not succeed.
///
/// The variants are what programs tell apart; everything else is in [`Failed`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument or a setting that cannot be meant. Nothing was sent.
    #[error("{what}{}", line_of(fix.as_deref()))]
    Argument {
        /// What is wrong.
        what: String,
        /// What to do about it.
        fix: Option<String>,
    },
    /// Nobody answered, or nobody who is trusted.
    #[error("{0}")]
    Connect(Box<Failed>),
    /// Who asks could not be proven.
    #[error("{0}")]
    Authentication(Box<Failed>),
    /// Who asks is known and may not.
    #[error("{0}")]
    Denied(Box<Failed>),
    /// It took too long.
    #[error("{0}")]
    Timeout(Box<Failed>),
    /// A quota is used up.
    #[error("{0}")]
    Quota(Box<Failed>),
    /// The service says that it could not, for any other reason.
    #[error("{0}")]
    Fault(Box<Failed>),
    /// What came is not what the protocol allows.
    #[error("{0}")]
    Protocol(Box<Failed>),
    /// A file of this machine cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file was not copied to the other machine, or not fetched from it.
    #[error("{path} was not copied: {reason}")]
    Copy {
        /// The file on the other machine.
        path: String,
        /// What the other machine says.
        reason: String,
    },
}

/// An operation that failed: what happened, what it means, what to do.
#[derive(Debug)]
pub struct Failed {
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
        let failed = Box::new(Failed { failure, error });
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

    /// What is known of a failed operation; none for what went wrong on this side.
    #[must_use]
    pub fn failed(&self) -> Option<&Failed> {
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

    /// Windows' number, unsigned as on the wire: 2150858770.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        self.failed().and_then(Failed::code)
    }

    /// What to do about it, a line each; empty if nothing is known.
    #[must_use]
    pub fn fix(&self) -> Vec<String> {
        match self {
            Self::Argument { fix, .. } => fix.iter().cloned().collect(),
            error => error.failed().map(Failed::fix).unwrap_or_default(),
        }
    }
}

impl Failed {
    /// Windows' number, unsigned as on the wire: 2150858770.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        self.failure.code().map(|code| code.0)
    }

    /// The same as scripts know it: -2144108526.
    #[must_use]
    pub fn hresult(&self) -> Option<i32> {
        self.failure.code().map(Code::signed)
    }

    /// Its name in the headers of Windows: `ERROR_WSMAN_DESTINATION_UNREACHABLE`.
    #[must_use]
    pub fn symbol(&self) -> Option<&'static str> {
        self.failure.code().and_then(Code::symbol)
    }

    /// What the one who failed says of it.
    #[must_use]
    pub fn message(&self) -> &str {
        self.failure.message()
    }

    /// What it is in practice, in a few words, and what lay behind it: `cannot connect: connection refused`.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        match (self.failure.explanation(), self.failure.cause()) {
            (Some(what), Some(cause)) => Some(format!("{what}: {cause}")),
            (what, cause) => what.or(cause).map(str::to_owned),
        }
    }

    /// What to do about it, a line each; switches are those of the command lines.
    #[must_use]
    pub fn fix(&self) -> Vec<String> {
        self.failure.way_out()
    }

    /// The fault, if the service answered with one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &self.error {
            client::Error::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// The fault as `IWSManSession::Error` returns it, one `f:WSManFault` with `Code` and `Machine`.
    #[must_use]
    pub fn xml(&self) -> Option<&str> {
        self.failure.xml()
    }

    /// The schemes the service offers, if that is what failed.
    #[must_use]
    pub fn offered(&self) -> &[String] {
        match &self.error {
            client::Error::AuthenticationFailed { offered, .. } => offered,
            _ => &[],
        }
    }

    /// The scheme that was tried, if signing in failed.
    #[must_use]
    pub fn tried(&self) -> Option<Scheme> {
        match &self.error {
            client::Error::AuthenticationFailed { tried, .. } => *tried,
            client::Error::SignIn { scheme, .. } => Some(*scheme),
            _ => None,
        }
    }

    /// What the client says, in all detail.
    #[must_use]
    pub fn error(&self) -> &client::Error {
        &self.error
    }
}

/// What happened, what it means where that says more, and each way out on a line of its own.
impl std::fmt::Display for Failed {
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

fn line_of(fix: Option<&str>) -> String {
    fix.map(|fix| format!("\n  {fix}")).unwrap_or_default()
}
