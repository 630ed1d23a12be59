//! Requests a Kerberos ticket for a service without contacting the service.

use crate::Session;
use crate::authentication::Login;
use crate::error::Error;

/// Kerberos ticket for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceTicket {
    /// Principal of the user: `ada@EXAMPLE.COM`.
    pub user: String,
    /// Service principal name: `HTTP/server7.example.com`.
    pub service: String,
}

/// Result of [`Session::request_ticket`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketResult {
    /// Kerberos is not used: the scheme does not need it, or the account or the host has no realm.
    NotNeeded,
    /// The KDC issued a ticket.
    Ticket(ServiceTicket),
}

impl Session {
    /// Requests the Kerberos ticket that authentication to the service would use; the service is not contacted.
    ///
    /// May block for as long as a KDC takes to respond.
    ///
    /// # Errors
    /// [`Error::SignIn`] with the cause; [`Error::NoAllowedScheme`] and [`Error::Refused`] if the session may not
    /// authenticate.
    pub async fn request_ticket(&self) -> Result<TicketResult, Error> {
        self.check_sign_in()?;
        let Login::Tokens(tokens) = self.login() else { return Ok(TicketResult::NotNeeded) };
        let endpoint = self.endpoint().clone();
        let asking = tokio::task::spawn_blocking(move || tokens.request_ticket(&endpoint)).await;
        let answer =
            asking.map_err(|error| Error::Setting { setting: "runtime", reason: error.to_string() })??;
        Ok(answer.map_or(TicketResult::NotNeeded, TicketResult::Ticket))
    }
}
