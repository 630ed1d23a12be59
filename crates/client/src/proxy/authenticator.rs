//! Authentication to a proxy on one connection.

use auth::{Initiator, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::ResponseHead;
use zeroize::Zeroizing;

use super::{Proxy, ProxyAuthentication, ProxyError};
use crate::authentication::{ChallengeOutcome, Challenger, DigestState, Tokens, offered, token};
use crate::error::{Error, SignInCause};
use crate::timeouts::Timeouts;

/// Authentication state for a proxy, on one connection.
pub(crate) struct ProxyAuthenticator {
    proxy: Proxy,
    state: State,
}

enum State {
    Anonymous,
    Basic(Zeroizing<String>),
    Digest(Box<DigestState>),
    Negotiate(Box<NegotiateState>),
}

/// Token exchange, which authenticates the connection.
struct NegotiateState {
    tokens: Tokens,
    /// `None` once the exchange is complete.
    initiator: Option<Box<dyn Initiator>>,
    turn: Turn,
}

/// Next step of the token exchange.
enum Turn {
    /// Send the first token.
    First,
    /// Send a response to this token.
    Next(Vec<u8>),
    /// Wait for the proxy. If it forwards the request instead of sending a challenge, it accepted the credentials.
    Proxy,
}

impl ProxyAuthenticator {
    /// Creates the initial state; sends nothing.
    pub(crate) fn new(proxy: &Proxy) -> Result<Self, Error> {
        let setting = |reason: String| Error::Setting { setting: "proxy", reason };
        let state = match &proxy.authentication {
            ProxyAuthentication::None => State::Anonymous,
            ProxyAuthentication::Basic(credentials) if credentials.user.contains(':') => {
                return Err(setting("the user name for Basic contains a colon".to_owned()));
            }
            ProxyAuthentication::Basic(credentials) => {
                State::Basic(auth::basic::authorization(&credentials.user, &credentials.password))
            }
            ProxyAuthentication::Digest(credentials) => {
                let answers = DigestState::new(credentials).map_err(|error| setting(error.to_string()))?;
                State::Digest(Box::new(answers))
            }
            ProxyAuthentication::Negotiate(credentials) => {
                let tokens = Tokens::for_proxy(credentials.clone())?;
                let initiator = Some(tokens.start(&proxy.endpoint, None)?.initiator);
                State::Negotiate(Box::new(NegotiateState { tokens, initiator, turn: Turn::First }))
            }
        };
        Ok(Self { proxy: proxy.clone(), state })
    }

    /// Returns the value of `Proxy-Authorization` for the next request, if one is needed.
    pub(crate) async fn authorization(
        &mut self,
        method: &str,
        target: &str,
        timeouts: &Timeouts,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        match &mut self.state {
            State::Anonymous => Ok(None),
            State::Basic(value) => Ok(Some(value.clone())),
            State::Digest(answers) => Ok(answers.next(method, target)),
            State::Negotiate(negotiate) => negotiate.next(&self.proxy, timeouts).await,
        }
    }

    /// Processes a 407 response; returns `Ok` if the request is to be repeated.
    pub(crate) fn accept_challenge(&mut self, head: &ResponseHead) -> Result<(), Error> {
        let retry = match &mut self.state {
            State::Anonymous | State::Basic(_) => false,
            State::Digest(digest) => {
                digest.accept_challenge(head, Challenger::Proxy) == ChallengeOutcome::Retry
            }
            State::Negotiate(exchange) => exchange.accept_challenge(head),
        };
        if retry {
            return Ok(());
        }
        let reason = ProxyError::Refused { offered: offered(head, Challenger::Proxy), tried: self.tried() };
        Err(self.failed(reason))
    }

    /// Returns whether the state can be used on another connection.
    pub(super) fn is_transferable(&self) -> bool {
        !matches!(self.state, State::Negotiate(_))
    }

    /// Returns an error of this proxy.
    pub(crate) fn failed(&self, reason: ProxyError) -> Error {
        Error::Proxy { proxy: self.proxy.address(), reason }
    }

    fn tried(&self) -> Option<&'static str> {
        match self.state {
            State::Anonymous => None,
            State::Basic(_) => Some("Basic"),
            State::Digest(_) => Some("Digest"),
            State::Negotiate(_) => Some("Negotiate"),
        }
    }
}

impl NegotiateState {
    async fn next(&mut self, proxy: &Proxy, timeouts: &Timeouts) -> Result<Option<Zeroizing<String>>, Error> {
        let received = match std::mem::replace(&mut self.turn, Turn::Proxy) {
            Turn::First => None,
            Turn::Next(token) => Some(token),
            Turn::Proxy => return Ok(None),
        };
        let Some(mut initiator) = self.initiator.take() else { return Ok(None) };
        // Kerberos may wait for a KDC and read files.
        let stepping = tokio::task::spawn_blocking(move || {
            let step = initiator.step(received.as_deref());
            (initiator, step)
        });
        let (initiator, step) = timeouts
            .within_idle(stepping)
            .await?
            .map_err(|error| self.tokens.failed(proxy.endpoint(), SignInCause::Other, &error))?;
        let step = step.map_err(|error| self.tokens.step_failed(proxy.endpoint(), &error, None))?;
        let token = match step {
            Step::Continue(token) => {
                self.initiator = Some(initiator);
                Some(token)
            }
            Step::Done { token, .. } => token,
        };
        Ok(token.map(|token| Zeroizing::new(format!("Negotiate {}", STANDARD.encode(token)))))
    }

    /// Stores the token of a challenge; returns whether the exchange continues.
    fn accept_challenge(&mut self, head: &ResponseHead) -> bool {
        match token(head, self.tokens.scheme, Challenger::Proxy) {
            Some(token) if self.initiator.is_some() => {
                self.turn = Turn::Next(token);
                true
            }
            _ => false,
        }
    }
}
