//! Authentication of connections and requests: from HTTP headers to a [`Caller`] (MS-WSMV 3.1.4.1, RFC 4559).

mod basic;
mod cached_caller;
mod certificate;
mod sign_in;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;

use auth::{AuthError, Identity, Scheme};
use auth::{Binding, CertificateProof, ChannelBinding, Hardening};
use config::{CbtHardeningLevel, Config};
use http::{Credentials, RequestHead};

use self::basic::AcceptedHeader;
use self::cached_caller::CachedCaller;
use self::certificate::ClientCertificate;
use self::sign_in::FailedClient;
pub(crate) use self::sign_in::SignIn;
use self::tokens::{Established, PendingHandshake};
use crate::caller::Caller;
use crate::endpoint::Transport;

/// Authentication state of one connection.
pub(crate) struct Authentication {
    address: IpAddr,
    transport: Transport,
    /// Channel binding of the TLS connection, for tokens that are bound to one.
    channel: Option<ChannelBinding>,
    /// Certificate that the client presented in the TLS handshake.
    certificate: Option<Box<ClientCertificate>>,
    state: ConnectionState,
    accepted_header: Option<AcceptedHeader>,
}

/// Authentication of the connection itself.
///
/// Basic and Certificate authenticate single requests and do not change it.
enum ConnectionState {
    /// Not authenticated.
    Anonymous,
    /// A token exchange is in progress.
    Handshake(PendingHandshake),
    /// Authenticated until the connection ends (MS-WSMV 2.1.1, RFC 4559 6) or the account is disabled.
    Established(Established),
    /// Authenticated by the kernel when the connection was opened.
    Local(CachedCaller),
}

/// Result of authenticating one request.
pub(crate) enum Admission {
    /// Authenticated, with the value of `WWW-Authenticate` for the response, if any.
    Caller(Arc<Caller>, Option<String>),
    /// The client has a certificate. The account depends on the requested resource, so
    /// [`by_certificate`](Authentication::by_certificate) determines it once the body is received.
    ByResource,
    /// A handshake is in progress: respond with 401 and this value of `WWW-Authenticate` only.
    Continue(String),
    /// Not authenticated: respond with 401 and these schemes.
    Challenge(Vec<Scheme>),
}

impl Authentication {
    /// Creates the state of a new connection, which is not authenticated.
    pub(crate) fn new(
        address: IpAddr,
        transport: Transport,
        channel: Option<ChannelBinding>,
        certificate: Option<CertificateProof>,
    ) -> Self {
        let certificate = certificate.map(|proof| Box::new(ClientCertificate::new(proof)));
        let state = ConnectionState::Anonymous;
        Self { address, transport, channel, certificate, state, accepted_header: None }
    }

    /// Creates the state of a connection whose peer the kernel has identified. Its requests need no `Authorization`
    /// header; one that is present is ignored.
    pub(crate) fn local(caller: Arc<Caller>, sign_in: &SignIn) -> Self {
        Self {
            address: caller.address(),
            transport: Transport::Local,
            channel: None,
            certificate: None,
            state: ConnectionState::Local(CachedCaller::new(caller, sign_in)),
            accepted_header: None,
        }
    }

