//! Client side of CredSSP.

use std::mem;
use std::net::Ipv4Addr;
use std::sync::Arc;

use auth::credssp::{Nonce, PasswordCredentials, Version};
use auth::{AuthError, Initiated, Step, credssp};
use rustls::ClientConnection;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use crate::certificate::{AnyCertificate, public_key};
use crate::context::Context;
use crate::tls::{Tls, tls_error};
use crate::{AFTER_END, CredSspError, MAX_TOKEN, MAX_TOKENS, TOO_LONG};

/// Delegates credentials to one service over one HTTP connection.
///
/// Any certificate is accepted. The credentials are sent only after the service has proven that it sees the same
/// certificate as its own; the proof is protected by the inner authentication, so a man in the middle cannot create it.
pub struct Initiator {
    stage: Stage,
    tokens: u8,
}

enum Stage {
    Handshaking(Tls, ExchangeParameters),
    Exchanging(Tls, credssp::Initiator),
    Over,
}

/// Parameters of the exchange inside TLS.
struct ExchangeParameters {
    inner: Box<dyn auth::Initiator>,
    credentials: PasswordCredentials,
    nonce: Zeroizing<[u8; 32]>,
    minimum: Version,
}

impl Initiator {
    /// Creates an initiator. `inner` authenticates the user, for example
    /// [`spnego::Initiator`](auth::spnego::Initiator). Versions below `minimum` are rejected.
    ///
    /// # Errors
    /// [`CredSspError::Tls`] if TLS cannot be configured.
    pub fn new(
        inner: Box<dyn auth::Initiator>,
        credentials: PasswordCredentials,
        minimum: Version,
    ) -> Result<Self, CredSspError> {
        let mut nonce = Zeroizing::new([0; 32]);
        tls::provider().secure_random.fill(&mut *nonce).map_err(rustls::Error::from)?;
        let mut config = tls::client(AnyCertificate)?.with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        // The name is neither sent nor compared.
        let name = ServerName::from(Ipv4Addr::UNSPECIFIED);
        let tls = Tls::new(ClientConnection::new(Arc::new(config), name)?);
        let parameters = ExchangeParameters { inner, credentials, nonce, minimum };
        Ok(Self { stage: Stage::Handshaking(tls, parameters), tokens: 0 })
    }

    fn continue_handshake(
        &mut self,
        mut tls: Tls,
        parameters: ExchangeParameters,
        token: &[u8],
    ) -> Result<Step<Initiated>, AuthError> {
        if !tls.receive(token).map_err(tls_error)?.is_empty() {
            return Err(AuthError::Malformed("unexpected data before the first request"));
        }
        let answer = tls.pending().map_err(tls_error)?;
        if !answer.is_empty() {
            self.stage = Stage::Handshaking(tls, parameters);
            return Ok(Step::Continue(answer));
        }
        if tls.is_handshaking() {
            return Err(AuthError::Malformed("TLS handshake inside CredSSP does not proceed"));
        }
        let certificate = tls.peer_certificate().ok_or(NO_CERTIFICATE)?;
        let key = public_key(certificate).map_err(|_| NO_CERTIFICATE)?;
        let ExchangeParameters { inner, credentials, nonce, minimum } = parameters;
        let mut exchange = credssp::Initiator::new(inner, key, credentials, Nonce::new(*nonce), minimum);
        match exchange.step(None)? {
            Step::Continue(request) => {
                let token = tls.send(&request).map_err(tls_error)?;
                self.stage = Stage::Exchanging(tls, exchange);
                Ok(Step::Continue(token))
            }
            Step::Done { .. } => Err(AFTER_END),
        }
    }

    fn exchange(
        &mut self,
        mut tls: Tls,
        mut exchange: credssp::Initiator,
        token: &[u8],
    ) -> Result<Step<Initiated>, AuthError> {
        let request = tls.receive(token).map_err(tls_error)?;
        match exchange.step(Some(&request))? {
            Step::Continue(request) => {
                let token = tls.send(&request).map_err(tls_error)?;
                self.stage = Stage::Exchanging(tls, exchange);
                Ok(Step::Continue(token))
            }
            Step::Done { token, outcome: mutual } => {
                let token = token.map(|token| tls.send(&token)).transpose().map_err(tls_error)?;
                Ok(Step::Done { token, outcome: Initiated { context: Box::new(Context::new(tls)), mutual } })
            }
        }
    }
}

impl auth::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        self.tokens = self.tokens.saturating_add(1);
        if self.tokens > MAX_TOKENS || token.is_some_and(|token| token.len() > MAX_TOKEN) {
            self.stage = Stage::Over;
            return Err(TOO_LONG);
        }
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Handshaking(tls, parameters) => {
                self.continue_handshake(tls, parameters, token.unwrap_or_default())
            }
            Stage::Exchanging(tls, exchange) => self.exchange(tls, exchange, token.unwrap_or_default()),
            Stage::Over => Err(AFTER_END),
        }
    }
}

const NO_CERTIFICATE: AuthError = AuthError::Malformed("service without a usable certificate");
