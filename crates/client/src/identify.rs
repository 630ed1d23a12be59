//! Identify operation (DSP0226 11).

use wsman::identify::{Identity, write_request};
use wsman::{Head, Response};

use crate::Session;
use crate::error::Error;
use crate::session::Retry;

/// Response to Identify.
#[derive(Debug)]
pub struct IdentifyResponse {
    /// Protocol version, vendor and product of the service.
    pub identity: Identity,
    /// The complete response.
    pub answer: Response,
}

impl Session {
    /// Sends Identify with the session's credentials.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn identify(&self) -> Result<IdentifyResponse, Error> {
        let timeouts = self.timeouts();
        let answer = self.exchange(&Head::identify(), Retry::Safe, &timeouts, write_request).await?;
        self.identified(answer)
    }

    /// Sends Identify without credentials.
    ///
    /// Allowed over HTTP for every session, because nothing confidential is sent.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn identify_anonymous(&self) -> Result<IdentifyResponse, Error> {
        // With this header the service requires no authentication (MS-WSMV 3.1.4.17).
        let headers = [("WSMANIDENTIFY", "unauthenticated")];
        let answer = self.exchange_anonymously(&Head::identify(), &headers, write_request).await?;
        self.identified(answer)
    }

    fn identified(&self, answer: Response) -> Result<IdentifyResponse, Error> {
        let Some(content) = answer.content_named("IdentifyResponse") else {
            return Err(self.missing("an IdentifyResponse", &answer));
        };
        Ok(IdentifyResponse { identity: Identity::parse(content), answer })
    }
}
