//! Service side of CredSSP.

use auth::credssp::{Delegation, PasswordCredentials, Version};
use auth::{Accepted, AuthError, DirectorySids, Oid, Step, credssp};
use rustls::ServerConnection;

use crate::context::Context;
use crate::tls::{Tls, tls_error};
use crate::{AFTER_END, CredSspError, MAX_TOKEN, MAX_TOKENS, ServiceCertificate, TOO_LONG};

/// Receives the credentials of one client over one HTTP connection.
pub struct Acceptor {
    /// `None` after completion or failure.
    tls: Option<Tls>,
    inner: credssp::Acceptor,
    tokens: u8,
    refusal: Option<Vec<u8>>,
    credentials: Option<PasswordCredentials>,
}

impl Acceptor {
    /// Creates an acceptor. `inner` authenticates the client with SPNEGO or a mechanism without it, such as
    /// [`negotiate::Acceptor`](auth::negotiate::Acceptor). Versions below `minimum` are rejected.
    ///
    /// # Errors
    /// [`CredSspError::Tls`] if TLS cannot be configured.
    pub fn new(
        certificate: &ServiceCertificate,
        inner: Box<dyn auth::Acceptor>,
        minimum: Version,
    ) -> Result<Self, CredSspError> {
        let tls = Tls::new(ServerConnection::new(certificate.config.clone())?);
        let inner = credssp::Acceptor::new(inner, certificate.key.clone(), minimum);
        Ok(Self { tls: Some(tls), inner, tokens: 0, refusal: None, credentials: None })
    }

    /// Returns the client's credentials once after a successful authentication. They are those of the authenticated
    /// account.
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
        let mut tls = self.tls.take().ok_or(AFTER_END)?;
        self.tokens = self.tokens.saturating_add(1);
        if self.tokens > MAX_TOKENS || token.len() > MAX_TOKEN {
            return Err(TOO_LONG);
        }
        let was_handshaking = tls.is_handshaking();
        let request = tls.receive(token).map_err(tls_error)?;
        if request.is_empty() {
            if !was_handshaking {
                return Err(AuthError::Malformed("empty token"));
            }
            let answer = tls.pending().map_err(tls_error)?;
            if answer.is_empty() && tls.is_handshaking() {
                return Err(AuthError::Malformed("incomplete TLS message"));
            }
            self.tls = Some(tls);
            return Ok(Step::Continue(answer));
        }
        match self.inner.step(&request) {
            Err(error) => Err(self.refused(tls, error)),
            Ok(Step::Continue(reply)) => {
                let reply = tls.send(&reply).map_err(tls_error)?;
                self.tls = Some(tls);
                Ok(Step::Continue(reply))
            }
            Ok(Step::Done { token, outcome: Delegation { account, credentials } }) => {
                self.credentials = Some(credentials);
                let token = token.map(|token| tls.send(&token)).transpose().map_err(tls_error)?;
                let context = Box::new(Context::new(tls));
                Ok(Step::Done {
                    token,
                    outcome: Accepted { account, context, directory: DirectorySids::default() },
                })
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
