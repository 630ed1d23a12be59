//! Changes of certificate mappings.

use super::{MAX_MAPPINGS, Mapping, MappingError, MappingKeys};
use crate::account_file::EnabledState;
use crate::{Secret, UserName};

/// A mapping to be created, changed or deleted.
#[derive(Debug)]
pub enum MappingChange {
    /// Creates a mapping with these keys.
    Create(MappingKeys, MappingFields),
    /// Changes the mapping with these keys.
    Put(MappingKeys, MappingFields),
    /// Deletes the mapping with these keys.
    Delete(MappingKeys),
}

/// Fields of a change. Fields that are `None` keep their value, or get the default in a new mapping.
#[derive(Debug, Default)]
pub struct MappingFields {
    /// `UserName`: account of the mapping.
    pub user: Option<UserName>,
    /// `Password`: password of the account.
    pub password: Option<Secret>,
    /// `Enabled`: whether the mapping is in use.
    pub state: Option<EnabledState>,
}

/// Reason why a mapping was not created, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingChangeError {
    /// A mapping with these keys exists.
    #[error("certificate mapping {0} already exists; change or delete it")]
    Exists(MappingKeys),
    /// No mapping with these keys exists.
    #[error(
        "no certificate mapping {0}; list the mappings with: winrm enumerate winrm/config/service/certmapping"
    )]
    Missing(MappingKeys),
    /// The resulting set of mappings is invalid.
    #[error(transparent)]
    Mappings(#[from] MappingError),
    /// A new mapping lacks the user or the password.
    #[error(
        "a certificate mapping requires a user; send UserName and Password, and both again to change the user"
    )]
    Incomplete,
    /// The user changes, but the password of the new user is missing.
    #[error(
        "cannot change the user of certificate mapping {0} without a password; send that user's Password"
    )]
    PasswordMissing(MappingKeys),
    /// The account does not exist, may not sign in, or has another password.
    #[error("{0} cannot sign in to this machine with this password; check UserName and Password")]
    Credentials(UserName),
    /// The mappings cannot be read or replaced.
    #[error("{0}")]
    Failed(String),
}

impl MappingChange {
    /// Keys of the mapping to change.
    #[must_use]
    pub fn keys(&self) -> &MappingKeys {
        match self {
            Self::Create(keys, _) | Self::Put(keys, _) | Self::Delete(keys) => keys,
        }
    }

    /// Checks the change against the present mappings, except for the password, which only a sign-in can verify.
    ///
    /// # Errors
    /// The error of the change, as far as it can be predicted.
    pub fn check(&self, present: &[Mapping]) -> Result<(), MappingChangeError> {
        let before = present.iter().find(|mapping| mapping.keys() == *self.keys());
        match (self, before) {
            (Self::Create(_, fields), _) if fields.user.is_none() || fields.password.is_none() => {
                Err(MappingChangeError::Incomplete)
            }
            (Self::Create(keys, _), Some(_)) => Err(MappingChangeError::Exists(keys.clone())),
            (Self::Create(..), None) if present.len() >= MAX_MAPPINGS => Err(MappingError::TooMany.into()),
            (Self::Put(keys, _) | Self::Delete(keys), None) => Err(MappingChangeError::Missing(keys.clone())),
            (Self::Put(keys, fields), Some(before))
                if fields.password.is_none()
                    && fields.user.as_ref().is_some_and(|user| *user != before.user) =>
            {
                Err(MappingChangeError::PasswordMissing(keys.clone()))
            }
            _ => Ok(()),
        }
    }
}
