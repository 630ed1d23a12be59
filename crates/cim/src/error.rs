//! What can be wrong in this crate.

use crate::{Name, Status};

/// What is wrong, where, and what to do about it; [`Error::status`] is what WMI calls it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is no name.
    #[error("{found:?} is not a CIM name\n  use letters, digits and '_', beginning with a letter or '_'")]
    Name {
        /// The text.
        found: String,
    },
    /// A text is no path of namespaces.
    #[error("{found:?} is not a namespace\n  write it as root/cimv2")]
    Namespace {
        /// The text.
        found: String,
    },
    /// A text is no value of the type it should have.
    #[error("{found:?} is not a {expected}")]
    Lexical {
        /// The text.
        found: String,
        /// The type.
        expected: &'static str,
    },
    /// A number lies outside its type.
    #[error("{found} is outside the range of {expected}")]
    OutOfRange {
        /// The number.
        found: String,
        /// The type.
        expected: &'static str,
    },
    /// A value has another type than the place it is put to.
    #[error("{place} is of type {expected}, not {found}")]
    Type {
        /// The property, parameter or qualifier.
        place: String,
        /// Its type.
        expected: String,
        /// The type of the value.
        found: String,
    },
    /// A class has no property of this name.
    #[error("{class} has no property {name:?}\n  see which it has with a query of meta_class")]
    NoProperty {
        /// The class.
        class: Name,
        /// What was asked for.
        name: String,
    },
    /// A key has no value.
    #[error("the key {key} of {class} has no value")]
    NullKey {
        /// The class.
        class: Name,
        /// The key.
        key: Name,
    },
    /// A text is no object path.
    #[error("expected {expected} at octet {at} of an object path\n  write it as Class.Key=\"value\"")]
    Path {
        /// Where, from zero.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The keys of a path are not those of its class.
    #[error("{problem}\n  {class} is named by {keys}")]
    Keys {
        /// The class.
        class: Name,
        /// What does not fit.
        problem: String,
        /// The keys it has, in words.
        keys: String,
    },
    /// There is no such class.
    #[error("there is no class {name}")]
    NoClass {
        /// What was asked for.
        name: String,
    },
    /// A URI does not name a class.
    #[error("{found:?} is not the URI of a class\n  write it as {}root/cimv2/Win32_Process", crate::uri::WMI)]
    Uri {
        /// The URI.
        found: String,
    },
    /// A class contradicts itself or its superclass.
    #[error("class {class}: {problem}")]
    Class {
        /// The class.
        class: Name,
        /// What does not fit.
        problem: String,
        /// What WMI calls it.
        status: Status,
    },
    /// A MOF text cannot be read.
    #[error("line {line}, column {column}: {problem}")]
    Mof {
        /// The line, from one.
        line: usize,
        /// The column in characters, from one.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// An element is not what WS-CIM has for its place.
    #[error("element {element}: {problem}")]
    Xml {
        /// The name of the element.
        element: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A query is wrong.
    #[error(transparent)]
    Query(#[from] crate::wql::QueryError),
    /// Something is larger than is read.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
}

impl Error {
    /// What WMI calls it.
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
