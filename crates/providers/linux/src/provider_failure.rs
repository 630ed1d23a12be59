//! Errors of the machine as errors of providers.

use wmi::ProviderError;

/// Converts an error of the machine.
pub(crate) fn failure(error: impl Into<linux::Error>) -> ProviderError {
    let error = error.into();
    let status = match error {
        _ if error.is_denied() => cim::Status::AccessDenied,
        linux::Error::Os(_) | linux::Error::Bus(_) | linux::Error::TooLong { .. } => cim::Status::Failed,
        _ => cim::Status::ProviderFailure,
    };
    ProviderError::failed(status, error.to_string())
}
