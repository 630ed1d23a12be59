//! The error type of the crate.

/// Error in data of the peer, or in an operation that the state of a pool or pipeline does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PsrpError {
    /// A fragment ends before its header or its data does (MS-PSRP 2.2.4).
    #[error("fragment is incomplete: {missing} more bytes are required")]
    ShortFragment {
        /// Number of missing bytes.
        missing: usize,
    },
    /// A fragment does not continue its message (MS-PSRP 2.2.4).
    #[error("fragment {fragment} of object {object} is out of order: {reason}")]
    FragmentOrder {
        /// Identifier of the message.
        object: u64,
        /// Number of the fragment within the message.
        fragment: u64,
        /// Violated rule.
        reason: &'static str,
    },
    /// Data exceeds a limit; the limits are in [`clixml::Limits`](crate::clixml::Limits) and
    /// [`FragmentLimits`](crate::FragmentLimits).
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// Name of the limited quantity, with its unit.
        what: &'static str,
        /// Maximum.
        limit: usize,
    },
    /// A message is shorter than its header or has an invalid destination (MS-PSRP 2.2.1).
    #[error("malformed message header: {0}")]
    Header(&'static str),
    /// The XML of a message or document is not well-formed.
    #[error("malformed CLIXML: {0}")]
    Xml(#[from] xml::ReadError),
    /// The XML is well-formed but not CLIXML (MS-PSRP 2.2.5).
    #[error("invalid CLIXML: {0}")]
    Structure(String),
    /// The text of a value does not have the form that its type requires.
    #[error("{text:?} is not a valid {kind}")]
    Scalar {
        /// Name of the type.
        kind: &'static str,
        /// Beginning of the text.
        text: String,
    },
    /// A message of a known type lacks a property, or a property has the wrong type.
    #[error("property {property} of the message {message} is missing or has the wrong type")]
    Property {
        /// Name of the message or record.
        message: &'static str,
        /// Name of the property.
        property: &'static str,
    },
    /// A message is not allowed in this direction or state.
    #[error("unexpected message {message} in the state {state}")]
    Unexpected {
        /// Name of the message.
        message: &'static str,
        /// Name of the state.
        state: &'static str,
    },
    /// An operation is not allowed in this state.
    #[error("cannot {operation} in the state {state}")]
    State {
        /// Name of the operation.
        operation: &'static str,
        /// Name of the state.
        state: &'static str,
    },
    /// A message belongs to a pipeline that does not exist.
    #[error("pipeline {0} does not exist")]
    UnknownPipeline(String),
    /// The peers' versions do not fit (MS-PSRP 3.1.5.4.1).
    #[error("the peer's {what} {theirs} is not supported; this end supports {ours}")]
    Version {
        /// Name of the version.
        what: &'static str,
        /// Version of the peer.
        theirs: String,
        /// Version of this end.
        ours: String,
    },
    /// The key exchange failed, or encrypted text cannot be read (MS-PSRP 2.2.2.3 and 2.2.5.1.24).
    #[error("session key: {0}")]
    Key(&'static str),
    /// A line of the transport over standard input and output is malformed.
    #[error("malformed line of the PowerShell process: {0}")]
    Line(&'static str),
    /// Compressed data is malformed (MS-XCA 2.2).
    #[error("malformed compressed data: {0}")]
    Compression(&'static str),
}

impl PsrpError {
    pub(crate) fn scalar(kind: &'static str, text: &str) -> Self {
        Self::Scalar { kind, text: text.chars().take(QUOTED).collect() }
    }

    pub(crate) fn structure(problem: &str, name: &str) -> Self {
        Self::Structure(format!("{problem} {:?}", name.chars().take(QUOTED).collect::<String>()))
    }
}

/// Number of characters of the peer's text in an error.
const QUOTED: usize = 60;
