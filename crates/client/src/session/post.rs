//! Sends messages that the caller has written, and returns the responses unparsed.

use super::{Retry, Session};
use crate::connection;
use crate::error::Error;

/// Unparsed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// HTTP status.
    pub status: u16,
    /// Decrypted body, in the encoding that [`Self::content_type`] names.
    pub body: Vec<u8>,
    /// Value of `Content-Type`.
    pub content_type: Option<String>,
}

impl Session {
    /// Sends a complete envelope, authenticated and encrypted like any other message, and returns the response with
    /// any status.
    ///
    /// For messages that this crate does not support. It is never repeated if the service may have received it.
    ///
    /// # Errors
    /// [`Error`] if no response arrives or the service rejects the credentials.
    pub async fn post(&self, envelope: &str) -> Result<RawResponse, Error> {
        self.post_encoded(&self.0.encoding.encode(envelope.to_owned()), &[]).await
    }

    /// Sends a body that the caller has encoded and perhaps compressed, with additional HTTP headers, as
    /// [`Self::post`] does. `Content-Type` names the encoding of the session.
    ///
    /// # Errors
    /// As for [`Self::post`].
    pub async fn post_encoded(&self, body: &[u8], headers: &[(&str, &str)]) -> Result<RawResponse, Error> {
        self.require_protection()?;
        let cookie = self.0.affinity.cookie();
        let mut all: Vec<_> = cookie.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
        all.extend_from_slice(headers);
        let request = self.request(body, &all);
        let response = self.send(&request, Retry::Unsafe, &self.timeouts()).await?;
        let connection::Response { head, content_type, body, .. } = response;
        Ok(RawResponse { status: head.status(), body, content_type })
    }
}
