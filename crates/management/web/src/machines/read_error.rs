//! Failures of a request to a machine.

use client::Error;

use super::task::{Failure, FailureKind};

/// Failure of a request to a machine.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The machine cannot be reached, or answered with a fault.
    Client(Error),
    /// Any other failure.
    Failed(Failure),
}

impl ReadError {
    /// Creates a failure of a class, a method or an instance that the machine does not have.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::Failed(Failure::new(FailureKind::NotFound, detail))
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<cim::Error> for ReadError {
    fn from(error: cim::Error) -> Self {
        Self::Failed(Failure::new(FailureKind::Refused, error.to_string()))
    }
}
