//! Collector-initiated subscriptions: connects to the listed event sources, subscribes in pull mode, and stores their
//! events (MS-WSMV 3.1.4.1.30, DSP0226 10.2.9.6).
//!
//! Each source has a task of its own, so a source that does not answer delays no other one. A batch is stored by
//! [`eventing::Collector::deliver`] together with its bookmark, and only then the next request tells the source that
//! the events have arrived. After a crash of either end the task subscribes at the stored bookmark.
//!
//! The number of connections is limited. While tasks wait for a connection, the others give theirs up after a turn.
//!
//! Not part of this crate: files of subscriptions and passwords (`eventing`), and HTTP and authentication (`client`).

#![forbid(unsafe_code)]

mod back_off;
mod connection;
mod connection_limit;
mod error;
mod page;
mod puller;
mod source_task;

use std::sync::Arc;
use std::time::Duration;

use client::TlsPolicy;
use eventing::Collector;

pub use puller::Puller;

/// Usual time of a connection while other sources wait for one.
pub const TURN: Duration = Duration::from_secs(30);

/// Parts of a puller.
#[derive(Clone)]
pub struct PullerParts {
    /// Collector that has the subscriptions and stores the events.
    pub collector: Arc<Collector>,
    /// Settings of clients: trusted hosts, allowed schemes, unencrypted messages.
    pub client: config::Client,
    /// Maximum number of connections to sources at the same time, at least 1.
    pub max_connections: usize,
    /// Time of a connection while other sources wait for one; usually [`TURN`].
    pub turn: Duration,
    /// Rules for certificates of sources.
    pub tls: TlsPolicy,
}
