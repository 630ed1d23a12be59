//! Whether the last answer arrived.
//!
//! An answer that was written is in the hands of the kernel, and may be lost with the connection. A plug-in that asked
//! to be told ([`Delivered`]) is therefore told when the first of these happens:
//!
//! - octets of the next request come on the connection;
//! - the other end has acknowledged every octet of the answer, which the kernel knows.
//!
//! It is not told, and takes its answer back, when the connection is reset or times out before, or when nothing of the
//! answer is acknowledged for two minutes; then the connection is reset, so that the rest cannot arrive later.
//! That the client closes its end says nothing by itself: it may have done so before the answer.
//!
//! Nobody waits for the decision. The kernel is asked at once, and then ever more rarely while the next request is
//! awaited: a system that expects to answer soon acknowledges up to 200 milliseconds late. Only a connection that is
//! to be closed stays open for it, because what is written behind the answer could not be told from it.
//!
//! Over TCP, it is the client's system that acknowledges. If the client resets the connection after that without
//! having read, the answer is lost: nothing tells it from a proxy that has read everything and closes by a reset, as
//! some do as a rule. If it reads all and resets before its system has acknowledged that, it is given the same again:
//! the kernel does not look at what a reset acknowledges. Over a Unix socket the answer has arrived when it was read.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::time::{Instant, sleep, sleep_until};

use super::link::Link;
use super::{Connection, Ended, socket};
use crate::listener::Transport;
use crate::plugin::Delivered;

/// Whom to tell when the last answer arrives, and when to look whether it has.
pub(super) struct Undecided {
    delivered: Delivered,
    look: Instant,
    interval: Duration,
    /// In octets, when it was looked last.
    outstanding: u32,
    /// When that number last changed.
    progress: Instant,
}

/// What has become of an answer.
enum Fate {
    Arrived,
    /// So many octets of it are not acknowledged.
    UnderWay(u32),
    Lost,
}

impl Undecided {
    fn new(delivered: Delivered) -> Self {
        let now = Instant::now();
        Self { delivered, look: now, interval: FIRST_INTERVAL, outstanding: 0, progress: now }
    }
}

impl<I: Link> Connection<'_, I> {
    /// An answer was written; the plug-in is told when it arrives.
    pub(super) fn written(&mut self, delivered: Delivered) -> Result<(), Ended> {
        self.undecided = Some(Undecided::new(delivered));
        self.look()
    }

    /// The last answer arrived, if there was one to ask about.
    pub(super) fn arrived(&mut self) {
        if let Some(undecided) = self.undecided.take() {
            (undecided.delivered)();
        }
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.undecided.as_ref().map(|undecided| undecided.look)
    }

    /// Looks whether the last answer arrived.
    pub(super) fn look(&mut self) -> Result<(), Ended> {
        match self.fate() {
            Fate::Arrived => self.arrived(),
            Fate::Lost => self.undecided = None,
            Fate::UnderWay(outstanding) => {
                let Some(undecided) = &mut self.undecided else { return Ok(()) };
                let now = Instant::now();
                if undecided.outstanding != outstanding {
                    undecided.outstanding = outstanding;
                    undecided.progress = now;
                }
                if now.duration_since(undecided.progress) >= SILENCE {
                    self.undecided = None;
                    if let Some(socket) = self.io.socket() {
                        // What was taken back must not be sent again and again by the kernel.
                        let _ = set_socket_linger(socket, Some(Duration::ZERO));
                    }
                    return Err(Ended("the client acknowledges nothing"));
                }
                undecided.look = now + undecided.interval;
                undecided.interval = (undecided.interval * 2).min(LAST_INTERVAL);
            }
        }
        Ok(())
    }

    /// Reading has failed, which the kernel will not tell again: decides with what is known.
    pub(super) fn reading_failed(&mut self) {
        let is_acknowledged = self.io.socket().is_some_and(|socket| socket::outstanding(socket) == Ok(0));
        if is_acknowledged && self.peer.transport != Transport::Local {
            self.arrived();
        }
        self.undecided = None;
    }

    /// Waits until it is known whether the last answer arrived, if nothing more is to be said.
    pub(super) async fn settle(&mut self) {
        let service = self.service;
        let settling = async {
            if let Some(undecided) = &mut self.undecided {
                undecided.look = Instant::now();
                undecided.interval = FIRST_INTERVAL;
            }
            while let Some(look) = self.next_look() {
                sleep_until(look).await;
                if self.look().is_err() {
                    break;
                }
            }
        };
        let stopping = async {
            service.shutdown.begun().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = settling => {}
            () = stopping => {}
        }
    }

    fn fate(&self) -> Fate {
        let Some(socket) = self.io.socket() else { return Fate::Arrived };
        let has_failed = || socket::has_failed(socket);
        match socket::outstanding(socket) {
            // The end of a Unix socket discards what was not read, and says so before.
            Ok(0) if self.peer.transport == Transport::Local && has_failed() => Fate::Lost,
            Ok(0) => Fate::Arrived,
            Ok(outstanding) if !has_failed() => Fate::UnderWay(outstanding),
            Ok(_) => Fate::Lost,
            // A kernel that does not know the question: that it has taken the answer is all there is to know.
            Err(_) => Fate::Arrived,
        }
    }
}

/// How soon after an answer it is looked for the second time; each time it takes twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(1);
const LAST_INTERVAL: Duration = Duration::from_secs(1);
/// How long a client may acknowledge nothing.
const SILENCE: Duration = Duration::from_secs(120);
/// How long an answer may take to arrive when the service stops.
const LAST_WORDS: Duration = Duration::from_secs(2);
