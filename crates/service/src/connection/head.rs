//! Heads of requests, and the idle time between requests.

use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use http::{HeadError, Limits, RequestHead};
use tokio::time::{Instant, timeout_at};

use super::link::{Link, receive};
use super::{Connection, Disconnect};

impl<I: Link> Connection<'_, I> {
    /// Receives the head of a request.
    ///
    /// Closes the connection if it is idle for too long, if the head takes too long, or if `closing` is ready before
    /// the first byte.
    pub(super) async fn head(
        &mut self,
        mut closing: Pin<&mut impl Future<Output = Disconnect>>,
    ) -> Result<Result<RequestHead, HeadError>, Disconnect> {
        let limits = Limits::default();
        let is_known = self.account.is_some() || self.is_event_source;
        let idle = if is_known { IDLE_TIMEOUT } else { IDLE_TIMEOUT_UNAUTHENTICATED };
        let mut deadline = Instant::now() + idle;
        let mut has_begun = false;
        loop {
            if !self.received.is_empty() {
                self.mark_delivered();
                match RequestHead::parse(&self.received, &limits) {
                    Ok(Some((head, length))) => {
                        self.received.drain(..length);
                        return Ok(Ok(head));
                    }
                    Ok(None) => {}
                    Err(error) => return Ok(Err(error)),
                }
                if !has_begun {
                    has_begun = true;
                    deadline = Instant::now() + self.retrieval_time();
                }
            }
            let until = self.next_delivery_check().map_or(deadline, |check| check.min(deadline));
            tokio::select! {
                biased;
                read = timeout_at(until, receive(&mut self.io, &mut self.received)) => match read {
                    Ok(Ok(0)) => return Err(Disconnect("closed by the client")),
                    Ok(Ok(_)) => {}
                    // Many TLS clients close the connection without a close_notify alert.
                    Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Err(Disconnect("closed by the client"));
                    }
                    Ok(Err(_)) => {
                        self.resolve_delivery();
                        return Err(Disconnect("read failed"));
                    }
                    Err(_) if until < deadline => self.check_delivery()?,
                    Err(_) => return Err(Disconnect("idle timeout or incomplete request")),
                },
                disconnect = closing.as_mut(), if !has_begun => return Err(disconnect),
            }
        }
    }
}

/// Maximum idle time of a connection on which a caller has authenticated.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// Maximum idle time of a connection before that.
const IDLE_TIMEOUT_UNAUTHENTICATED: Duration = Duration::from_secs(30);
