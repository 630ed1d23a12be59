//! The error of this crate.

use std::io;

use crate::bus::BusError;

/// Reason why data of the machine could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error(transparent)]
    Os(#[from] io::Error),
    /// A call to a service on D-Bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A system program failed, or its output has an unexpected form.
    #[error("{program}: {problem}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// The reason, as a rule from its error output.
        problem: String,
    },
    /// The kernel refused the operation of a system program to this user.
    #[error("{program}: {problem}")]
    Denied {
        /// Name of the program.
        program: &'static str,
        /// Error output of the program.
        problem: String,
    },
    /// The print server refused a query, or its response is invalid.
    #[error("cannot query CUPS: {0}")]
    Printing(String),
    /// A file is longer than its limit.
    #[error("{file} is longer than {} MiB; check the file, its remaining lines were not read", .limit >> 20)]
    TooLong {
        /// Path of the file on the machine.
        file: String,
        /// Limit in bytes.
        limit: u64,
    },
}

impl Error {
    /// Returns the error for a failed program.
    pub(crate) fn program(program: &'static str, problem: impl Into<String>) -> Self {
        Self::Program { program, problem: problem.into() }
    }

    /// Returns whether this user may not perform the operation.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Os(error) => error.kind() == io::ErrorKind::PermissionDenied,
            Self::Bus(error) => error.is_denied(),
            Self::Denied { .. } => true,
            _ => false,
        }
    }
}
