//! Session: endpoint, credentials and limits, and the path that every request takes.

mod builder;
mod post;
mod response;
mod settings;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use locks::Mutex;
use tokio::time::Instant;
use wsman::{Action, Head, Response};
use xml::{Encoding, Writer};

pub use builder::SessionBuilder;
pub use post::RawResponse;

use crate::affinity::Affinity;
use crate::authentication::{AuthState, Login, SchemeSearch, SchemeSelector, Setback, Unencrypted, exposed};
use crate::connection::{self, Connection};
use crate::error::{Error, OtherScheme, Progress, Violation};
use crate::local::LocalSockets;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::route::Route;
use crate::timeouts::Timeouts;
use crate::trace::{Direction, Tracer};
use crate::{Endpoint, Locator, Refusal, Scheme, Transport};

/// Client for one service. Clones are cheap and share their connections.
///
/// Nothing is sent before the first operation. Operations may run concurrently; each one uses a connection of its
/// own.
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    endpoint: Endpoint,
    route: Route,
    /// Description of the service for error messages.
    peer: String,
    /// Address of the service for the `a:To` header.
    to: String,
    login: Mutex<Login>,
    /// Selects another scheme if the first one fails; `None` if the scheme is fixed.
    scheme_selector: Option<SchemeSelector>,
    /// Whether the service has accepted the scheme of `login` before.
    is_accepted: AtomicBool,
    /// Schemes that were tried before the accepted one.
    passed_over: Mutex<Vec<OtherScheme>>,
    unencrypted: Unencrypted,
    connect_timeout: Duration,
    idle_timeout: Duration,
    total_timeout: Option<Duration>,
    operation_timeout: Duration,
    max_envelope_size: u32,
    answer_limit: usize,
    locale: String,
    encoding: Encoding,
    illegal_characters: IllegalCharacters,
    tracer: Tracer,
    session_id: String,
    pool: Pool,
    affinity: Affinity,
    /// Whether a shell was opened before; the first shell of a session is retried after a timeout.
    pub(crate) has_shell: AtomicBool,
}

/// Whether a request may be sent again when its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Sending it twice has the same effect as sending it once.
    Safe,
    /// Sending it twice may perform the operation twice or lose a response.
    Unsafe,
}

/// Treatment of characters in responses that XML does not allow, such as control characters in events of Windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IllegalCharacters {
    /// The response is rejected.
    #[default]
    Rejected,
    /// They become U+FFFD.
    Replaced,
}

impl Session {
    /// Returns a builder for a session with the service at an endpoint.
    pub fn builder(endpoint: Endpoint) -> SessionBuilder {
        SessionBuilder::new(endpoint)
    }

    /// Returns a builder for a session with the service of this machine, over the first of the Unix sockets that
    /// accepts a connection.
    ///
    /// Needs neither credentials nor encryption: the kernel authenticates both ends, and nothing leaves the machine.
    /// The listener must be root or the user of this process; nothing is sent to others.
    pub fn local(sockets: impl IntoIterator<Item = impl Into<PathBuf>>) -> SessionBuilder {
        SessionBuilder::new(Endpoint::local()).over(LocalSockets::new(sockets))
    }

