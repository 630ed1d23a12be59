//! What a Kerberos realm says to somebody who wants to sign in, before the service is asked.

use crate::Session;
use crate::authentication::Login;
use crate::error::Error;

/// What a realm gives for signing in to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceTicket {
    /// Whom the realm knows the user as: `ada@EXAMPLE.COM`.
    pub user: String,
    /// What the service is called: `HTTP/server7.example.com`.
    pub service: String,
}

/// Whether Kerberos has a part in signing in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RealmAnswer {
    /// It has none: the scheme does without it, or the account or the host is of no realm.
    NotAsked,
    /// It has, and there is a ticket.
    Ticket(ServiceTicket),
}

impl Session {
    /// Gets the ticket that signing in takes, as signing in would, and goes no further: the service hears nothing.
    ///
    /// It may take as long as a KDC needs to answer.
    ///
    /// # Errors
    /// [`Error::SignIn`] with the cause; [`Error::NoWayIn`] and [`Error::Refused`] where the session may not sign in.
    pub async fn ask_realm(&self) -> Result<RealmAnswer, Error> {
        self.may_sign_in()?;
        let Login::Tokens(tokens) = self.login() else { return Ok(RealmAnswer::NotAsked) };
        let endpoint = self.endpoint().clone();
        let asking = tokio::task::spawn_blocking(move || tokens.ask_realm(&endpoint)).await;
        let answer =
            asking.map_err(|error| Error::Setting { setting: "runtime", reason: error.to_string() })??;
        Ok(answer.map_or(RealmAnswer::NotAsked, RealmAnswer::Ticket))
    }
}
