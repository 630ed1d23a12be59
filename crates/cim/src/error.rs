//! Errors of this crate.

use crate::{Name, Status};

/// Description of the error with advice on a second line; [`Error::status`] is the WMI error code.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid name.
    #[error("invalid CIM name \"{found}\"\n  use letters, digits and '_', beginning with a letter or '_'")]
    Name {
        /// The text.
        found: String,
    },
    /// Invalid namespace.
    #[error("invalid namespace \"{found}\"\n  write it as root/cimv2")]
    Namespace {
        /// The text.
        found: String,
    },
    /// Invalid text for a type.
    #[error("\"{found}\" is not a valid {expected}")]
    Lexical {
        /// The text.
        found: String,
        /// The type.
        expected: &'static str,
    },
    /// Number out of range.
    #[error("{found} is outside the range of {expected}")]
    OutOfRange {
        /// The number.
        found: String,
        /// The type.
        expected: &'static str,
    },
    /// Value of the wrong type.
    #[error("{place} has type {expected}, not {found}")]
    Type {
        /// Property, parameter or qualifier.
        place: String,
        /// The type.
        expected: String,
        /// Type of the value.
        found: String,
    },
    /// Unknown property.
    #[error("{class} has no property \"{name}\"\n  a query of meta_class lists the properties")]
    NoProperty {
        /// The class.
        class: Name,
        /// Name of the property.
        name: String,
    },
    /// A key is NULL.
    #[error("the key {key} of {class} is NULL")]
    NullKey {
        /// The class.
        class: Name,
        /// The key.
        key: Name,
    },
    /// Invalid object path.
    #[error("invalid object path at byte {at}: expected {expected}\n  write it as Class.Key=\"value\"")]
    Path {
        /// Byte offset, from zero.
        at: usize,
        /// Expected text.
        expected: &'static str,
    },
    /// The keys of a path do not match its class.
    #[error("{problem}\n  the keys of {class}: {keys}")]
    Keys {
        /// The class.
        class: Name,
        /// Description of the error.
        problem: String,
        /// Description of the keys of the class.
        keys: String,
    },
    /// Unknown class.
    #[error("unknown class {name}")]
    NoClass {
        /// Name of the class.
        name: String,
    },
    /// Invalid class URI.
    #[error(
        "\"{found}\" is not the URI of a class\n  write it as {}root/cimv2/Win32_Process",
        crate::uri::WMI
    )]
    Uri {
        /// The URI.
        found: String,
    },
    /// Contradictory class declaration.
    #[error("class {class}: {problem}")]
    Class {
        /// The class.
        class: Name,
        /// Description of the error.
        problem: String,
        /// WMI error code.
        status: Status,
    },
    /// Invalid MOF text.
    #[error("line {line}, column {column}: {problem}")]
    Mof {
        /// Line, from one.
        line: usize,
        /// Column in characters, from one.
        column: usize,
        /// Description of the error.
        problem: String,
    },
    /// Invalid element in WS-CIM or CIM-XML.
    #[error("element {element}: {problem}")]
    Xml {
        /// Name of the element.
        element: String,
        /// Description of the error.
        problem: String,
    },
    /// Invalid query.
    #[error(transparent)]
    Query(#[from] crate::wql::QueryError),
    /// A limit is exceeded.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// Counted items.
        what: &'static str,
        /// Limit.
        limit: usize,
    },
}

impl Error {
    /// Returns the WMI error code.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Name { .. } | Self::Mof { .. } => Status::InvalidSyntax,
            Self::Namespace { .. } => Status::InvalidNamespace,
            Self::Lexical { .. } | Self::Type { .. } => Status::TypeMismatch,
            Self::OutOfRange { .. } => Status::ValueOutOfRange,
            Self::NoProperty { .. } => Status::InvalidProperty,
            Self::NullKey { .. } => Status::IllegalNull,
            Self::Path { .. } | Self::Keys { .. } => Status::InvalidObjectPath,
            Self::NoClass { .. } | Self::Uri { .. } => Status::InvalidClass,
            Self::Class { status, .. } => *status,
            Self::Xml { .. } => Status::InvalidParameter,
            Self::Query(error) => error.status(),
            Self::TooMuch { .. } => Status::QuotaViolation,
        }
    }
}
