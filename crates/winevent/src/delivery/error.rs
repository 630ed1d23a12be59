//! Reasons why a message of an event source cannot be read.

/// Reason why a message of an event source cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The text does not begin with a SOAP envelope that has a body.
    #[error("the message is not a SOAP envelope: {0}")]
    NotAnEnvelope(&'static str),
    /// The headers, or the body of a message without events, are malformed.
    #[error("the message is malformed: {0}")]
    Malformed(#[source] xml::ReadError),
    /// A required header is missing or empty.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// A header is longer than the limit.
    #[error("the header {0} is too long")]
    LongHeader(&'static str),
    /// The action is not one of event forwarding.
    #[error("the action {0:?} is not one of event forwarding")]
    UnknownAction(String),
    /// The list of events has no end.
    #[error("the message ends inside its list of events")]
    Truncated,
    /// The body contains another element than the action requires.
    #[error("the body does not contain the element {0}")]
    WrongBody(&'static str),
    /// The message has more events than the limit.
    #[error("the message has more than {0} events")]
    TooManyEvents(usize),
}
