//! Builder of sessions.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use locks::Mutex;
use wsman::Head;
use xml::Encoding;

use super::{IllegalCharacters, Inner, Session};
use crate::affinity::Affinity;
use crate::authentication::{
    Authentication, Credentials, Delegation, HostVerification, Login, Rules, SchemeSearch, SchemeSelector,
    ServiceName, Unencrypted,
};
use crate::error::Error;
use crate::local::LocalSockets;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::route::Route;
use crate::tls::{Securer, TlsPolicy};
use crate::trace::{Trace, Tracer};
use crate::{ClientCertificate, ClientKeytab, Endpoint, HostTrust, Scheme, Sealing, Transport};

/// Settings of a [`Session`].
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
    illegal_characters: IllegalCharacters,
    tracer: Tracer,
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
            illegal_characters: IllegalCharacters::default(),
            tracer: Tracer::default(),
        }
    }

    pub(super) fn over(self, sockets: LocalSockets) -> Self {
        Self { local: Some(sockets), ..self }
    }

    /// Sets the key for Kerberos, also within Negotiate, in place of the user's ticket. User name and password take
    /// precedence.
    pub fn client_keytab(mut self, keytab: ClientKeytab) -> Self {
        self.rules.keytab = Some(keytab);
        self
    }

    /// Sets the user name and the password.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the client certificate for authentication over HTTPS.
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Sets the authentication scheme. The default is the certificate if one is set, Basic if credentials are set,
    /// and none otherwise.
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = Some(authentication);
        self
    }

    /// Sets whether messages may be sent unencrypted; the default is refused.
    pub fn unencrypted(mut self, unencrypted: Unencrypted) -> Self {
        self.rules.unencrypted = unencrypted;
        self
    }

    /// Sets whether credentials may be sent to a host whose identity is not verified, as `TrustedHosts` permits; the
    /// default is no.
    ///
    /// Over HTTP, only Kerberos proves the identity of the host. Other schemes are used only with this machine and
    /// with listed hosts.
    pub fn host_trust(mut self, trust: HostTrust) -> Self {
        self.rules.trust = trust;
        self
    }

    /// Sets the allowed authentication schemes; the default is all.
    pub fn allowed_schemes(mut self, schemes: impl IntoIterator<Item = Scheme>) -> Self {
        self.rules.allowed = schemes.into_iter().chain([Scheme::None]).collect();
        self
    }

    /// Sets whether messages over HTTP are encrypted by the schemes that can; the default is yes. Without encryption,
    /// [`Unencrypted::Allowed`] is needed.
    pub fn sealing(mut self, sealing: Sealing) -> Self {
        self.rules.sealing = sealing;
        self
    }

    /// Sets how the service principal name is chosen; the default is `HTTP/host`.
    pub fn service_name(mut self, name: ServiceName) -> Self {
        self.rules.service_name = name;
        self
    }

    /// Sets whether the service may act as the user on other machines, by Kerberos delegation; the default is no.
    /// [`Authentication::CredSsp`] always sends the password.
    pub fn delegation(mut self, delegation: Delegation) -> Self {
        self.rules.delegation = delegation;
        self
    }

    /// Sets the rules for server certificates; by default the authorities of this system are trusted.
    pub fn tls(mut self, policy: TlsPolicy) -> Self {
        self.tls = policy;
        self
    }

    /// Sets an HTTP proxy. By default no proxy is used, regardless of the environment.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Limits the time for name resolution, connecting and TLS together; the default is 30 seconds.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Limits the time without received data while a response is due. It must be longer than
    /// [`Self::operation_timeout`]; the default is longer by [`Self::network_delay`].
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }

    /// Sets the delay that the network may add to a response; the default is 10 seconds.
    pub fn network_delay(mut self, delay: Duration) -> Self {
        self.network_delay = delay;
        self
    }

    /// Limits the duration of an operation with all its requests: an enumeration to its end, a command from start to
    /// exit. The default is unlimited.
    pub fn total_timeout(mut self, limit: Option<Duration>) -> Self {
        self.total_timeout = limit;
        self
    }

    /// Limits the time the service may take for one request (`w:OperationTimeout`); the default is 60 seconds.
    ///
    /// After this time, a command or an enumeration without results is polled again.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.operation_timeout = limit;
        self
    }

    /// Sets the maximum response size requested from the service, in bytes (`w:MaxEnvelopeSize`); the default is
    /// 512,000. A service with a lower limit uses its own.
    pub fn max_envelope_size(mut self, octets: u32) -> Self {
        self.max_envelope_size = octets;
        self
    }

    /// Sets by how many bytes a response may exceed [`Self::max_envelope_size`] before it is rejected; the default is
    /// 8 MiB, because some services exceed the requested size.
    pub fn answer_limit(mut self, octets: usize) -> Self {
        self.answer_limit = octets;
        self
    }

    /// Sets the language of texts and data; the default is `en-US`.
    pub fn locale(mut self, language: impl Into<String>) -> Self {
        self.locale = language.into();
        self
    }

    /// Sets the character encoding of messages; the default is UTF-8.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets how characters in responses are treated that XML does not allow; the default is to reject the response.
    pub fn illegal_characters(mut self, treatment: IllegalCharacters) -> Self {
        self.illegal_characters = treatment;
        self
    }

    /// Sets a trace that receives every message. By default messages are not traced.
    pub fn trace(mut self, trace: Arc<dyn Trace>) -> Self {
        self.tracer = Tracer::new(trace);
        self
    }

    /// Builds the session; sends nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid or contradictory value.
    pub fn build(mut self) -> Result<Session, Error> {
        let setting = |setting, reason: String| Err(Error::Setting { setting, reason });
        if self.max_envelope_size < Head::SMALLEST_ENVELOPE {
            let min = Head::SMALLEST_ENVELOPE;
            return setting(
                "max_envelope_size",
                format!("{} is below the minimum, {min}", self.max_envelope_size),
            );
        }
        if self.operation_timeout.is_zero() {
            return setting("operation_timeout", "must not be zero".to_owned());
        }
        let operation_timeout = self.operation_timeout.min(MAX_TIMEOUT);
        let network_delay = self.network_delay.min(MAX_TIMEOUT);
        let idle_timeout = self.idle_timeout.unwrap_or(operation_timeout + network_delay);
        if idle_timeout <= operation_timeout {
            let reason = format!("{idle_timeout:?} must exceed operation_timeout, {operation_timeout:?}");
            return setting("idle_timeout", reason);
        }
        let authentication = self.authentication.unwrap_or(match (&self.certificate, &self.credentials) {
            (Some(_), _) => Authentication::Certificate,
            (None, Some(_)) => Authentication::Basic,
            (None, None) => Authentication::None,
        });
        match (authentication, &self.certificate) {
            (Authentication::Certificate, None) => {
                return setting("client_certificate", "no certificate is set".to_owned());
            }
            (Authentication::Certificate, Some(_)) if self.endpoint.transport() != Transport::Https => {
                return setting("client_certificate", "certificate authentication requires HTTPS".to_owned());
            }
            _ => {}
        }
        if self.tls.verifies_host() {
            self.rules.host_verification = HostVerification::Full;
        }
        let route = match self.local {
            None => Route::Network(Box::new(Securer::new(self.tls, self.certificate)), self.proxy),
            Some(sockets) if authentication == Authentication::None => Route::Local(sockets),
            Some(_) => {
                let reason =
                    "the kernel authenticates the user of a Unix socket: omit user name and password";
                return setting("credentials", reason.to_owned());
            }
        };
        let unencrypted = self.rules.unencrypted;
        let scheme_selector =
            SchemeSelector { authentication, credentials: self.credentials, rules: self.rules };
        let login = match &route {
            Route::Local(_) => Login::Anonymous,
            Route::Network(..) => scheme_selector.login(&self.endpoint, &SchemeSearch::default())?,
        };
        Ok(Session(Arc::new(Inner {
            login: Mutex::new(login),
            is_accepted: AtomicBool::new(false),
            passed_over: Mutex::default(),
            scheme_selector: (authentication == Authentication::Automatic).then_some(scheme_selector),
            peer: route.peer(&self.endpoint),
            to: route.to(&self.endpoint),
            endpoint: self.endpoint,
            route,
            unencrypted,
            connect_timeout: self.connect_timeout.min(MAX_TIMEOUT),
            idle_timeout: idle_timeout.min(MAX_TIMEOUT + MAX_TIMEOUT),
            total_timeout: self.total_timeout.map(|limit| limit.min(MAX_TIMEOUT)),
            operation_timeout,
            max_envelope_size: self.max_envelope_size,
            answer_limit: self.answer_limit,
            locale: self.locale,
            encoding: self.encoding,
            illegal_characters: self.illegal_characters,
            tracer: self.tracer,
            session_id: format!("uuid:{}", random::uuid()),
            pool: Pool::default(),
            affinity: Affinity::default(),
            has_shell: AtomicBool::new(false),
        })))
    }
}

/// Default of the network delay.
const NETWORK_DELAY: Duration = Duration::from_secs(10);
/// Upper limit of all time limits, so that adding one to the current time cannot overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 86_400);
