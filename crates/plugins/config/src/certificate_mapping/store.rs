//! Storage of certificate mappings.

use accounts::SignIn;
use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use service::Caller;
use wsman::Fault;

/// Store of certificate mappings and the passwords of their accounts, in this or another process. The methods block.
pub trait MappingStore: Send + Sync {
    /// Returns all mappings.
    ///
    /// # Errors
    /// [`MappingStoreError`] if the mappings cannot be read or the caller is not permitted to.
    fn all(&self, caller: &Caller) -> Result<Vec<Mapping>, MappingStoreError>;

    /// Creates, changes or deletes a mapping for a caller, after verification of the account's password.
    ///
    /// # Errors
    /// [`MappingStoreError`] if the change is invalid or not permitted; nothing was changed then.
    fn change(&self, caller: &Caller, change: MappingChange) -> Result<(), MappingStoreError>;
}

/// Error of a [`MappingStore`].
#[derive(Debug, thiserror::Error)]
pub enum MappingStoreError {
    /// The change is invalid, or the mappings cannot be read or written.
    #[error(transparent)]
    Change(#[from] MappingChangeError),
    /// The store rejects the request.
    #[error("{0}")]
    Refused(Fault),
}

/// Store in this process.
impl MappingStore for SignIn {
    fn all(&self, _: &Caller) -> Result<Vec<Mapping>, MappingStoreError> {
        Ok(self.mappings()?)
    }

    fn change(&self, caller: &Caller, change: MappingChange) -> Result<(), MappingStoreError> {
        Ok(self.change_mapping(change, caller.address())?)
    }
}
