//! The client's end.

use std::mem;
use std::net::Ipv4Addr;
use std::sync::Arc;

use auth::credssp::{Nonce, PasswordCredentials, Version};
use auth::{AuthError, Initiated, Step, credssp};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tracing::debug;
use zeroize::Zeroizing;

use crate::certificate::{AnyCertificate, provider, public_key};
use crate::context::Context;
use crate::tls::Tls;
use crate::{AFTER_THE_END, CredSspError, MOST_OCTETS, MOST_TOKENS, TOO_LONG};

/// Hands credentials over to one service over one connection of HTTP.
///
/// It takes any certificate, and hands over nothing before the service has proven, with what only it and whoever
/// knows the password can know, that it sees that very certificate as its own.
pub struct Initiator {
    stage: Stage,
    tokens: u8,
}

enum Stage {
    Handshaking(Tls, Opening),
    Talking(Tls, credssp::Initiator),
    Over,
}

/// What there is to say once the connection stands.
struct Opening {
    inner: Box<dyn auth::Initiator>,
    credentials: PasswordCredentials,
    nonce: Zeroizing<[u8; 32]>,
    minimum: Version,
}

impl Initiator {
    /// `inner` proves who we are, such as [`spnego::Initiator`](auth::spnego::Initiator); no version below `minimum`
    /// is spoken.
    ///
    /// # Errors
    /// [`CredSspError::Tls`].
    pub fn new(
        inner: Box<dyn auth::Initiator>,
        credentials: PasswordCredentials,
        minimum: Version,
    ) -> Result<Self, CredSspError> {
        let provider = provider();
        let mut nonce = Zeroizing::new([0; 32]);
        provider.secure_random.fill(&mut *nonce).map_err(rustls::Error::from)?;
        let verifier = AnyCertificate(provider.signature_verification_algorithms);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        // It is neither sent nor compared.
        let name = ServerName::from(Ipv4Addr::UNSPECIFIED);
        let tls = Tls::new(ClientConnection::new(Arc::new(config), name)?);
        let opening = Opening { inner, credentials, nonce, minimum };
        Ok(Self { stage: Stage::Handshaking(tls, opening), tokens: 0 })
    }

    fn shake_hands(
        &mut self,
        mut tls: Tls,
        opening: Opening,
        token: &[u8],
    ) -> Result<Step<Initiated>, AuthError> {
        if !tls.receive(token).map_err(broken)?.is_empty() {
            return Err(AuthError::Malformed("the service speaks first"));
        }
        let answer = tls.pending().map_err(broken)?;
        if !answer.is_empty() {
            self.stage = Stage::Handshaking(tls, opening);
            return Ok(Step::Continue(answer));
        }
        if tls.is_handshaking() {
            return Err(AuthError::Malformed("the TLS inside it does not go on"));
        }
        let certificate = tls.peer_certificate().ok_or(NO_CERTIFICATE)?;
        let key = public_key(certificate).map_err(|_| NO_CERTIFICATE)?;
        let Opening { inner, credentials, nonce, minimum } = opening;
        let mut talk = credssp::Initiator::new(inner, key, credentials, Nonce::new(*nonce), minimum);
        match talk.step(None)? {
            Step::Continue(request) => {
                let token = tls.send(&request).map_err(broken)?;
                self.stage = Stage::Talking(tls, talk);
                Ok(Step::Continue(token))
            }
            Step::Done { .. } => Err(AFTER_THE_END),
        }
    }

    fn talk(
        &mut self,
        mut tls: Tls,
        mut talk: credssp::Initiator,
        token: &[u8],
    ) -> Result<Step<Initiated>, AuthError> {
        let request = tls.receive(token).map_err(broken)?;
        match talk.step(Some(&request))? {
            Step::Continue(request) => {
                let token = tls.send(&request).map_err(broken)?;
                self.stage = Stage::Talking(tls, talk);
                Ok(Step::Continue(token))
            }
            Step::Done { token, outcome: mutual } => {
                let token = token.map(|token| tls.send(&token)).transpose().map_err(broken)?;
                Ok(Step::Done { token, outcome: Initiated { context: Box::new(Context::new(tls)), mutual } })
            }
        }
    }
}

impl auth::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        self.tokens = self.tokens.saturating_add(1);
        if self.tokens > MOST_TOKENS || token.is_some_and(|token| token.len() > MOST_OCTETS) {
            self.stage = Stage::Over;
            return Err(TOO_LONG);
        }
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Handshaking(tls, opening) => self.shake_hands(tls, opening, token.unwrap_or_default()),
            Stage::Talking(tls, talk) => self.talk(tls, talk, token.unwrap_or_default()),
            Stage::Over => Err(AFTER_THE_END),
        }
    }
}

fn broken(error: rustls::Error) -> AuthError {
    debug!(%error, "TLS inside CredSSP failed");
    AuthError::Malformed("the TLS inside it fails")
}

const NO_CERTIFICATE: AuthError = AuthError::Malformed("a service without a certificate");
