//! Heads of requests, and the time between two of them.

use std::io::ErrorKind;
use std::time::Duration;

use http::{HeadError, Limits, RequestHead};
use tokio::time::{Instant, timeout_at};

use super::link::{Link, receive};
use super::{Connection, Ended};

impl<I: Link> Connection<'_, I> {
    /// Receives a head; an idle connection is closed after a while, a slow one sooner.
    pub(super) async fn head(&mut self) -> Result<Result<RequestHead, HeadError>, Ended> {
        let limits = Limits::default();
        let idle = if self.account.is_some() { IDLE } else { IDLE_BEFORE_SIGN_IN };
        let mut deadline = Instant::now() + idle;
        let mut has_begun = false;
        loop {
            if !self.received.is_empty() {
                self.arrived();
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
            let until = self.next_look().map_or(deadline, |look| look.min(deadline));
            tokio::select! {
                read = timeout_at(until, receive(&mut self.io, &mut self.received)) => match read {
                    Ok(Ok(0)) => return Err(Ended("closed by the client")),
                    Ok(Ok(_)) => {}
                    // With TLS, many end without a word.
                    Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Err(Ended("closed by the client"));
                    }
                    Ok(Err(_)) => {
                        self.reading_failed();
                        return Err(Ended("reading failed"));
                    }
                    Err(_) if until < deadline => self.look()?,
                    Err(_) => return Err(Ended("no request in time")),
                },
                () = self.service.shutdown.begun(), if !has_begun => {
                    return Err(Ended("the service stops"));
                }
                () = self.peer.door.shut(), if !has_begun => {
                    return Err(Ended("the listener is gone"));
                }
            }
        }
    }
}

/// How long a connection may be idle once somebody has signed in on it.
const IDLE: Duration = Duration::from_secs(600);
/// How long it may be idle before.
const IDLE_BEFORE_SIGN_IN: Duration = Duration::from_secs(30);
