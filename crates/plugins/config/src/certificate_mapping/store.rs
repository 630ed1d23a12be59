//! Who keeps the mappings.

use accounts::SignIn;
use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use service::Caller;
use wsman::Fault;

/// Keeps the mappings of client certificates, and the passwords of their accounts: in this process, or in one that
/// may. Both questions wait.
pub trait MappingKeeper: Send + Sync {
    /// Every mapping as it is now.
    ///
    /// # Errors
    /// [`NotMapped`].
    fn all(&self, caller: &Caller) -> Result<Vec<Mapping>, NotMapped>;

    /// Makes, changes or deletes one for a caller, if the password of its account is right.
    ///
    /// # Errors
    /// [`NotMapped`]; then everything is as it was.
    fn change(&self, caller: &Caller, change: MappingChange) -> Result<(), NotMapped>;
}

/// Why mappings are not shown or stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum NotMapped {
    /// Something is wrong with what is wanted, or with the mappings.
    #[error(transparent)]
    Change(#[from] MappingChangeError),
    /// The keeper does not want to.
    #[error("{0}")]
    Refused(Fault),
}

/// In this process.
impl MappingKeeper for SignIn {
    fn all(&self, _: &Caller) -> Result<Vec<Mapping>, NotMapped> {
        Ok(self.mappings()?)
    }

    fn change(&self, caller: &Caller, change: MappingChange) -> Result<(), NotMapped> {
        Ok(self.change_mapping(change, caller.address())?)
    }
}