    /// Endpoint of the service; for a Unix socket, a placeholder with the host `localhost`.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// HTTP proxy, if one is set.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        match &self.0.route {
            Route::Network(_, proxy) => proxy.as_ref(),
            Route::Local(_) => None,
        }
    }

    /// Checks whether the settings allow authentication with the service; every operation does this before it sends
    /// anything.
    ///
    /// # Errors
    /// [`Error::Refused`] if messages or a password would be readable on the network, [`Error::NoAllowedScheme`] if no
    /// scheme is usable.
    pub fn check_sign_in(&self) -> Result<(), Error> {
        self.require_protection()
    }

    /// Scheme of the session: the requested one, or with
    /// [`Authentication::Automatic`](crate::Authentication::Automatic) the one that the service accepted last. `None`
    /// without credentials.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.login().scheme()
    }

    /// Schemes that [`Authentication::Automatic`](crate::Authentication::Automatic) tried in vain before the service
    /// accepted [`Self::scheme`].
    #[must_use]
    pub fn passed_over_schemes(&self) -> Vec<OtherScheme> {
        self.0.passed_over.lock().clone()
    }

    pub(crate) fn route(&self) -> &Route {
        &self.0.route
    }

    /// Description of the service for error messages.
    pub(crate) fn peer(&self) -> &str {
        &self.0.peer
    }

    /// Time limit for the service to respond to one request.
    #[must_use]
    pub fn operation_timeout(&self) -> Duration {
        self.0.operation_timeout
    }

    /// Proxy that forwards each request and can read it.
    fn forwarder(&self) -> Option<&Proxy> {
        self.0.route.forwarder(&self.0.endpoint)
    }

    /// Maximum response size requested from the service, in bytes.
    #[must_use]
    pub fn max_envelope_size(&self) -> u32 {
        self.0.max_envelope_size
    }

    /// Returns the time limits of an operation that begins now.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: self.0.connect_timeout,
            idle: self.0.idle_timeout,
            total: self.0.total_timeout.map(|after| (after, Instant::now() + after)),
        }
    }

    /// Returns the SOAP headers of a request.
    pub(crate) fn head(&self, action: Action, locator: &Locator) -> Head {
        let inner = &self.0;
        let mut head = Head::new(action, random::uuid());
        head.to = Some(inner.to.clone());
        head.resource = Some(locator.resource.clone());
        head.selectors = locator.selectors.clone();
        head.options = locator.options.clone();
        head.fragment = locator.fragment.clone();
        head.max_envelope_size = Some(inner.max_envelope_size);
        head.operation_timeout = Some(inner.operation_timeout);
        head.locale = Some(inner.locale.clone());
        head.data_locale = Some(inner.locale.clone());
        head.session_id = Some(inner.session_id.clone());
        head
    }

    /// Sends a request and parses its response.
    pub(crate) async fn exchange(
        &self,
        head: &Head,
        retry: Retry,
        timeouts: &Timeouts,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        self.require_protection()?;
        let begun = Instant::now();
        let message = self.message(head, body);
        let cookie = self.0.affinity.cookie();
        let headers: Vec<_> = cookie.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
        let request = self.request(&message, &headers);
        let response = self.send(&request, retry, timeouts).await;
        let answer = response.and_then(|response| self.parse_response(head, response));
        tracing::debug!(
            peer = self.0.peer,
            resource = head.resource.as_ref().map_or("", |resource| resource.as_str()),
            action = %head.action.uri(),
            operation = head.message_id,
            elapsed_ms = begun.elapsed().as_millis(),
            error = answer.as_ref().err().map(tracing::field::display),
            "Operation ended"
        );
        answer
    }

    /// Sends a request without credentials, over a connection that is not reused.
    pub(crate) async fn exchange_anonymously(
        &self,
        head: &Head,
        headers: &[(&str, &str)],
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        let timeouts = self.timeouts();
        let message = self.message(head, body);
        let mut connection = self.connect(Login::Anonymous.start(), &timeouts).await?;
        let request = self.request(&message, headers);
        let response = connection.exchange(&request, self.body_limit(), &timeouts).await?;
        self.parse_response(head, response)
    }

    fn message(&self, head: &Head, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let text = head.envelope(&[], body);
        self.0.tracer.record(Direction::Sent, self.peer(), &text);
        self.0.encoding.encode(text)
    }

    pub(crate) fn request<'a>(
        &'a self,
        body: &'a [u8],
        headers: &'a [(&'a str, &'a str)],
    ) -> connection::Request<'a> {
        let media_type = match self.0.encoding {
            Encoding::Utf8 => "application/soap+xml;charset=UTF-8",
            Encoding::Utf16 => "application/soap+xml;charset=UTF-16",
        };
        connection::Request { endpoint: &self.0.endpoint, media_type, headers, body }
    }

    /// Sends a request over a pooled or a new connection. Repeats it once if the pooled connection was closed by the
    /// service and repeating is safe.
    async fn send(
        &self,
        request: &connection::Request<'_>,
        retry: Retry,
        timeouts: &Timeouts,
    ) -> Result<connection::Response, Error> {
        let limit = self.body_limit();
        if let Some(mut connection) = self.0.pool.take().await {
            let outcome = connection.exchange(request, limit, timeouts).await;
            match outcome {
                Err(Error::Disconnected { when: Progress::Sending, .. }) => {}
                // The service may end an authenticated session; the request was not processed then.
                Err(Error::AuthenticationFailed { .. }) => {}
                Err(Error::Disconnected { when: Progress::Waiting, .. }) if retry == Retry::Safe => {}
                outcome => return self.keep(connection, outcome),
            }
            tracing::trace!(peer = self.0.peer, "Pooled connection was closed by the service");
            self.0.pool.clear();
        }
        let mut login = self.login();
        let mut search = SchemeSearch::default();
        loop {
            let (connection, outcome) =
                self.exchange_on_new_connection(login.start(), request, limit, timeouts).await?;
            let Err(error) = outcome else {
                self.accept(login, search);
                return self.keep(connection, outcome);
            };
            login = match self.other_login(&mut search, &error).await {
                Some(other) => other,
                None => return Err(search.explain(error)),
            };
        }
    }

    /// Sends a request over a new connection, or over a second one if the first was closed with a challenge.
    async fn exchange_on_new_connection(
        &self,
        auth_state: AuthState,
        request: &connection::Request<'_>,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<(Connection, Result<connection::Response, Error>), Error> {
        let mut connection = self.connect(auth_state, timeouts).await?;
        let mut outcome = connection.exchange(request, limit, timeouts).await;
        if let Err(Error::Protocol { violation: Violation::ClosedDuringSignIn, .. }) = &outcome
            && let Some(auth_state) = connection.take_transferable_state()
        {
            connection = self.connect(auth_state, timeouts).await?;
            outcome = connection.exchange(request, limit, timeouts).await;
        }
        Ok((connection, outcome))
    }

    /// Selects another scheme after a failed sign-in; returns `None` if the scheme is fixed or there is no other one.
    async fn other_login(&self, search: &mut SchemeSearch, error: &Error) -> Option<Login> {
        let scheme_selector = self.0.scheme_selector.as_ref()?;
        let setback = Setback::of(error)?;
        // A scheme that the service has accepted before is not to blame.
        if setback != Setback::NotOffered && self.0.is_accepted.load(Ordering::Relaxed) {
            return None;
        }
        search.record(error, setback);
        if search.offered().is_none() {
            search.offer(&self.probe().await.ok()?.offered);
        }
        match scheme_selector.login(&self.0.endpoint, search) {
            Ok(Login::Refused(refusal)) => {
                search.end(&refusal);
                None
            }
            Ok(other) => Some(other),
            // The user name is not valid for the other scheme.
            Err(_) => None,
        }
    }

    /// Keeps the scheme that the service has accepted for the following connections.
    fn accept(&self, login: Login, search: SchemeSearch) {
        if self.0.scheme_selector.is_none() {
            return;
        }
        let passed_over = search.into_tried();
        if !passed_over.is_empty() {
            *self.0.passed_over.lock() = passed_over;
            *self.0.login.lock() = login;
        }
        let is_first = !self.0.is_accepted.swap(true, Ordering::Relaxed);
        if is_first && self.scheme() == Some(Scheme::Basic) {
            let reasons =
                self.passed_over_schemes().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            tracing::warn!(peer = %self.0.endpoint, reasons, "Signed in with Basic, which sends the password to the service");
        }
    }

    pub(crate) fn login(&self) -> Login {
        self.0.login.lock().clone()
    }

    fn keep(
        &self,
        connection: Connection,
        outcome: Result<connection::Response, Error>,
    ) -> Result<connection::Response, Error> {
        if let Ok(response) = &outcome {
            self.0.affinity.note(&response.head);
            if response.reusable {
                self.0.pool.put(connection);
            }
        }
        outcome
    }

    pub(crate) async fn connect(
        &self,
        auth_state: AuthState,
        timeouts: &Timeouts,
    ) -> Result<Connection, Error> {
        Connection::open(&self.0.endpoint, &self.0.route, auth_state, timeouts).await
    }

    /// Rejects a session that would send readable data, or data to a host whose identity cannot be verified, unless
    /// its settings allow it.
    fn require_protection(&self) -> Result<(), Error> {
        let inner = &self.0;
        if matches!(inner.route, Route::Local(_)) {
            return Ok(());
        }
        let login = self.login();
        let (what, refusal) = match &login {
            Login::Refused(refusal) => (exposed(refusal), Some(refusal)),
            login => match (inner.endpoint.transport(), inner.unencrypted) {
                (Transport::Http, Unencrypted::Refused) => (login.exposes(), None),
                _ => (None, None),
            },
        };
        match (what, refusal) {
            (Some(what), _) => Err(Error::Refused { what, endpoint: inner.endpoint.to_string() }),
            (None, Some(refusal)) => Err(Error::NoAllowedScheme {
                endpoint: inner.endpoint.to_string(),
                refusal: Refusal::clone(refusal),
            }),
            (None, None) => Ok(()),
        }
    }

    fn body_limit(&self) -> usize {
        let requested = usize::try_from(self.0.max_envelope_size).unwrap_or(usize::MAX);
        self.0.answer_limit.saturating_add(requested)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}
