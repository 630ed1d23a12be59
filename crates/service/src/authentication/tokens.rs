//! Negotiate, Kerberos and CredSSP: tokens go to and fro until the connection is somebody's (RFC 4559).

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{AuthError, Handshake, Peer, Scheme, SecurityContext, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::Config;

use super::verdict::Verdict;
use super::{Admission, Authentication, Standing};
use crate::audit;
use crate::service::Service;

/// Tokens go to and fro.
pub(super) struct UnderWay {
    handshake: Handshake,
    until: Instant,
}

/// A connection that is somebody's.
pub(crate) struct Established {
    verdict: Verdict,
    scheme: Scheme,
    context: Box<dyn SecurityContext>,
}

impl Established {
    /// Whose it is.
    pub(super) fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    /// The scheme it was established with, which decides how sealed messages are called.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What seals and opens messages.
    pub(crate) fn context(&mut self) -> &mut dyn SecurityContext {
        self.context.as_mut()
    }
}

impl Authentication {
    /// Takes a token; `None` when it leads nowhere.
    pub(super) async fn by_tokens(
        &mut self,
        scheme: Scheme,
        encoded: &str,
        config: &Config,
        service: &Arc<Service>,
    ) -> Option<Admission> {
        // Whatever the connection was, it is no longer while a new proof is asked for.
        let before = std::mem::replace(&mut self.standing, Standing::Nobody);
        let token = decode(encoded)
            .inspect_err(|error| audit::not_signed_in(self.address, "", scheme, None, *error))
            .ok()?;
        let going_on = match before {
            Standing::UnderWay(UnderWay { handshake, until }) if handshake.scheme() == scheme => {
                if until <= Instant::now() {
                    tracing::debug!(peer = %self.address, %scheme, "Sign-in took too long");
                    return None;
                }
                Some((handshake, until))
            }
            _ => None,
        };
        let (authenticator, address) = (Arc::clone(&service.authenticator), self.address);
        let binding = self.binding(config);
        // A mechanism may ask files, other processes and other machines.
        let stepping = move || {
            let (mut handshake, until) = match going_on {
                Some(going_on) => going_on,
                None => {
                    let peer = Peer { address, binding };
                    let handshake = Handshake::begin(scheme, authenticator.as_ref(), &peer)?;
                    (handshake, Instant::now() + LONGEST)
                }
            };
            let step = handshake.step(&token);
            Ok((UnderWay { handshake, until }, step))
        };
        let stepped = tokio::task::spawn_blocking(stepping).await.unwrap_or(Err(AuthError::Unavailable));
        let refused = |handshake: Option<&Handshake>, error: &AuthError| {
            let claimed = handshake.and_then(Handshake::claimed).unwrap_or_default();
            let mechanism = handshake.and_then(Handshake::mechanism);
            audit::not_signed_in(address, &claimed, scheme, mechanism.as_ref(), *error);
        };
        let (mut under_way, step) = stepped.inspect_err(|error| refused(None, error)).ok()?;
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                refused(Some(&under_way.handshake), &error);
                // It ends here all the same: what the client sends next begins anew.
                let refusal = under_way.handshake.refusal()?;
                return Some(Admission::Continue(header(scheme, &refusal)));
            }
        };
        match step {
            Step::Continue(token) => {
                self.standing = Standing::UnderWay(under_way);
                Some(Admission::Continue(header(scheme, &token)))
            }
            Step::Done { token, outcome } => {
                let caller = self.caller(outcome.identity, service)?;
                let context = outcome.context;
                let verdict = Verdict::new(Arc::clone(&caller), service);
                self.standing = Standing::Established(Established { verdict, scheme, context });
                Some(Admission::Caller(caller, token.map(|token| header(scheme, &token))))
            }
        }
    }
}

/// Reads a token of a header.
fn decode(encoded: &str) -> Result<Vec<u8>, AuthError> {
    let encoded = encoded.trim();
    if encoded.len() > MOST_ENCODED {
        return Err(AuthError::Malformed("it is longer than a token may be"));
    }
    let token = STANDARD.decode(encoded).map_err(|_| AuthError::Malformed("it is not Base64"))?;
    if token.is_empty() { Err(AuthError::Malformed("there is none")) } else { Ok(token) }
}

/// The value of `WWW-Authenticate` that carries a token.
fn header(scheme: Scheme, token: &[u8]) -> String {
    format!("{} {}", scheme.name(), STANDARD.encode(token))
}

/// How long the whole exchange of tokens may take.
const LONGEST: Duration = Duration::from_secs(30);
/// A Kerberos ticket with the groups of a large domain has 48 KB.
const MOST_ENCODED: usize = 88 * 1_024;