    /// Authenticates one request.
    ///
    /// A request without credentials is anonymous unless the connection itself is authenticated, whatever requests
    /// came before it. A request with credentials ends the authentication of the connection (MS-WSMV 3.1.4.1,
    /// RFC 4559 6).
    pub(crate) async fn admit(&mut self, head: &RequestHead, sign_in: &SignIn, config: &Config) -> Admission {
        if let ConnectionState::Local(cached) = &mut self.state {
            return match cached.current(sign_in).await {
                Some(caller) => Admission::Caller(caller, None),
                // Local connections have no schemes. The client can open a new connection.
                None => Admission::Challenge(Vec::new()),
            };
        }
        let Some(header) = head.header("Authorization") else {
            let caller = match &mut self.state {
                ConnectionState::Established(established) => established.cached().current(sign_in).await,
                _ => None,
            };
            return match caller {
                Some(caller) => Admission::Caller(caller, None),
                None => self.reject(config, sign_in),
            };
        };
        let Ok(credentials) = Credentials::parse(header) else { return self.reject(config, sign_in) };
        let scheme = match Scheme::from_name(credentials.scheme()) {
            Some(scheme) if self.is_offered(scheme, config, sign_in) => scheme,
            scheme => {
                let name = scheme.map_or_else(|| "unknown".to_owned(), |scheme| scheme.to_string());
                tracing::debug!(peer = %self.address, scheme = %name, "Authentication scheme is not offered");
                return self.reject(config, sign_in);
            }
        };
        let admitted = match scheme {
            Scheme::Basic => {
                self.state = ConnectionState::Anonymous;
                let caller = self.by_password(header, credentials.rest(), sign_in).await;
                caller.map(|caller| Admission::Caller(caller, None))
            }
            Scheme::Certificate => {
                // Boxed so that the future of the other schemes stays small.
                let has_mapping = Box::pin(self.check_certificate(sign_in)).await;
                has_mapping.then_some(Admission::ByResource)
            }
            _ => self.by_tokens(scheme, credentials.rest(), config, sign_in).await,
        };
        admitted.unwrap_or_else(|| self.reject(config, sign_in))
    }

    /// Returns the schemes that are enabled and available on this connection, in the order of Windows.
    pub(crate) fn offered(&self, config: &Config, sign_in: &SignIn) -> Vec<Scheme> {
        Scheme::HTTP.into_iter().filter(|scheme| self.is_offered(*scheme, config, sign_in)).collect()
    }

    fn is_offered(&self, scheme: Scheme, config: &Config, sign_in: &SignIn) -> bool {
        let is_available = match (self.transport, scheme) {
            // The kernel has identified the peer, so there is nothing to offer.
            (Transport::Local, _) => false,
            (Transport::Http, Scheme::Basic) => config.service.allow_unencrypted,
            (Transport::Http, Scheme::Certificate) => false,
            (Transport::Http | Transport::Https, _) => true,
        };
        is_available && sign_in.is_enabled(scheme, config)
    }

    /// Returns the scheme and security context of the connection, which seal and unseal messages.
    pub(crate) fn established(&mut self) -> Option<&mut Established> {
        match &mut self.state {
            ConnectionState::Established(established) => Some(established),
            _ => None,
        }
    }

    /// Rejects a request and ends the authentication of the connection.
    fn reject(&mut self, config: &Config, sign_in: &SignIn) -> Admission {
        self.state = ConnectionState::Anonymous;
        Admission::Challenge(self.offered(config, sign_in))
    }

    /// Returns the required binding of tokens: with TLS to this connection, otherwise to this service, as far as tokens
    /// contain one (RFC 5056, RFC 5929).
    fn binding(&self, config: &Config) -> Binding {
        let level = match config.service.auth.cbt_hardening_level {
            CbtHardeningLevel::Strict => Hardening::Strict,
            CbtHardeningLevel::Relaxed => Hardening::Relaxed,
            CbtHardeningLevel::None => Hardening::None,
        };
        Binding { level, expected: self.channel.clone() }
    }

    /// Creates the caller of an identity and records the sign-in, or the reason why there is no caller.
    fn caller(&self, identity: Identity, sign_in: &SignIn) -> Option<Arc<Caller>> {
        let caller = self.create_caller(identity, sign_in)?;
        sign_in.record_success(&caller);
        Some(caller)
    }

    /// Creates the caller of an identity without a record, for one whose sign-in was recorded a moment ago.
    fn create_caller(&self, identity: Identity, sign_in: &SignIn) -> Option<Arc<Caller>> {
        let Some(token) = sign_in.principals.token_of(&identity) else {
            let account = identity.account();
            tracing::warn!(peer = %self.address, %account, "Account does not exist on this machine");
            let client = FailedClient {
                address: self.address,
                account: &account.name,
                scheme: identity.scheme(),
                mechanism: identity.mechanism(),
            };
            sign_in.record_failure(&client, AuthError::NotAllowed);
            return None;
        };
        let session = sign_in.principals.session_handle(&identity);
        Some(Arc::new(Caller::new(identity, token, self.address).with_session(session)))
    }
}
