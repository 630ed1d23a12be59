//! Messages that somebody else wrote: sent as they are, and their answers not looked at.

use super::{Repeat, Session};
use crate::connection;
use crate::error::Error;

/// What came back for a message that was sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The status of HTTP.
    pub status: u16,
    /// The body, unsealed; in the encoding that [`Self::content_type`] says.
    pub body: Vec<u8>,
    /// What the body is.
    pub content_type: Option<String>,
}

impl Session {
    /// Sends a whole envelope, signed in and sealed like any other message, and returns what comes back, whatever the
    /// status is.
    ///
    /// For messages that this crate has no words for. It is never sent twice once it may have arrived.
    ///
    /// # Errors
    /// [`Error`] if no answer came, or the service does not accept who asks.
    pub async fn post(&self, envelope: &str) -> Result<Posted, Error> {
        self.require_protection()?;
        let message = self.0.encoding.encode(envelope.to_owned());
        let cookie = self.0.affinity.cookie();
        let headers: Vec<_> = cookie.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
        let request = self.request(&message, &headers);
        let response = self.send(&request, Repeat::Harmful, &self.patience()).await?;
        let connection::Response { head, content_type, body, .. } = response;
        Ok(Posted { status: head.status(), body, content_type })
    }
}
