//! What a service says to somebody who has not signed in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Date;

use crate::Session;
use crate::authentication::{Asker, Login, offered};
use crate::error::Error;

/// What a service answers to a request that is empty and comes from nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Greeting {
    /// The status; 401 where somebody has to sign in.
    pub status: u16,
    /// The schemes by which one can sign in, as `WWW-Authenticate` names them (RFC 9110 11.6.1).
    pub offered: Vec<String>,
    /// What the time is there (RFC 9110 6.6.1).
    pub date: Option<SystemTime>,
    /// What answers, in its own words (RFC 9110 10.2.4).
    pub server: Option<String>,
}

impl Session {
    /// Asks the service how one signs in, over a connection of its own, without saying who asks.
    ///
    /// # Errors
    /// [`Error`] for what fails on the way; whatever the service answers is a greeting.
    pub async fn greet(&self) -> Result<Greeting, Error> {
        let patience = self.patience();
        let mut connection = self.connect(Login::Anonymous.begin(), &patience).await?;
        let response = connection.converse(&self.request(&[], &[]), MOST_OCTETS, &patience).await?;
        let head = response.head;
        let date = head.header("Date").and_then(Date::seconds_of);
        let date = date.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let server = head.header("Server").map(|name| name.chars().take(LONGEST_SHOWN).collect());
        Ok(Greeting { status: head.status(), offered: offered(&head, Asker::Service), date, server })
    }
}

/// The largest answer that is read; a challenge needs no body at all, but a login page may come.
const MOST_OCTETS: usize = 1_024 * 1_024;
/// How much of a name is worth repeating.
const LONGEST_SHOWN: usize = 80;
