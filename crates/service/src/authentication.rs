//! Lets someone in, or not: from HTTP headers to a [`Caller`].

mod basic;
mod certificate;
mod tokens;
mod verdict;

use std::net::IpAddr;
use std::sync::Arc;

use auth::{AuthError, Identity, Scheme};
use auth::{Binding, CertificateProof, ChannelBinding, Hardening};
use config::{CbtHardeningLevel, Config};
use http::{Credentials, RequestHead};

use self::basic::Remembered;
use self::certificate::Shown;
use self::tokens::{Established, UnderWay};
use self::verdict::Verdict;
pub(crate) use self::verdict::judged_again;
use crate::access::Caller;
use crate::audit;
use crate::listener::Transport;
use crate::service::Service;

/// What is known of the peer of one connection, from its beginning to its end.
pub(crate) struct Authentication {
    address: IpAddr,
    transport: Transport,
    /// Which TLS connection it is, for tokens that are bound to one.
    channel: Option<ChannelBinding>,
    /// What the client has shown in the handshake.
    shown: Option<Box<Shown>>,
    standing: Standing,
    remembered: Option<Remembered>,
}

/// How far the connection itself is authenticated.
///
/// Basic and certificates prove each request and never change it.
enum Standing {
    /// Not at all.
    Nobody,
    /// Tokens go to and fro.
    UnderWay(UnderWay),
    /// The connection is somebody's until it ends (MS-WSMV 2.1.1, RFC 4559 6), or the account does.
    Established(Established),
    /// The kernel has said whose it is when it began.
    Local(Verdict),
}

/// What a request's headers lead to.
pub(crate) enum Admission {
    /// Someone, proven; with the value of `WWW-Authenticate` that the answer has to carry, if any.
    Caller(Arc<Caller>, Option<String>),
    /// Somebody with a certificate; whose account that is depends on the resource:
    /// [`by_certificate`](Authentication::by_certificate) says it once the body is read.
    ByResource,
    /// Nobody yet: answer 401 with this value of `WWW-Authenticate` alone.
    Continue(String),
    /// Nobody: answer 401 and offer these.
    Challenge(Vec<Scheme>),
}

impl Authentication {
    pub(crate) fn new(
        address: IpAddr,
        transport: Transport,
        channel: Option<ChannelBinding>,
        shown: Option<CertificateProof>,
    ) -> Self {
        let shown = shown.map(|proof| Box::new(Shown::new(proof)));
        Self { address, transport, channel, shown, standing: Standing::Nobody, remembered: None }
    }

    /// A connection of which the kernel has said whose it is: no header is needed or looked at.
    pub(crate) fn local(caller: Arc<Caller>, service: &Service) -> Self {
        let address = caller.address();
        let standing = Standing::Local(Verdict::new(caller, service));
        Self { address, transport: Transport::Local, channel: None, shown: None, standing, remembered: None }
    }

    /// Judges one request.
    ///
    /// A request without credentials is nobody's unless the connection itself was authenticated, whatever came
    /// before it; a request with credentials ends what the connection had (MS-WSMV 3.1.4.1, RFC 4559 6).
    pub(crate) async fn admit(&mut self, head: &RequestHead, service: &Arc<Service>) -> Admission {
        if let Standing::Local(verdict) = &mut self.standing {
            return match verdict.caller(service).await {
                Some(caller) => Admission::Caller(caller, None),
                // There is nothing to prove here: the program may connect anew.
                None => Admission::Challenge(Vec::new()),
            };
        }
        let Some(header) = head.header("Authorization") else {
            let caller = match &mut self.standing {
                Standing::Established(established) => established.verdict().caller(service).await,
                _ => None,
            };
            return match caller {
                Some(caller) => Admission::Caller(caller, None),
                None => self.refuse(&service.config(), service),
            };
        };
        let config = service.config();
        let Ok(credentials) = Credentials::parse(header) else { return self.refuse(&config, service) };
        let scheme = match Scheme::from_name(credentials.scheme()) {
            Some(scheme) if self.offered(&config, service).contains(&scheme) => scheme,
            scheme => {
                let name = scheme.map_or_else(|| "unknown".to_owned(), |scheme| scheme.to_string());
                tracing::debug!(peer = %self.address, scheme = %name, "Scheme is not offered here");
                return self.refuse(&config, service);
            }
        };
        let admitted = match scheme {
            Scheme::Basic => {
                self.standing = Standing::Nobody;
                let caller = self.by_password(header, credentials.rest(), service).await;
                caller.map(|caller| Admission::Caller(caller, None))
            }
            Scheme::Certificate => {
                // Apart, because the others have to have no memory for it.
                let holds = Box::pin(self.holds_certificate(service)).await;
                holds.then_some(Admission::ByResource)
            }
            _ => self.by_tokens(scheme, credentials.rest(), &config, service).await,
        };
        admitted.unwrap_or_else(|| self.refuse(&config, service))
    }

    /// The schemes that are switched on and work on this connection, in Windows' order.
    pub(crate) fn offered(&self, config: &Config, service: &Service) -> Vec<Scheme> {
        let is_private = match self.transport {
            Transport::Http => config.service.allow_unencrypted,
            Transport::Https => true,
            // It has nobody to challenge.
            Transport::Local => return Vec::new(),
        };
        let switches = &config.service.auth;
        [
            (Scheme::Negotiate, switches.negotiate),
            (Scheme::Kerberos, switches.kerberos),
            (Scheme::CredSsp, switches.credssp),
            (Scheme::Basic, switches.basic && is_private),
            (Scheme::Certificate, switches.certificate && self.transport == Transport::Https),
        ]
        .into_iter()
        .filter(|(scheme, is_on)| *is_on && service.authenticator.supports(*scheme))
        .map(|(scheme, _)| scheme)
        .collect()
    }

    /// What opens and seals messages here, with the scheme that it came from.
    pub(crate) fn established(&mut self) -> Option<&mut Established> {
        match &mut self.standing {
            Standing::Established(established) => Some(established),
            _ => None,
        }
    }

    /// Nobody is let in, and whatever the connection had is gone.
    fn refuse(&mut self, config: &Config, service: &Service) -> Admission {
        self.standing = Standing::Nobody;
        Admission::Challenge(self.offered(config, service))
    }

    /// To what tokens must be bound: with TLS, to this connection; without, to this service, as far as they say.
    fn binding(&self, config: &Config) -> Binding {
        let level = match config.service.auth.cbt_hardening_level {
            CbtHardeningLevel::Strict => Hardening::Strict,
            CbtHardeningLevel::Relaxed => Hardening::Relaxed,
            CbtHardeningLevel::None => Hardening::None,
        };
        Binding { level, expected: self.channel.clone() }
    }

    /// Makes someone of an identity, or tells the log why not; either way it is on record.
    fn caller(&self, identity: Identity, service: &Service) -> Option<Arc<Caller>> {
        let caller = self.make_caller(identity, service)?;
        audit::signed_in(&caller);
        Some(caller)
    }

    /// The same, of somebody who was on record a moment ago.
    fn make_caller(&self, identity: Identity, service: &Service) -> Option<Arc<Caller>> {
        let Some(token) = service.principals.token_of(&identity) else {
            let account = identity.account();
            tracing::warn!(peer = %self.address, %account, "The account has no identity on this machine");
            let (scheme, mechanism) = (identity.scheme(), identity.mechanism());
            audit::not_signed_in(self.address, &account.name, scheme, mechanism, AuthError::NotAllowed);
            return None;
        };
        let proof = service.principals.proof_of(&identity);
        Some(Arc::new(Caller::new(identity, token, self.address).with_proof(proof)))
    }
}
