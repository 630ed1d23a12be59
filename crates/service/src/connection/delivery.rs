//! Delivery of responses: whether the client has received the last one.
//!
//! A response that was written is in a buffer of the kernel and may be lost with the connection. A plug-in that set a
//! delivery callback ([`Delivered`]) is therefore called when the first of these happens:
//!
//! - bytes of the next request arrive on the connection;
//! - the client's system has acknowledged every byte of the response, as reported by the kernel.
//!
//! The callback is dropped, and the plug-in keeps its output, if the connection is reset or times out first, or if no
//! byte of the response is acknowledged for two minutes. In the last case the connection is reset, so that the rest
//! cannot arrive later. A client that closes its direction of the connection proves nothing: it may have done so before
//! it received the response.
//!
//! The decision blocks no request. The state is checked at once and then at increasing intervals while the connection
//! waits for the next request: a system that expects to send data soon delays acknowledgements by up to 200
//! milliseconds. Only a connection that is about to close is kept open for the decision, because later data could not
//! be distinguished from the response.
//!
//! Over TCP, the client's system acknowledges, not the client. If the client then resets the connection without having
//! read the response, it is lost: this looks the same as a proxy that has read everything and closes with a reset, as
//! some always do. If the client reads everything and resets before its system has acknowledged it, it receives the
//! same output again, because the kernel ignores the acknowledgement in a reset. Over a Unix socket, a response is
//! delivered when it was read.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::time::{Instant, sleep, sleep_until};

use super::link::Link;
use super::{Connection, Disconnect, socket_status};
use crate::endpoint::Transport;
use crate::plugin::Delivered;

/// Delivery callback of the last response, and the schedule of checks.
pub(super) struct PendingDelivery {
    delivered: Delivered,
    /// Time of the next check.
    next_check: Instant,
    interval: Duration,
    /// Unacknowledged bytes at the last check.
    outstanding: u32,
    /// Time at which `outstanding` last changed.
    progress: Instant,
}

/// Delivery status of a response.
enum DeliveryStatus {
    Delivered,
    /// The number of bytes that are not acknowledged.
    Pending(u32),
    Lost,
}

impl PendingDelivery {
    fn new(delivered: Delivered) -> Self {
        let now = Instant::now();
        Self { delivered, next_check: now, interval: FIRST_INTERVAL, outstanding: 0, progress: now }
    }
}

impl<I: Link> Connection<'_, I> {
    /// Starts tracking the delivery of a response that was written.
    pub(super) fn track_delivery(&mut self, delivered: Delivered) -> Result<(), Disconnect> {
        self.pending_delivery = Some(PendingDelivery::new(delivered));
        self.check_delivery()
    }

    /// Calls the delivery callback of the last response, if it is pending.
    pub(super) fn mark_delivered(&mut self) {
        if let Some(pending_delivery) = self.pending_delivery.take() {
            (pending_delivery.delivered)();
        }
    }

    /// Returns the time of the next check, if a delivery is pending.
    pub(super) fn next_delivery_check(&self) -> Option<Instant> {
        self.pending_delivery.as_ref().map(|pending| pending.next_check)
    }

    /// Checks whether the client has received the last response.
    pub(super) fn check_delivery(&mut self) -> Result<(), Disconnect> {
        match self.delivery_status() {
            DeliveryStatus::Delivered => self.mark_delivered(),
            DeliveryStatus::Lost => self.pending_delivery = None,
            DeliveryStatus::Pending(outstanding) => {
                let Some(pending_delivery) = &mut self.pending_delivery else { return Ok(()) };
                let now = Instant::now();
                if pending_delivery.outstanding != outstanding {
                    pending_delivery.outstanding = outstanding;
                    pending_delivery.progress = now;
                }
                if now.duration_since(pending_delivery.progress) >= ACKNOWLEDGEMENT_TIMEOUT {
                    self.pending_delivery = None;
                    if let Some(socket) = self.io.socket() {
                        // Otherwise the kernel would keep retransmitting the response that the plug-in has taken back.
                        let _ = set_socket_linger(socket, Some(Duration::ZERO));
                    }
                    return Err(Disconnect("the client acknowledges no data"));
                }
                pending_delivery.next_check = now + pending_delivery.interval;
                pending_delivery.interval = (pending_delivery.interval * 2).min(LAST_INTERVAL);
            }
        }
        Ok(())
    }

    /// Decides about a pending delivery after a read error, with the state known to the kernel: the error is reported
    /// only once, so later checks could not see it.
    pub(super) fn resolve_delivery(&mut self) {
        let is_acknowledged =
            self.io.socket().is_some_and(|socket| socket_status::outstanding(socket) == Ok(0));
        if is_acknowledged && self.peer.transport != Transport::Local {
            self.mark_delivered();
        }
        self.pending_delivery = None;
    }

    /// Waits until the delivery of the last response is decided, on a connection that is about to close.
    pub(super) async fn await_delivery(&mut self) {
        let service = self.service;
        let settling = async {
            if let Some(pending_delivery) = &mut self.pending_delivery {
                pending_delivery.next_check = Instant::now();
                pending_delivery.interval = FIRST_INTERVAL;
            }
            while let Some(next_check) = self.next_delivery_check() {
                sleep_until(next_check).await;
                if self.check_delivery().is_err() {
                    break;
                }
            }
        };
        let stopping = async {
            service.shutdown.begun().await;
            sleep(SHUTDOWN_WAIT).await;
        };
        tokio::select! {
            () = settling => {}
            () = stopping => {}
        }
    }

    fn delivery_status(&self) -> DeliveryStatus {
        let Some(socket) = self.io.socket() else { return DeliveryStatus::Delivered };
        match socket_status::outstanding(socket) {
            // Closing a Unix socket with unread data discards the data and is reported as an error first.
            Ok(0) if self.peer.transport == Transport::Local && socket_status::has_failed(socket) => {
                DeliveryStatus::Lost
            }
            Ok(0) => DeliveryStatus::Delivered,
            Ok(outstanding) if !socket_status::has_failed(socket) => DeliveryStatus::Pending(outstanding),
            Ok(_) => DeliveryStatus::Lost,
            // The kernel does not support the query, so acceptance by the kernel counts as delivery.
            Err(_) => DeliveryStatus::Delivered,
        }
    }
}

/// Time between the first two checks; each following interval is twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(1);
const LAST_INTERVAL: Duration = Duration::from_secs(1);
/// Time without acknowledgements after which a connection is reset.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(120);
/// Time to wait for a pending delivery during shutdown.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);
