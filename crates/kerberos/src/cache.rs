//! Ticket caches of a client.

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use crate::context::lifetime;
use crate::diagnosis::{Operation, diagnose};
use crate::library::{Credential, Failure, Stored, Usage};
use crate::{KerberosError, Library};

/// Location of a client's tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache(
    /// Name of the cache; `None` for the default of `KRB5CCNAME` or `krb5.conf`.
    Option<CString>,
);

/// Ticket with which a client can authenticate without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Principal of the ticket.
    pub principal: String,
    /// Remaining lifetime; `None` if unlimited.
    pub remaining: Option<Duration>,
}

impl Cache {
    /// Uses a cache by its name, such as `FILE:/tmp/krb5cc_1000` or `KCM:`.
    ///
    /// # Errors
    /// [`KerberosError::NotAName`] for a name with a NUL character.
    pub fn named(name: &str) -> Result<Self, KerberosError> {
        let name = CString::new(name).map_err(|_| KerberosError::NotAName(name.to_owned()))?;
        Ok(Self(Some(name)))
    }

    /// Returns the ticket in the cache.
    ///
    /// If `krb5.conf` names a client keytab, a ticket may be requested with it, which can take a while.
    ///
    /// # Errors
    /// [`KerberosError::NoTicket`], [`KerberosError::TicketExpired`] or [`KerberosError::Configuration`].
    pub fn ticket(&self, library: &Arc<Library>) -> Result<Ticket, KerberosError> {
        let inquiry = self.open(library)?.inquire().map_err(sign_in_error)?;
        let principal = inquiry.name.map(|name| name.display()).transpose().map_err(sign_in_error)?;
        let principal = String::from_utf8_lossy(&principal.unwrap_or_default()).into_owned();
        if inquiry.lifetime == 0 {
            return Err(KerberosError::TicketExpired { cause: format!("ticket of {principal}") });
        }
        Ok(Ticket { principal, remaining: lifetime(inquiry.lifetime) })
    }

    /// Returns `true` if there is a valid ticket; Kerberos is then preferred over other schemes.
    #[must_use]
    pub fn has_ticket(&self, library: &Arc<Library>) -> bool {
        self.ticket(library).is_ok()
    }

    pub(crate) fn open(&self, library: &Arc<Library>) -> Result<Credential, KerberosError> {
        let store = self.0.as_deref().map(Stored::Cache);
        Credential::acquire(library, None, Usage::Initiate, store.as_slice()).map_err(sign_in_error)
    }
}

fn sign_in_error(failure: Failure) -> KerberosError {
    diagnose(failure, Operation::SignIn(OWNER))
}

/// Client name for error messages.
const OWNER: &str = "the owner of the ticket";
