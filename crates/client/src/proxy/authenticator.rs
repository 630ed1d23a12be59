//! Who asks, as a proxy is told it on one connection.

use auth::{Initiator, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::ResponseHead;
use zeroize::Zeroizing;

use super::{Proxy, ProxyAuthentication, ProxyError};
use crate::authentication::{Answers, Asked, Asker, Tokens, offered, token};
use crate::error::{Error, SignInCause};
use crate::patience::Patience;

/// The way past a proxy, on one connection to it.
pub(crate) struct Gate {
    proxy: Proxy,
    standing: Standing,
}

enum Standing {
    Anonymous,
    Basic(Zeroizing<String>),
    Digest(Box<Answers>),
    Negotiate(Box<Negotiating>),
}

/// A sign-in that belongs to the connection.
struct Negotiating {
    tokens: Tokens,
    /// None once nothing more is to be said.
    initiator: Option<Box<dyn Initiator>>,
    turn: Turn,
}

/// Whose turn it is.
enum Turn {
    /// Ours, with the first token.
    First,
    /// Ours, with an answer to this.
    Next(Vec<u8>),
    /// The proxy's. If it passes the request on instead of asking, it is content.
    Theirs,
}

impl Gate {
    /// Nothing is sent yet.
    pub(crate) fn new(proxy: &Proxy) -> Result<Self, Error> {
        let setting = |reason: String| Error::Setting { setting: "proxy", reason };
        let standing = match &proxy.authentication {
            ProxyAuthentication::None => Standing::Anonymous,
            ProxyAuthentication::Basic(credentials) if credentials.user.contains(':') => {
                return Err(setting("the name for Basic contains a colon".to_owned()));
            }
            ProxyAuthentication::Basic(credentials) => {
                Standing::Basic(auth::basic::authorization(&credentials.user, &credentials.password))
            }
            ProxyAuthentication::Digest(credentials) => {
                let answers = Answers::new(credentials).map_err(|error| setting(error.to_string()))?;
                Standing::Digest(Box::new(answers))
            }
            ProxyAuthentication::Negotiate(credentials) => {
                let tokens = Tokens::for_proxy(credentials.clone())?;
                let initiator = Some(tokens.begin(&proxy.endpoint, None)?.initiator);
                Standing::Negotiate(Box::new(Negotiating { tokens, initiator, turn: Turn::First }))
            }
        };
        Ok(Self { proxy: proxy.clone(), standing })
    }

    /// The value of `Proxy-Authorization` for the next request, if it needs one.
    pub(crate) async fn authorization(
        &mut self,
        method: &str,
        target: &str,
        patience: &Patience,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        match &mut self.standing {
            Standing::Anonymous => Ok(None),
            Standing::Basic(value) => Ok(Some(value.clone())),
            Standing::Digest(answers) => Ok(answers.next(method, target)),
            Standing::Negotiate(negotiating) => negotiating.next(&self.proxy, patience).await,
        }
    }

    /// What a 407 asks for: `Ok` that the request is to be sent again.
    pub(crate) fn challenged(&mut self, head: &ResponseHead) -> Result<(), Error> {
        let again = match &mut self.standing {
            Standing::Anonymous | Standing::Basic(_) => false,
            Standing::Digest(answers) => answers.asked(head, Asker::Proxy) == Asked::Again,
            Standing::Negotiate(negotiating) => negotiating.challenged(head),
        };
        if again {
            return Ok(());
        }
        let reason = ProxyError::Refused { offered: offered(head, Asker::Proxy), tried: self.tried() };
        Err(self.failed(reason))
    }

    /// Whether another connection may go on with it.
    pub(super) fn outlives_connection(&self) -> bool {
        !matches!(self.standing, Standing::Negotiate(_))
    }

    /// An error of this proxy.
    pub(crate) fn failed(&self, reason: ProxyError) -> Error {
        Error::Proxy { proxy: self.proxy.place(), reason }
    }

    fn tried(&self) -> Option<&'static str> {
        match self.standing {
            Standing::Anonymous => None,
            Standing::Basic(_) => Some("Basic"),
            Standing::Digest(_) => Some("Digest"),
            Standing::Negotiate(_) => Some("Negotiate"),
        }
    }
}

impl Negotiating {
    async fn next(&mut self, proxy: &Proxy, patience: &Patience) -> Result<Option<Zeroizing<String>>, Error> {
        let received = match std::mem::replace(&mut self.turn, Turn::Theirs) {
            Turn::First => None,
            Turn::Next(token) => Some(token),
            Turn::Theirs => return Ok(None),
        };
        let Some(mut initiator) = self.initiator.take() else { return Ok(None) };
        // Kerberos may have to ask a KDC, and files.
        let stepping = tokio::task::spawn_blocking(move || {
            let step = initiator.step(received.as_deref());
            (initiator, step)
        });
        let (initiator, step) = patience
            .for_bytes(stepping)
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

    /// Whether the sign-in goes on.
    fn challenged(&mut self, head: &ResponseHead) -> bool {
        match token(head, self.tokens.scheme, Asker::Proxy) {
            Some(token) if self.initiator.is_some() => {
                self.turn = Turn::Next(token);
                true
            }
            _ => false,
        }
    }
}
