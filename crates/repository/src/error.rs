//! What can be wrong with a repository, or with a text that is compiled into it.

use std::fmt;
use std::path::PathBuf;

use cim::{Name, Namespace, Status};
use wmi::ProviderError;

/// Why something is not in the repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of the repository cannot be read, believed or written.
    #[error(transparent)]
    File(#[from] config::StoreError),
    /// A text that is compiled cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Text {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something in a text is wrong.
    #[error("{place}: {problem}")]
    At {
        /// Where.
        place: Box<Place>,
        /// What.
        problem: Box<Problem>,
    },
    /// Something is wrong that was not in a text.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its file.
    pub file: PathBuf,
    /// The line, from one.
    pub line: usize,
    /// The column in characters, from one.
    pub column: usize,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A class, an instance or a path is wrong.
    #[error(transparent)]
    Model(#[from] cim::Error),
    /// A text is no MOF.
    #[error("{0}")]
    Syntax(String),
    /// A descriptor is wrong.
    #[error(transparent)]
    Descriptor(#[from] sddl::SddlError),
    /// There is no such namespace.
    #[error(
        "there is no namespace {0}\n  \
         make it with an instance of __Namespace in the namespace above it"
    )]
    NoNamespace(Namespace),
    /// It belongs to the system.
    #[error("{0} comes with the system and cannot be changed or removed")]
    BuiltIn(String),
    /// Its instances are not kept here.
    #[error("instances of {0} cannot be kept\n  a provider has them, or the class is abstract")]
    NotKept(Name),
    /// There is one already, and the text says to make a new one.
    #[error("there is {0} already\n  leave createonly away to replace it")]
    Exists(String),
    /// There is none, and the text says that there must be.
    #[error("there is no {0}")]
    Missing(String),
    /// A consumer of events that there is on Windows, or that somebody has forgotten to declare.
    #[error("there is no class {class} to tell of events\n  {}", consumers(known))]
    NoConsumer {
        /// What was asked for.
        class: Name,
        /// What there is.
        known: Vec<String>,
    },
    /// A pragma makes no sense.
    #[error("#pragma {name}: {problem}")]
    Pragma {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// An included text cannot be read.
    #[error("cannot include {}: {problem}", path.display())]
    Include {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// Octets that are no text.
    #[error("it is neither UTF-8 nor, with a byte order mark, UTF-16\n  save it as UTF-8")]
    Encoding,
    /// Another class needs what is to be changed.
    #[error("{0}\n  forceupdate changes it nevertheless, and removes what does not fit any more")]
    InUse(Box<cim::Error>),
    /// There is more than is kept.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

/// Where to go with events instead.
fn consumers(known: &[String]) -> String {
    match known {
        [] => "those of the system are in root/subscription".to_owned(),
        known => format!("there are {}", known.join(", ")),
    }
}

impl Problem {
    /// What WMI calls it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Model(error) => error.status(),
            Self::InUse(error) => error.status(),
            Self::Syntax(_) => Status::InvalidSyntax,
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

    /// The problem with its place.
    #[must_use]
    pub fn at(self, place: Place) -> Error {
        let (place, problem) = match self {
            // The reader of MOF knows the place better.
            Self::Model(cim::Error::Mof { line, column, problem }) => {
                (Place { line, column, ..place }, Self::Syntax(problem))
            }
            problem => (place, problem),
        };
        Error::At { place: Box::new(place), problem: Box::new(problem) }
    }
}

impl Error {
    /// What WMI calls it.
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

/// For the provider, whose failures are words.
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
