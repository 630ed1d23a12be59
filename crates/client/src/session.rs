//! A session: an endpoint, credentials and limits, and the one way every request goes.

mod answer;
mod builder;
mod post;
mod settings;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wsman::{Action, Head, Response};
use xml::{Encoding, Writer};

pub use builder::SessionBuilder;
pub use post::Posted;

use crate::affinity::Affinity;
use crate::authentication::{Automatic, Login, Proof, Unencrypted, exposed};
use crate::connection::{self, Connection};
use crate::error::{Error, Progress, Violation};
use crate::local::LocalSockets;
use crate::patience::Patience;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::random::fresh_uuid;
use crate::route::Route;
use crate::trace::{Direction, Onlooker};
use crate::{Endpoint, Locator, Refusal, Scheme, Transport};

/// Operations on one service. Cloning it is cheap, and all clones share their connections.
///
/// Nothing is sent before the first operation. Operations may run at the same time; each takes a connection
/// of its own.
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    endpoint: Endpoint,
    route: Route,
    /// Whom it speaks with, for people.
    peer: String,
    /// What its messages are addressed to.
    to: String,
    login: Mutex<Login>,
    /// How another scheme is found where a service does not offer the first one.
    automatic: Option<Automatic>,
    unencrypted: Unencrypted,
    connect_timeout: Duration,
    idle_timeout: Duration,
    total_timeout: Option<Duration>,
    operation_timeout: Duration,
    max_envelope_size: u32,
    answer_limit: usize,
    locale: String,
    encoding: Encoding,
    onlooker: Onlooker,
    session_id: String,
    pool: Pool,
    affinity: Affinity,
    /// A shell was opened before, so that the service is warm.
    pub(crate) has_shell: AtomicBool,
}

/// Whether a request may be sent again when it is not known what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice does what once does.
    Harmless,
    /// Twice might do it twice, or lose an answer.
    Harmful,
}

impl Session {
    /// A session with the service at an endpoint.
    pub fn builder(endpoint: Endpoint) -> SessionBuilder {
        SessionBuilder::new(endpoint)
    }

    /// A session with the service of this machine, at the first of these Unix sockets that somebody listens on.
    ///
    /// It needs neither credentials nor permission: the kernel tells the service who asks, and nobody on the
    /// way can read anything. Who listens must be root or the user of this process; to others nothing is sent.
    pub fn local(sockets: impl IntoIterator<Item = impl Into<PathBuf>>) -> SessionBuilder {
        SessionBuilder::new(Endpoint::here()).over(LocalSockets::new(sockets))
    }

