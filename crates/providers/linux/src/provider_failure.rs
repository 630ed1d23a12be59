//! Errors of the machine as errors of providers.

use linux::listing::Listing;
use wmi::ProviderError;

/// Converts an error of the machine.
pub(crate) fn failure(error: impl Into<linux::Error>) -> ProviderError {
    let error = error.into();
    ProviderError::failed(status_of(&error), error.to_string())
}

/// Passes the objects found to `push`. If a source could not be read, the rows are incomplete; without any row, the
/// source has failed.
///
/// # Errors
/// The error of `push`, and the failure of a source.
pub(crate) fn push_listing<T>(
    listing: Listing<T>,
    push: &mut dyn FnMut(T) -> Result<(), ProviderError>,
) -> Result<(), ProviderError> {
    let has_rows = !listing.found.is_empty();
    listing.found.into_iter().try_for_each(push)?;
    match listing.failure {
        None => Ok(()),
        Some(error) if has_rows => Err(ProviderError::incomplete(status_of(&error), error.to_string())),
        Some(error) => Err(failure(error)),
    }
}

fn status_of(error: &linux::Error) -> cim::Status {
    match error {
        _ if error.is_denied() => cim::Status::AccessDenied,
        linux::Error::Os(_) | linux::Error::Bus(_) | linux::Error::TooLong { .. } => cim::Status::Failed,
        _ => cim::Status::ProviderFailure,
    }
}
