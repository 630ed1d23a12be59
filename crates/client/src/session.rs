//! A session: an endpoint, credentials and limits, and the one way every request goes.

mod builder;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::MediaType;
use tokio::time::Instant;
use wsman::{Action, Head, Response, ResponseError};
use xml::{Bounds, Encoding, Writer};

pub use builder::SessionBuilder;

use crate::affinity::Affinity;
use crate::authentication::{Login, Unencrypted};
use crate::connection::{self, Connection};
use crate::error::{Error, Progress, Violation};
use crate::patience::Patience;
use crate::pool::Pool;
use crate::random::fresh_uuid;
use crate::tls::Securer;
use crate::{Endpoint, Locator, Transport};

/// Operations on one service. Cloning it is cheap, and all clones share their connections.
///
/// Nothing is sent before the first operation. Operations may run at the same time; each takes a connection
/// of its own.
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    endpoint: Endpoint,
    login: Login,
    unencrypted: Unencrypted,
    securer: Securer,
    connect_timeout: Duration,
    idle_timeout: Duration,
    total_timeout: Option<Duration>,
    operation_timeout: Duration,
    max_envelope_size: u32,
    answer_limit: usize,
    locale: String,
    encoding: Encoding,
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

    /// Where the service is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
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
        head.to = Some(inner.endpoint.to_string());
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
        let message = self.0.encoding.encode(head.envelope(&[], body));
        let cookie = self.0.affinity.cookie();
        let headers: Vec<_> = cookie.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
        let request = self.request(&message, &headers);
        let response = self.send(&request, repeat, patience).await;
        let answer = response.and_then(|response| self.understand(head, response));
        tracing::debug!(
            peer = %self.0.endpoint.authority(),
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
        let message = self.0.encoding.encode(head.envelope(&[], body));
        let mut connection = self.open(Login::Anonymous, &patience).await?;
        let request = self.request(&message, headers);
        let response = connection.exchange(&request, self.body_limit(), &patience).await?;
        self.understand(head, response)
    }

    fn request<'a>(&'a self, body: &'a [u8], headers: &'a [(&'a str, &'a str)]) -> connection::Request<'a> {
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
                Err(Error::Disconnected { when: Progress::Waiting, .. }) if repeat == Repeat::Harmless => {}
                outcome => return self.keep(connection, outcome),
            }
            tracing::trace!(peer = %self.0.endpoint.authority(), "A pooled connection was dead");
            self.0.pool.clear();
        }
        let mut connection = self.open(self.0.login.clone(), patience).await?;
        let outcome = connection.exchange(request, limit, patience).await;
        self.keep(connection, outcome)
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

    async fn open(&self, login: Login, patience: &Patience) -> Result<Connection, Error> {
        Connection::open(&self.0.endpoint, &self.0.securer, login.begin(), patience).await
    }

    /// Nothing may leave this process readable for others unless that is allowed.
    fn require_protection(&self) -> Result<(), Error> {
        let inner = &self.0;
        match (inner.endpoint.transport(), inner.unencrypted, inner.login.exposes()) {
            (Transport::Http, Unencrypted::Refused, Some(what)) => {
                Err(Error::Refused { what, endpoint: inner.endpoint.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn body_limit(&self) -> usize {
        let asked = usize::try_from(self.0.max_envelope_size).unwrap_or(usize::MAX);
        self.0.answer_limit.saturating_add(asked)
    }

    /// Reads the message in a response. Its status only counts where there is no message: services differ
    /// in how they map faults to it.
    fn understand(&self, head: &Head, response: connection::Response) -> Result<Response, Error> {
        let connection::Response { head: http, body, .. } = response;
        let failed = Error::Http { status: http.status() };
        let is_success = (200..300).contains(&http.status());
        let violated = |violation| Error::Protocol { address: self.0.endpoint.authority(), violation };
        if body.is_empty() {
            return Err(if is_success { violated(Violation::Lacking("a message")) } else { failed });
        }
        let read = decode(http.header("Content-Type"), body).map_err(Violation::from).and_then(|text| {
            let bounds = Bounds { octets: usize::MAX, ..Bounds::default() };
            let answer = Response::parse(text, &bounds).map_err(Violation::Message)?;
            // Identify has no identifier that an answer could relate to.
            if !head.message_id.is_empty() {
                answer.require_relation(&head.message_id).map_err(Violation::Message)?;
            }
            Ok(answer)
        });
        match read {
            Ok(answer) if is_success => Ok(answer),
            Err(Violation::Message(ResponseError::Fault(fault))) => Err(Error::Fault(fault)),
            Err(violation) if is_success => Err(violated(violation)),
            _ => Err(failed),
        }
    }

    /// An answer that lacks what the operation needs.
    pub(crate) fn lacking(&self, what: &'static str) -> Error {
        let violation = Violation::Lacking(what);
        Error::Protocol { address: self.0.endpoint.authority(), violation }
    }

    /// An answer with a body that cannot be read.
    pub(crate) fn unreadable(&self, reason: impl ToString) -> Error {
        let violation = Violation::Body(reason.to_string());
        Error::Protocol { address: self.0.endpoint.authority(), violation }
    }
}

/// The text of a body; the parameter `charset` decides, then a byte order mark, else it is UTF-8.
fn decode(content_type: Option<&str>, body: Vec<u8>) -> Result<String, xml::EncodingError> {
    let media_type = content_type.and_then(|value| MediaType::parse(value).ok());
    let encoding = match media_type.as_ref().and_then(MediaType::charset) {
        Some(charset) => Encoding::from_charset(charset)?,
        None if body.starts_with(&[0xFF, 0xFE]) || body.starts_with(&[0xFE, 0xFF]) => Encoding::Utf16,
        None => Encoding::Utf8,
    };
    encoding.decode(body)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("endpoint", &self.0.endpoint.to_string()).finish_non_exhaustive()
    }
}
