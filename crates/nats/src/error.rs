//! Errors of the protocol.

/// Failure to read a message of the server, or to use a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// A line is longer than the limit.
    #[error("a line of the NATS server has more than {0} bytes")]
    LongLine(usize),
    /// A line is not a message of the protocol.
    #[error("the NATS server sent an invalid {0} line")]
    InvalidLine(&'static str),
    /// A payload is larger than the limit.
    #[error("a message of the NATS server has {size} bytes; the limit is {limit}")]
    LongPayload {
        /// Size in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// An answer is not one of JetStream.
    #[error("the answer to a published message is not one of JetStream")]
    NotAnAcknowledgement,
    /// A subject cannot be used for publishing.
    #[error("the subject \"{subject}\" is invalid: {reason}")]
    Subject {
        /// The subject.
        subject: String,
        /// The reason.
        reason: &'static str,
    },
    /// Credentials cannot be used.
    #[error("{0}")]
    Credentials(&'static str),
}
