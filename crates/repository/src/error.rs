//! Errors of a repository, and of texts compiled into it.

use std::fmt;
use std::path::PathBuf;

use cim::{Name, Namespace, Status};
use wmi::ProviderError;

/// Error of a repository or of the compiler.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The repository file cannot be read, verified or written.
    #[error(transparent)]
    File(#[from] config::StoreError),
    /// A text to compile cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Text {
        /// Path of the text.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A text contains an error.
    #[error("{place}: {problem}")]
    At {
        /// Position of the error.
        place: Box<Place>,
        /// The problem.
        problem: Box<Problem>,
    },
    /// A problem without a position in a text.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// A position in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path of the file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A problem with an item.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A class, instance or path is not valid.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// A text is not valid MOF.
    #[error("{0}")]
    Syntax(String),
    /// A security descriptor is not valid.
    #[error(transparent)]
    Descriptor(#[from] sddl::SddlError),
    /// The namespace does not exist.
    #[error(
        "namespace {0} does not exist\n  \
         create an instance of __Namespace in its parent namespace"
    )]
    NoNamespace(Namespace),
    /// The item is built in.
    #[error("{0} is built in and cannot be changed or removed")]
    BuiltIn(String),
    /// Instances of the class are not stored here.
    #[error("instances of {0} cannot be stored: a provider serves the class, or it is abstract")]
    NotKept(Name),
    /// The item exists, although it must be new.
    #[error("{0} already exists\n  omit createonly to replace it")]
    Exists(String),
    /// The item does not exist, although it must.
    #[error("{0} does not exist")]
    Missing(String),
    /// An event consumer class that exists on Windows only or was not declared.
    #[error("unknown event consumer class {class}\n  {}", consumers(known))]
    NoConsumer {
        /// The missing class.
        class: Name,
        /// Existing consumer classes.
        known: Vec<String>,
    },
    /// The query of an event filter is not valid.
    #[error("invalid event filter: {0}")]
    Filter(String),
    /// A pragma is not valid.
    #[error("#pragma {name}: {problem}")]
    Pragma {
        /// Name of the pragma.
        name: String,
        /// Description of the problem.
        problem: String,
    },
    /// An included text cannot be read.
    #[error("cannot include {}: {problem}", path.display())]
    Include {
        /// Path of the text.
        path: PathBuf,
        /// Error of the operating system.
        problem: String,
    },
    /// The bytes are not text in a supported encoding.
    #[error("the text is neither UTF-8 nor UTF-16 with a byte order mark\n  save it as UTF-8")]
    Encoding,
    /// Another class or an instance depends on the item to be changed.
    #[error("{0}\n  use forceupdate to change it and to remove classes and instances that no longer fit")]
    InUse(Box<cim::Error>),
    /// A limit is exceeded.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// Name of the items.
        what: &'static str,
        /// Maximum number.
        limit: usize,
    },
}

/// Returns the hint that lists existing consumer classes.
fn consumers(known: &[String]) -> String {
    match known {
        [] => "the built-in consumer classes are in root/subscription".to_owned(),
        known => format!("available classes: {}", known.join(", ")),
    }
}

impl Problem {
    /// Returns the WMI status.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Model(error) => error.status(),
            Self::InUse(error) => error.status(),
            Self::Syntax(_) => Status::InvalidSyntax,
            Self::Filter(_) => Status::InvalidQuery,
            Self::NoNamespace(_) => Status::InvalidNamespace,
            Self::BuiltIn(_) | Self::NotKept(_) => Status::InvalidOperation,
            Self::Exists(_) => Status::AlreadyExists,
            Self::Missing(_) => Status::NotFound,
            Self::NoConsumer { .. } => Status::InvalidClass,
            Self::TooMuch { .. } => Status::QuotaViolation,
            Self::Descriptor(_) | Self::Pragma { .. } | Self::Include { .. } | Self::Encoding => {
                Status::InvalidParameter
            }
        }
    }

    /// Adds the position to the problem.
    #[must_use]
    pub fn at(self, place: Place) -> Error {
        let (place, problem) = match self {
            // The position of the MOF parser is more exact.
            Self::Model(cim::Error::Mof { line, column, problem }) => {
                (Place { line, column, ..place }, Self::Syntax(problem))
            }
            problem => (place, problem),
        };
        Error::At { place: Box::new(place), problem: Box::new(problem) }
    }
}

impl Error {
    /// Returns the WMI status.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::File(config::StoreError::Disk { source, .. })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Status::AccessDenied
            }
            Self::File(config::StoreError::TooLarge { .. }) => Status::QuotaViolation,
            Self::File(_) | Self::Text { .. } => Status::Failed,
            Self::At { problem, .. } => problem.status(),
            Self::Problem(problem) => problem.status(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Converts the error for providers, whose errors are a status and a text.
impl From<Error> for ProviderError {
    fn from(error: Error) -> Self {
        Self::failed(error.status(), error.to_string())
    }
}

impl From<Problem> for ProviderError {
    fn from(problem: Problem) -> Self {
        Self::failed(problem.status(), problem.to_string())
    }
}
