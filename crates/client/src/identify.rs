//! Who is there (DSP0226 11).

use wsman::identify::{Identity, write_request};
use wsman::{Head, Response};

use crate::Session;
use crate::error::Error;
use crate::session::Repeat;

/// What a service says of itself.
#[derive(Debug)]
pub struct Identified {
    /// Its words, read.
    pub identity: Identity,
    /// The whole answer.
    pub answer: Response,
}

impl Session {
    /// Asks the service who it is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn identify(&self) -> Result<Identified, Error> {
        let patience = self.patience();
        let answer = self.exchange(&Head::identify(), Repeat::Harmless, &patience, write_request).await?;
        self.identified(answer)
    }

    /// Asks the service who it is without saying who asks.
    ///
    /// Nothing worth protecting is sent, so that this is never refused over HTTP.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn identify_anonymous(&self) -> Result<Identified, Error> {
        // MS-WSMV 3.1.4.17: with this header no credentials are asked for.
        let headers = [("WSMANIDENTIFY", "unauthenticated")];
        let answer = self.exchange_anonymously(&Head::identify(), &headers, write_request).await?;
        self.identified(answer)
    }

    fn identified(&self, answer: Response) -> Result<Identified, Error> {
        let Some(content) = answer.content_named("IdentifyResponse") else {
            return Err(self.lacking("an IdentifyResponse", &answer));
        };
        Ok(Identified { identity: Identity::parse(content), answer })
    }
}
