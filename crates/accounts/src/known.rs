//! Which accounts there are, for schemes that prove a name and not a password.

use auth::{Account, AuthError};
use kerberos::{Found, Power};

use crate::principals::{LocalPrincipals, LocalUser};

/// The accounts of a machine or of a user's service, whoever proves that somebody is one of them.
impl kerberos::Accounts for LocalPrincipals {
    fn find(&self, name: &str) -> Result<Option<Found>, AuthError> {
        if self.is_disabled(name)? {
            return Err(AuthError::NotAllowed);
        }
        let Some(logon) = self.logon(name) else { return Ok(None) };
        let power = match logon.user {
            LocalUser::Unix { uid: 0, .. } => Power::Superuser,
            _ => Power::Ordinary,
        };
        Ok(Some(Found { account: Account { name: name.to_owned() }, power }))
    }
}

/// Whoever is listed.
impl kerberos::Accounts for Listed {
    fn find(&self, name: &str) -> Result<Option<Found>, AuthError> {
        let listed = self.0.names().any(|listed| listed == name);
        Ok(listed.then(|| Found { account: Account { name: name.to_owned() }, power: Power::Ordinary }))
    }
}

/// The accounts of a list, for Kerberos.
pub struct Listed(pub std::sync::Arc<auth::AccountList>);
