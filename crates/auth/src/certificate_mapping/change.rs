//! What somebody wants to become of a mapping.

use super::{MappingError, MappingKeys};
use crate::account_file::Standing;
use crate::{Secret, UserName};

/// A mapping that is to be made, changed or deleted.
#[derive(Debug)]
pub enum MappingChange {
    /// There is to be one with these keys.
    Create(MappingKeys, MappingFields),
    /// The one with these keys is to be another.
    Put(MappingKeys, MappingFields),
    /// The one with these keys is to go.
    Delete(MappingKeys),
}

/// What was said of a mapping; what was not said stays, or is as it usually is.
#[derive(Debug, Default)]
pub struct MappingFields {
    /// `UserName`.
    pub user: Option<UserName>,
    /// `Password`.
    pub password: Option<Secret>,
    /// `Enabled`.
    pub standing: Option<Standing>,
}

/// Why a mapping was not made, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingChangeError {
    /// There is one with these keys.
    #[error("there is a certificate mapping {0} already")]
    Exists(MappingKeys),
    /// There is none with these keys.
    #[error(
        "there is no certificate mapping {0}; winrm enumerate winrm/config/service/certmapping lists those there are"
    )]
    Missing(MappingKeys),
    /// There is no room for one more.
    #[error(transparent)]
    Mappings(#[from] MappingError),
    /// A new one without a user or without a password.
    #[error("a certificate mapping needs UserName and Password, and both together to get another user")]
    Incomplete,
    /// Another user without the password of that user.
    #[error("the certificate mapping {0} gets another user: give the password of that user with it")]
    PasswordMissing(MappingKeys),
    /// The account does not exist, may not sign in, or has another password.
    #[error("this machine does not let {0} sign in with this password")]
    Credentials(UserName),
    /// The mappings cannot be read or replaced.
    #[error("{0}")]
    Failed(String),
}

impl MappingChange {
    /// Which mapping it is about.
    #[must_use]
    pub fn keys(&self) -> &MappingKeys {
        match self {
            Self::Create(keys, _) | Self::Put(keys, _) | Self::Delete(keys) => keys,
        }
    }
}
