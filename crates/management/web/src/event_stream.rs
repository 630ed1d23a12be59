//! Sources of server-sent events.

use std::fmt;

/// Source of server-sent events, which the server asks for events until the client closes the connection.
pub(crate) trait EventStream: fmt::Debug + Send {
    /// Returns the events since the last call in the format of the protocol, or an empty text. It may block.
    ///
    /// # Errors
    /// The reason why the stream ends, for the client.
    fn next_events(&mut self) -> Result<String, String>;
}
