//! The service's end.

use auth::credssp::{Delegation, PasswordCredentials, Version};
use auth::{Accepted, AuthError, Oid, Step, credssp};
use rustls::ServerConnection;
use tracing::debug;

use crate::context::Context;
use crate::tls::Tls;
use crate::{AFTER_THE_END, CredSspError, MOST_OCTETS, MOST_TOKENS, ServiceCertificate, TOO_LONG};

/// Takes one client's credentials over one connection of HTTP.
pub struct Acceptor {
    /// Nothing after the end, be it good or bad.
    tls: Option<Tls>,
    inner: credssp::Acceptor,
    tokens: u8,
    refusal: Option<Vec<u8>>,
    credentials: Option<PasswordCredentials>,
}

impl Acceptor {
    /// `inner` proves who the client is; it speaks SPNEGO, or what comes without it, such as
    /// [`negotiate::Acceptor`](auth::negotiate::Acceptor). No version below `minimum` is spoken.
    ///
    /// # Errors
    /// [`CredSspError::Tls`].
    pub fn new(
        certificate: &ServiceCertificate,
        inner: Box<dyn auth::Acceptor>,
        minimum: Version,
    ) -> Result<Self, CredSspError> {
        let tls = Tls::new(ServerConnection::new(certificate.config.clone())?);
        let inner = credssp::Acceptor::new(inner, certificate.key.clone(), minimum);
        Ok(Self { tls: Some(tls), inner, tokens: 0, refusal: None, credentials: None })
    }

    /// What the client handed over, once it is let in, and once only. They name the account that it was let in as.
    #[must_use]
    pub fn take_credentials(&mut self) -> Option<PasswordCredentials> {
        self.credentials.take()
    }

    fn refused(&mut self, mut tls: Tls, error: AuthError) -> AuthError {
        self.refusal = self.inner.refusal().and_then(|refusal| tls.send(&refusal).ok());
        error
    }
}

impl auth::Acceptor for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let mut tls = self.tls.take().ok_or(AFTER_THE_END)?;
        self.tokens = self.tokens.saturating_add(1);
        if self.tokens > MOST_TOKENS || token.len() > MOST_OCTETS {
            return Err(TOO_LONG);
        }
        let was_handshaking = tls.is_handshaking();
        let request = tls.receive(token).map_err(broken)?;
        if request.is_empty() {
            if !was_handshaking {
                return Err(AuthError::Malformed("there is nothing in it"));
            }
            let answer = tls.pending().map_err(broken)?;
            if answer.is_empty() && tls.is_handshaking() {
                return Err(AuthError::Malformed("half a message of TLS"));
            }
            self.tls = Some(tls);
            return Ok(Step::Continue(answer));
        }
        match self.inner.step(&request) {
            Err(error) => Err(self.refused(tls, error)),
            Ok(Step::Continue(reply)) => {
                let reply = tls.send(&reply).map_err(broken)?;
                self.tls = Some(tls);
                Ok(Step::Continue(reply))
            }
            Ok(Step::Done { token, outcome: Delegation { account, credentials } }) => {
                self.credentials = Some(credentials);
                let token = token.map(|token| tls.send(&token)).transpose().map_err(broken)?;
                let context = Box::new(Context::new(tls));
                Ok(Step::Done { token, outcome: Accepted { account, context } })
            }
        }
    }

    fn refusal(&mut self) -> Option<Vec<u8>> {
        self.refusal.take()
    }

    fn mechanism(&self) -> Option<Oid> {
        self.inner.mechanism()
    }

    fn claimed(&self) -> Option<String> {
        self.inner.claimed()
    }
}

fn broken(error: rustls::Error) -> AuthError {
    debug!(%error, "TLS inside CredSSP failed");
    AuthError::Malformed("the TLS inside it fails")
}
