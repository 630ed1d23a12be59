//! Account lookup for Kerberos, which proves a name without a password.

use auth::{Account, AuthError};
use kerberos::{FoundAccount, Privilege};

use crate::principals::{LocalPrincipals, LocalUser};

/// The accounts of a machine, or of a service run by one user.
impl kerberos::Accounts for LocalPrincipals {
    fn find(&self, name: &str) -> Result<Option<FoundAccount>, AuthError> {
        self.require_not_disabled(name)?;
        let Some(logon) = self.logon(name) else { return Ok(None) };
        let privilege = match logon.user {
            LocalUser::Unix { uid: 0, .. } => Privilege::Superuser,
            _ => Privilege::Ordinary,
        };
        Ok(Some(FoundAccount { account: Account { name: name.to_owned() }, privilege }))
    }
}

/// Every account of the list, with ordinary privileges.
impl kerberos::Accounts for ListedAccounts {
    fn find(&self, name: &str) -> Result<Option<FoundAccount>, AuthError> {
        let listed = self.0.names().any(|listed| listed == name);
        Ok(listed.then(|| FoundAccount {
            account: Account { name: name.to_owned() },
            privilege: Privilege::Ordinary,
        }))
    }
}

/// A list of accounts, for Kerberos.
pub struct ListedAccounts(pub std::sync::Arc<auth::AccountList>);
