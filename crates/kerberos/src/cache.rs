//! Tickets that a client has already.

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use crate::context::lifetime;
use crate::diagnosis::{Trying, diagnose};
use crate::library::{Credential, Stored, Usage};
use crate::{KerberosError, Library};

/// Where a client keeps its tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache(
    /// None for that of the environment (`KRB5CCNAME`, `krb5.conf`).
    Option<CString>,
);

/// What a client can sign in with, without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whose it is.
    pub principal: String,
    /// How long it is good; none for ever.
    pub remaining: Option<Duration>,
}

impl Cache {
    /// A cache by its name, such as `FILE:/tmp/krb5cc_1000` or `KCM:`.
    ///
    /// # Errors
    /// [`KerberosError::NotAName`].
    pub fn named(name: &str) -> Result<Self, KerberosError> {
        let name = CString::new(name).map_err(|_| KerberosError::NotAName(name.to_owned()))?;
        Ok(Self(Some(name)))
    }

    /// The ticket in it.
    ///
    /// With a client's keytab in the place that `krb5.conf` names, one is got with that, which may take a while.
    ///
    /// # Errors
    /// [`KerberosError::NoTicket`], [`KerberosError::TicketExpired`], [`KerberosError::Configuration`].
    pub fn ticket(&self, library: &Arc<Library>) -> Result<Ticket, KerberosError> {
        let failed = |failure| diagnose(failure, Trying::SignIn(OWNER));
        let inquiry = self.open(library)?.inquire().map_err(failed)?;
        let principal = inquiry.name.map(|name| name.display()).transpose().map_err(failed)?;
        let principal = String::from_utf8_lossy(&principal.unwrap_or_default()).into_owned();
        if inquiry.lifetime == 0 {
            return Err(KerberosError::TicketExpired { cause: format!("that of {principal}") });
        }
        Ok(Ticket { principal, remaining: lifetime(inquiry.lifetime) })
    }

    /// Whether there is a ticket that is still good: then Kerberos comes before other schemes.
    #[must_use]
    pub fn has_ticket(&self, library: &Arc<Library>) -> bool {
        self.ticket(library).is_ok()
    }

    pub(crate) fn open(&self, library: &Arc<Library>) -> Result<Credential, KerberosError> {
        let store = self.0.as_deref().map(Stored::Cache);
        Credential::acquire(library, None, Usage::Initiate, store.as_slice())
            .map_err(|failure| diagnose(failure, Trying::SignIn(OWNER)))
    }
}

/// Who signs in with a ticket, for messages.
const OWNER: &str = "the owner of the ticket";
