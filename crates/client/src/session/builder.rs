//! The settings of a session.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wsman::Head;
use xml::Encoding;

use super::{Inner, Session};
use crate::affinity::Affinity;
use crate::authentication::{
    Authentication, Automatic, Credentials, Delegation, Login, Rules, ServiceName, Unencrypted,
};
use crate::error::Error;
use crate::local::LocalSockets;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::random::fresh_uuid;
use crate::route::Route;
use crate::tls::{Securer, TlsPolicy};
use crate::trace::{Onlooker, Trace};
use crate::{ClientCertificate, Endpoint, HostTrust, Scheme, Sealing, Transport};

/// Settings of a [`Session`], each with a default that suits most.
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionBuilder {
    endpoint: Endpoint,
    local: Option<LocalSockets>,
    credentials: Option<Credentials>,
    authentication: Option<Authentication>,
    rules: Rules,
    certificate: Option<ClientCertificate>,
    tls: TlsPolicy,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
    idle_timeout: Option<Duration>,
    network_delay: Duration,
    total_timeout: Option<Duration>,
    operation_timeout: Duration,
    max_envelope_size: u32,
    answer_limit: usize,
    locale: String,
    encoding: Encoding,
    onlooker: Onlooker,
}

impl SessionBuilder {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            local: None,
            credentials: None,
            authentication: None,
            rules: Rules::default(),
            certificate: None,
            tls: TlsPolicy::new(),
            proxy: None,
            connect_timeout: Duration::from_secs(30),
            idle_timeout: None,
            network_delay: NETWORK_DELAY,
            total_timeout: None,
            operation_timeout: Duration::from_secs(60),
            max_envelope_size: 512_000,
            answer_limit: 8 << 20,
            locale: "en-US".to_owned(),
            encoding: Encoding::Utf8,
            onlooker: Onlooker::default(),
        }
    }

    pub(super) fn over(self, sockets: LocalSockets) -> Self {
        Self { local: Some(sockets), ..self }
    }

    /// Who asks.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The certificate that proves who asks, over HTTPS.
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// How that is proven: by default with the certificate if there is one, with Basic if there are credentials, else
    /// not at all.
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = Some(authentication);
        self
    }

    /// Whether messages may be readable on the way; refused by default.
    pub fn unencrypted(mut self, unencrypted: Unencrypted) -> Self {
        self.rules.unencrypted = unencrypted;
        self
    }

    /// Whether the host may be talked to although nothing proves who it is, as a list such as `TrustedHosts` says; not
    /// by default.
    ///
    /// Over HTTP only Kerberos proves who the host is. To others than this machine and listed hosts, nothing but that
    /// is tried there.
    pub fn host_trust(mut self, trust: HostTrust) -> Self {
        self.rules.trust = trust;
        self
    }

    /// Which schemes may be used at all; every one by default.
    pub fn allowed_schemes(mut self, schemes: impl IntoIterator<Item = Scheme>) -> Self {
        self.rules.allowed = schemes.into_iter().chain([Scheme::None]).collect();
        self
    }

    /// Whether messages are sealed over HTTP by the schemes that can; they are by default. Without it they take
    /// [`Unencrypted::Allowed`].
    pub fn sealing(mut self, sealing: Sealing) -> Self {
        self.rules.sealing = sealing;
        self
    }

    /// What the service is called to its realm; `HTTP/host` by default.
    pub fn service_name(mut self, name: ServiceName) -> Self {
        self.rules.service_name = name;
        self
    }

    /// Whether the service may act as the user on other machines; it may not by default. That is for Kerberos;
    /// [`Authentication::CredSsp`] always hands the password over.
    pub fn delegation(mut self, delegation: Delegation) -> Self {
        self.rules.delegation = delegation;
        self
    }

    /// Which certificates are accepted; those of the authorities of this system by default.
    pub fn tls(mut self, policy: TlsPolicy) -> Self {
        self.tls = policy;
        self
    }

    /// The proxy on the way; there is none by default, whatever the environment says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How long finding the host, connecting and TLS may take together; 30 seconds by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the connection may be silent while an answer is due; must be longer than
    /// [`Self::operation_timeout`], and is longer by [`Self::network_delay`] by default.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }

    /// What the network may add to the time a service takes; 10 seconds by default.
    pub fn network_delay(mut self, delay: Duration) -> Self {
        self.network_delay = delay;
        self
    }

    /// How long an operation may take with all its requests: an enumeration to its end, a command from
    /// start to exit. Unlimited by default.
    pub fn total_timeout(mut self, limit: Option<Duration>) -> Self {
        self.total_timeout = limit;
        self
    }

    /// Within what time the service is to answer one request (`w:OperationTimeout`); 60 seconds by default.
    ///
    /// A command or an enumeration that has nothing to say in that time is asked again.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.operation_timeout = limit;
        self
    }

    /// The largest answer asked for, in octets (`w:MaxEnvelopeSize`); 512,000 by default, which services
    /// that allow less reduce to what they allow.
    pub fn max_envelope_size(mut self, octets: u32) -> Self {
        self.max_envelope_size = octets;
        self
    }

    /// How many octets beyond [`Self::max_envelope_size`] an answer may have before it is given up; 8 MiB
    /// by default, because some services keep to that size only roughly.
    pub fn answer_limit(mut self, octets: usize) -> Self {
        self.answer_limit = octets;
        self
    }

    /// The language of texts and data; `en-US` by default.
    pub fn locale(mut self, language: impl Into<String>) -> Self {
        self.locale = language.into();
        self
    }

    /// How messages are encoded; UTF-8 by default.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Who sees every message; nobody by default.
    pub fn trace(mut self, trace: Arc<dyn Trace>) -> Self {
        self.onlooker = Onlooker::new(trace);
        self
    }

    /// The session. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that cannot be meant.
    pub fn build(self) -> Result<Session, Error> {
        let setting = |setting, reason: String| Err(Error::Setting { setting, reason });
        if self.max_envelope_size < Head::SMALLEST_ENVELOPE {
            let least = Head::SMALLEST_ENVELOPE;
            return setting("max_envelope_size", format!("{} is below {least}", self.max_envelope_size));
        }
        if self.operation_timeout.is_zero() {
            return setting("operation_timeout", "no service answers in no time".to_owned());
        }
        let operation_timeout = self.operation_timeout.min(LONGEST);
        let network_delay = self.network_delay.min(LONGEST);
        let idle_timeout = self.idle_timeout.unwrap_or(operation_timeout + network_delay);
        if idle_timeout <= operation_timeout {
            let than = format!("{idle_timeout:?} is not longer than operation_timeout {operation_timeout:?}");
            return setting("idle_timeout", format!("{than}: silence that long is what a service may take"));
        }
        let authentication = self.authentication.unwrap_or(match (&self.certificate, &self.credentials) {
            (Some(_), _) => Authentication::Certificate,
            (None, Some(_)) => Authentication::Basic,
            (None, None) => Authentication::None,
        });
        match (authentication, &self.certificate) {
            (Authentication::Certificate, None) => {
                return setting("client_certificate", "there is none to sign in with".to_owned());
            }
            (Authentication::Certificate, Some(_)) if self.endpoint.transport() != Transport::Https => {
                return setting("client_certificate", "a certificate signs in over HTTPS only".to_owned());
            }
            _ => {}
        }
        let route = match self.local {
            None => Route::Network(Box::new(Securer::new(self.tls, self.certificate)), self.proxy),
            Some(sockets) if authentication == Authentication::None => Route::Local(sockets),
            Some(_) => {
                let reason = "over a Unix socket the kernel says who asks: give neither name nor password";
                return setting("credentials", reason.to_owned());
            }
        };
        let unencrypted = self.rules.unencrypted;
        let automatic = Automatic { authentication, credentials: self.credentials, rules: self.rules };
        let login = match &route {
            Route::Local(_) => Login::Anonymous,
            Route::Network(..) => automatic.login(&self.endpoint, None)?,
        };
        Ok(Session(Arc::new(Inner {
            login: Mutex::new(login),
            automatic: (authentication == Authentication::Automatic).then_some(automatic),
            peer: route.peer(&self.endpoint),
            to: route.to(&self.endpoint),
            endpoint: self.endpoint,
            route,
            unencrypted,
            connect_timeout: self.connect_timeout.min(LONGEST),
            idle_timeout: idle_timeout.min(LONGEST + LONGEST),
            total_timeout: self.total_timeout.map(|limit| limit.min(LONGEST)),
            operation_timeout,
            max_envelope_size: self.max_envelope_size,
            answer_limit: self.answer_limit,
            locale: self.locale,
            encoding: self.encoding,
            onlooker: self.onlooker,
            session_id: format!("uuid:{}", fresh_uuid()),
            pool: Pool::default(),
            affinity: Affinity::default(),
            has_shell: AtomicBool::new(false),
        })))
    }
}

/// What the network may add to the time a service takes.
const NETWORK_DELAY: Duration = Duration::from_secs(10);
/// Longer waits would overflow clocks, and nobody lives to see them.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);
