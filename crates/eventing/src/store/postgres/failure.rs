//! Errors of the database, by what the collector does about them.

use std::error::Error as _;

use tokio_postgres::Error;

use crate::error::CollectorError;

/// Failed operation.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database is not available, or does not accept changes now. The outcome of a commit is unknown. The operation
    /// is repeated.
    Unavailable(String),
    /// The database has rejected the operation, and would reject it again.
    Rejected(String),
}

impl Failed {
    /// Returns the failure of an operation that took too long.
    pub(super) fn no_answer() -> Self {
        Self::Unavailable("the database does not answer".to_owned())
    }

    pub(super) fn into_error(self, address: &str) -> CollectorError {
        let address = address.to_owned();
        match self {
            Self::Unavailable(reason) => CollectorError::DatabaseUnavailable { address, reason },
            Self::Rejected(reason) => CollectorError::Database { address, reason },
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        if let Some(database) = error.as_db_error() {
            let (code, reason) = (database.code().code(), database.message().to_owned());
            return if is_transient(code) { Self::Unavailable(reason) } else { Self::Rejected(reason) };
        }
        let kind = error.to_string();
        let mut reason = kind.clone();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        match VALUE_ERRORS.iter().any(|text| kind.starts_with(text)) {
            true => Self::Rejected(reason),
            false => Self::Unavailable(reason),
        }
    }
}

/// Beginnings of the texts of errors that concern values; all others concern the connection.
const VALUE_ERRORS: [&str; 6] = [
    "error serializing parameter",
    "error deserializing column",
    "error encoding message",
    "invalid column",
    "query returned an unexpected number",
    "expected ",
];

/// Returns whether an error may go away without a change of the collector: classes 08 (connection), 40 (conflict), 53
/// (resources), 57 (shutdown) and 58 (system), a lock that was not granted, and a server that is read-only.
fn is_transient(code: &str) -> bool {
    ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        || matches!(code, "55P03" | "25006")
}
