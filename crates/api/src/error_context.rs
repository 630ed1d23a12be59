//! Host and user for error messages of clients.

use crate::error::Error;

/// Context for error messages.
#[derive(Debug)]
pub(crate) struct ErrorContext {
    pub(crate) host: String,
    pub(crate) user: Option<String>,
}

impl ErrorContext {
    pub(crate) fn explain(&self, error: client::Error) -> Error {
        Error::of(error, &self.host)
    }
}
