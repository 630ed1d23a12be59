//! Negotiate, Kerberos and CredSSP: a token exchange that authenticates the connection (RFC 4559).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{AuthError, Handshake, Peer, Scheme, SecurityContext, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::Config;

use super::cached_caller::CachedCaller;
use super::{Admission, Authentication, ConnectionState, FailedClient, SignIn};

/// A token exchange in progress.
pub(super) struct PendingHandshake {
    handshake: Handshake,
    deadline: Instant,
}

/// Authentication of a connection by a completed token exchange.
pub(crate) struct Established {
    cached: CachedCaller,
    scheme: Scheme,
    context: Box<dyn SecurityContext>,
}

impl Established {
    /// Returns the caller that owns the connection.
    pub(super) fn cached(&mut self) -> &mut CachedCaller {
        &mut self.cached
    }

    /// Returns the authentication scheme, which determines the media type of sealed messages.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the security context that seals and unseals messages.
    pub(crate) fn context(&mut self) -> &mut dyn SecurityContext {
        self.context.as_mut()
    }
}

impl Authentication {
    /// Processes a token. Returns `None` if the handshake failed without a token for the client.
    pub(super) async fn by_tokens(
        &mut self,
        scheme: Scheme,
        encoded: &str,
        config: &Config,
        sign_in: &SignIn,
    ) -> Option<Admission> {
        // The previous authentication of the connection ends as soon as a new handshake starts.
        let before = std::mem::replace(&mut self.state, ConnectionState::Anonymous);
        let unnamed = FailedClient { address: self.address, account: "", scheme, mechanism: None };
        let token = decode(encoded).inspect_err(|error| sign_in.record_failure(&unnamed, *error)).ok()?;
        let pending = match before {
            ConnectionState::Handshake(pending) if pending.handshake.scheme() == scheme => {
                if pending.deadline <= Instant::now() {
                    tracing::debug!(peer = %self.address, %scheme, "Authentication handshake timed out");
                    return None;
                }
                Some(pending)
            }
            _ => None,
        };
        let (authenticator, address) = (Arc::clone(&sign_in.authenticator), self.address);
        let binding = self.binding(config);
        // Mechanisms may read files and ask other processes and machines.
        let stepped = tokio::task::spawn_blocking(move || {
            let mut pending = match pending {
                Some(pending) => pending,
                None => {
                    let peer = Peer { address, binding };
                    let handshake = Handshake::begin(scheme, authenticator.as_ref(), &peer)?;
                    PendingHandshake { handshake, deadline: Instant::now() + LONGEST_HANDSHAKE }
                }
            };
            let step = pending.handshake.step(&token);
            Ok((pending, step))
        })
        .await;
        let (mut pending, step) = stepped
            .unwrap_or(Err(AuthError::Unavailable))
            .inspect_err(|error| sign_in.record_failure(&unnamed, *error))
            .ok()?;
        match step {
            Ok(Step::Continue(token)) => {
                self.state = ConnectionState::Handshake(pending);
                Some(Admission::Continue(header(scheme, &token)))
            }
            Ok(Step::Done { token, outcome }) => {
                let caller = self.caller(outcome.identity, sign_in)?;
                let context = outcome.context;
                let cached = CachedCaller::new(Arc::clone(&caller), sign_in);
                self.state = ConnectionState::Established(Established { cached, scheme, context });
                Some(Admission::Caller(caller, token.map(|token| header(scheme, &token))))
            }
            Err(error) => {
                record_failure(sign_in, address, &pending.handshake, error);
                // The handshake is over even if there is a last token for the client; a next one starts a new
                // handshake.
                let refusal = pending.handshake.refusal()?;
                Some(Admission::Continue(header(scheme, &refusal)))
            }
        }
    }
}

/// Records a failed handshake with the account and mechanism, as far as they are known.
fn record_failure(sign_in: &SignIn, address: IpAddr, handshake: &Handshake, error: AuthError) {
    let claimed = handshake.claimed().unwrap_or_default();
    let mechanism = handshake.mechanism();
    let (account, scheme, mechanism) = (&*claimed, handshake.scheme(), mechanism.as_ref());
    sign_in.record_failure(&FailedClient { address, account, scheme, mechanism }, error);
}

/// Decodes the token of an `Authorization` header.
fn decode(encoded: &str) -> Result<Vec<u8>, AuthError> {
    let encoded = encoded.trim();
    if encoded.len() > LONGEST_TOKEN {
        return Err(AuthError::Malformed("longer than 88 KiB"));
    }
    let token = STANDARD.decode(encoded).map_err(|_| AuthError::Malformed("not Base64"))?;
    if token.is_empty() { Err(AuthError::Malformed("empty")) } else { Ok(token) }
}

/// Returns the value of `WWW-Authenticate` that carries a token.
fn header(scheme: Scheme, token: &[u8]) -> String {
    format!("{} {}", scheme.name(), STANDARD.encode(token))
}

/// Time limit of a whole token exchange.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(30);
/// Maximum length of an encoded token, in bytes. A Kerberos ticket with the groups of a large domain has 48 KB.
const LONGEST_TOKEN: usize = 88 * 1_024;
