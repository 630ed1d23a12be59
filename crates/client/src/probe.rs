//! Unauthenticated request that determines the authentication schemes of a service.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Date;

use crate::Session;
use crate::authentication::{Challenger, Login, offered};
use crate::error::Error;

/// Response to an empty, unauthenticated request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeResponse {
    /// HTTP status; 401 if the service requires authentication.
    pub status: u16,
    /// Authentication schemes from `WWW-Authenticate` (RFC 9110 11.6.1).
    pub offered: Vec<String>,
    /// Clock of the service, from `Date` (RFC 9110 6.6.1).
    pub date: Option<SystemTime>,
    /// Server software, from `Server` (RFC 9110 10.2.4); at most 80 characters.
    pub server: Option<String>,
}

impl Session {
    /// Sends an empty request without credentials over a new connection.
    ///
    /// # Errors
    /// [`Error`] if no HTTP response arrives; a response with any status is a success.
    pub async fn probe(&self) -> Result<ProbeResponse, Error> {
        let timeouts = self.timeouts();
        let mut connection = self.connect(Login::Anonymous.start(), &timeouts).await?;
        let response = connection.converse(&self.request(&[], &[]), MOST_OCTETS, &timeouts).await?;
        let head = response.head;
        let date = head.header("Date").and_then(Date::seconds_of);
        let date = date.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let server = head.header("Server").map(|name| name.chars().take(LONGEST_SHOWN).collect());
        Ok(ProbeResponse {
            status: head.status(),
            offered: offered(&head, Challenger::Service),
            date,
            server,
        })
    }
}

/// Maximum response size in bytes; a challenge has no body, but a proxy may send a login page.
const MOST_OCTETS: usize = 1_024 * 1_024;
/// Maximum length of the `Server` header that is kept, in characters.
const LONGEST_SHOWN: usize = 80;