    /// Where the service is; for one of this machine, what its messages are addressed to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The proxy on the way, if there is one.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        match &self.0.route {
            Route::Network(_, proxy) => proxy.as_ref(),
            Route::Local(_) => None,
        }
    }

    /// Whether the session may sign in at all, by its settings: what every operation asks before it sends anything.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::NoWayIn`].
    pub fn may_sign_in(&self) -> Result<(), Error> {
        self.require_protection()
    }

    pub(crate) fn route(&self) -> &Route {
        &self.0.route
    }

    /// Whom it speaks with, for people.
    pub(crate) fn peer(&self) -> &str {
        &self.0.peer
    }

    /// Within what time the service is to answer one request.
    #[must_use]
    pub fn operation_timeout(&self) -> Duration {
        self.0.operation_timeout
    }

    /// The proxy that sees its messages.
    fn forwarder(&self) -> Option<&Proxy> {
        self.0.route.forwarder(&self.0.endpoint)
    }

    /// The largest answer asked for, in octets.
    #[must_use]
    pub fn max_envelope_size(&self) -> u32 {
        self.0.max_envelope_size
    }

    /// The limits of an operation that begins now.
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            connect: self.0.connect_timeout,
            idle: self.0.idle_timeout,
            total: self.0.total_timeout.map(|after| (after, Instant::now() + after)),
        }
    }

    /// The head of a request.
    pub(crate) fn head(&self, action: Action, locator: &Locator) -> Head {
        let inner = &self.0;
        let mut head = Head::new(action, fresh_uuid());
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

    /// Sends a request and reads the answer to it.
    pub(crate) async fn exchange(
        &self,
        head: &Head,
        repeat: Repeat,
        patience: &Patience,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        self.require_protection()?;
        let begun = Instant::now();
        let message = self.message(head, body);
        let cookie = self.0.affinity.cookie();
        let headers: Vec<_> = cookie.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
        let request = self.request(&message, &headers);
        let response = self.send(&request, repeat, patience).await;
        let answer = response.and_then(|response| self.understand(head, response));
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

    /// The same without credentials, over a connection that serves nothing else.
    pub(crate) async fn exchange_anonymously(
        &self,
        head: &Head,
        headers: &[(&str, &str)],
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        let patience = self.patience();
        let message = self.message(head, body);
        let mut connection = self.connect(Login::Anonymous.begin(), &patience).await?;
        let request = self.request(&message, headers);
        let response = connection.exchange(&request, self.body_limit(), &patience).await?;
        self.understand(head, response)
    }

    fn message(&self, head: &Head, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let text = head.envelope(&[], body);
        self.0.onlooker.see(Direction::Sent, self.peer(), &text);
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

    /// Takes a connection from the pool or opens one, and repeats the request once if the pooled one turns
    /// out to be dead and repeating is harmless.
    async fn send(
        &self,
        request: &connection::Request<'_>,
        repeat: Repeat,
        patience: &Patience,
    ) -> Result<connection::Response, Error> {
        let limit = self.body_limit();
        if let Some(mut connection) = self.0.pool.take().await {
            let outcome = connection.exchange(request, limit, patience).await;
            match outcome {
                Err(Error::Disconnected { when: Progress::Sending, .. }) => {}
                // What the connection had proven is not believed for ever; nothing was done then.
                Err(Error::AuthenticationFailed { .. }) => {}
                Err(Error::Disconnected { when: Progress::Waiting, .. }) if repeat == Repeat::Harmless => {}
                outcome => return self.keep(connection, outcome),
            }
            tracing::trace!(peer = self.0.peer, "A pooled connection was dead");
            self.0.pool.clear();
        }
        let (connection, outcome) =
            self.exchange_anew(self.login().begin(), request, limit, patience).await?;
        let Err(Error::AuthenticationFailed { offered, tried: Some(tried), .. }) = &outcome else {
            return self.keep(connection, outcome);
        };
        // Once: what a service offers could change for ever.
        let Some(other) = self.login_by_another_scheme(offered, *tried)? else { return outcome };
        let (connection, outcome) = self.exchange_anew(other.begin(), request, limit, patience).await?;
        self.keep(connection, outcome)
    }

    /// Over a new connection, or over two where the first was closed with a challenge.
    async fn exchange_anew(
        &self,
        proof: Proof,
        request: &connection::Request<'_>,
        limit: usize,
        patience: &Patience,
    ) -> Result<(Connection, Result<connection::Response, Error>), Error> {
        let mut connection = self.connect(proof, patience).await?;
        let mut outcome = connection.exchange(request, limit, patience).await;
        if let Err(Error::Protocol { violation: Violation::ClosedDuringSignIn, .. }) = &outcome
            && let Some(proof) = connection.proof_to_go_on_with()
        {
            connection = self.connect(proof, patience).await?;
            outcome = connection.exchange(request, limit, patience).await;
        }
        Ok((connection, outcome))
    }

    /// How the session signs in from now on if the service does not offer what was tried, and that was nobody's wish.
    fn login_by_another_scheme(&self, offered: &[String], tried: Scheme) -> Result<Option<Login>, Error> {
        let Some(automatic) = &self.0.automatic else { return Ok(None) };
        let offered: BTreeSet<Scheme> =
            offered.iter().filter_map(|name| Scheme::from_challenge(name)).collect();
        if offered.contains(&tried) {
            return Ok(None);
        }
        let other = automatic.login(&self.0.endpoint, Some(offered))?;
        if matches!(other, Login::Refused(_)) {
            return Ok(None);
        }
        self.0.login.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&other);
        Ok(Some(other))
    }

    pub(crate) fn login(&self) -> Login {
        self.0.login.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    pub(crate) async fn connect(&self, proof: Proof, patience: &Patience) -> Result<Connection, Error> {
        Connection::open(&self.0.endpoint, &self.0.route, proof, patience).await
    }

    /// Nothing may leave this process readable for others, or go to a host that nothing proves, unless that is
    /// allowed.
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
            (None, Some(refusal)) => {
                Err(Error::NoWayIn { endpoint: inner.endpoint.to_string(), refusal: Refusal::clone(refusal) })
            }
            (None, None) => Ok(()),
        }
    }

    fn body_limit(&self) -> usize {
        let asked = usize::try_from(self.0.max_envelope_size).unwrap_or(usize::MAX);
        self.0.answer_limit.saturating_add(asked)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}
