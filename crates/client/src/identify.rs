//! Who is there (DSP0226 11).

use wsman::identify::{Identity, write_request};
use wsman::{Head, Response};

use crate::Session;
use crate::error::Error;
use crate::session::Repeat;

impl Session {
    /// Asks the service who it is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn identify(&self) -> Result<Identity, Error> {
        let answer = self.identify_answer().await?;
        self.identity(&answer)
    }

    /// Asks the service who it is, and returns the whole answer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn identify_answer(&self) -> Result<Response, Error> {
        let patience = self.patience();
        self.exchange(&Head::identify(), Repeat::Harmless, &patience, write_request).await
    }

    /// Asks the service who it is without saying who asks, and returns the whole answer.
    ///
    /// Nothing worth protecting is sent, so that this is never refused over HTTP.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn identify_anonymous(&self) -> Result<Response, Error> {
        // MS-WSMV 3.1.4.17: with this header no credentials are asked for.
        let headers = [("WSMANIDENTIFY", "unauthenticated")];
        self.exchange_anonymously(&Head::identify(), &headers, write_request).await
    }
}
