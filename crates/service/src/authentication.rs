//! Lets someone in, or not: from HTTP headers to a [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::basic::Login;
use auth::{AuthError, Identity, Scheme, VerifierCost};
use aws_lc_rs::hmac;
use config::Config;
use http::{Credentials, RequestHead};

use crate::access::Caller;
use crate::listener::Transport;
use crate::service::Service;

/// What is known of the peer of one connection, from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Authentication {
    address: IpAddr,
    transport: Transport,
    remembered: Option<Remembered>,
    /// Whom the kernel named when the connection began.
    local: Option<Arc<Caller>>,
}

/// A verdict that is not asked for again for a while.
#[derive(Debug)]
struct Remembered {
    /// Of the header, under a key that dies with the process.
    tag: hmac::Tag,
    caller: Arc<Caller>,
    until: Instant,
}

/// What a request's headers lead to.
pub(crate) enum Admission {
    /// Someone, proven.
    Caller(Arc<Caller>),
    /// Nobody: answer 401 and offer these.
    Challenge(Vec<Scheme>),
}

impl Authentication {
    pub(crate) fn new(address: IpAddr, transport: Transport) -> Self {
        Self { address, transport, remembered: None, local: None }
    }

    /// A connection of which the kernel has said whose it is: no header is needed or looked at.
    pub(crate) fn local(caller: Arc<Caller>) -> Self {
        let (address, transport) = (caller.address(), Transport::Local);
        Self { address, transport, remembered: None, local: Some(caller) }
    }

    /// Judges one request.
    ///
    /// A request without credentials is nobody's, whatever came before it on the connection: with Basic,
    /// each request proves itself (MS-WSMV 3.1.4.1; RFC 7617).
    pub(crate) async fn admit(&mut self, head: &RequestHead, service: &Arc<Service>) -> Admission {
        if let Some(caller) = &self.local {
            return Admission::Caller(Arc::clone(caller));
        }
        let config = service.config();
        let offered = self.offered(&config);
        let Some(header) = head.header("Authorization") else { return Admission::Challenge(offered) };
        let admitted = match Credentials::parse(header)
            .ok()
            .map(|credentials| (Scheme::from_name(credentials.scheme()), credentials.rest()))
        {
            Some((Some(scheme), rest)) if offered.contains(&scheme) => {
                self.by_scheme(scheme, header, rest, service).await
            }
            Some((scheme, _)) => {
                let name = scheme.map_or_else(|| "unknown".to_owned(), |scheme| scheme.to_string());
                tracing::debug!(peer = %self.address, scheme = %name, "Scheme is not offered here");
                None
            }
            None => None,
        };
        admitted.map_or(Admission::Challenge(offered), Admission::Caller)
    }

    /// The schemes that are switched on and work on this connection, in Windows' order.
    pub(crate) fn offered(&self, config: &Config) -> Vec<Scheme> {
        let is_private = match self.transport {
            Transport::Http => config.service.allow_unencrypted,
            Transport::Https => true,
            // It has nobody to challenge.
            Transport::Local => false,
        };
        let basic = config.service.auth.basic && is_private;
        basic.then_some(Scheme::Basic).into_iter().collect()
    }

    async fn by_scheme(
        &mut self,
        scheme: Scheme,
        header: &str,
        rest: &str,
        service: &Arc<Service>,
    ) -> Option<Arc<Caller>> {
        match scheme {
            Scheme::Basic => self.by_password(header, rest, service).await,
            _ => None,
        }
    }

    async fn by_password(
        &mut self,
        header: &str,
        encoded: &str,
        service: &Arc<Service>,
    ) -> Option<Arc<Caller>> {
        if let Some(caller) = self.remembered(header, service) {
            return Some(caller);
        }
        let login = match Login::parse(encoded) {
            Ok(login) => login,
            Err(error) => {
                tracing::debug!(peer = %self.address, %error, "Credentials cannot be read");
                return None;
            }
        };
        let user = login.user.clone();
        let address = self.address;
        let verdict = match service.verifier.cost() {
            VerifierCost::Quick => Identity::by_password(&login, service.verifier.as_ref(), address),
            VerifierCost::Slow => {
                let verifier = Arc::clone(&service.verifier);
                let judge = move || Identity::by_password(&login, verifier.as_ref(), address);
                tokio::task::spawn_blocking(judge).await.unwrap_or(Err(AuthError::Unavailable))
            }
        };
        let identity = match verdict {
            Ok(identity) => identity,
            Err(error) => {
                tracing::warn!(peer = %address, account = %user, scheme = %Scheme::Basic, %error, "Sign-in failed");
                return None;
            }
        };
        let Some(token) = service.principals.token_of(&identity) else {
            tracing::warn!(peer = %address, account = %user, "The account has no identity on this machine");
            return None;
        };
        let caller = Arc::new(Caller::new(identity, token, address));
        self.remembered = Some(Remembered {
            tag: hmac::sign(service.header_key(), header.as_bytes()),
            caller: Arc::clone(&caller),
            until: Instant::now() + REMEMBERED_FOR,
        });
        Some(caller)
    }

    fn remembered(&self, header: &str, service: &Service) -> Option<Arc<Caller>> {
        let remembered = self.remembered.as_ref()?;
        if remembered.until <= Instant::now() {
            return None;
        }
        let same = hmac::verify(service.header_key(), header.as_bytes(), remembered.tag.as_ref()).is_ok();
        same.then(|| Arc::clone(&remembered.caller))
    }
}

/// How long a verdict stands before the verifier is asked again.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
