//! Collector-initiated subscriptions: connects to the listed event sources, subscribes, and stores their events
//! (MS-WSMV 3.1.4.1.30, DSP0226 10.2.9).
//!
//! Each source has a task of its own, so a source that does not answer delays no other one. A batch is stored by
//! [`eventing::Collector::deliver`] together with its bookmark, and only then the next request tells the source that
//! the events have arrived. After a crash of either end the task subscribes at the stored bookmark.
//!
//! Sources that push deliver to a listener of the collector, with a secret in the path of the URL
//! ([`eventing::Expected`]). Their tasks subscribe, renew, and subscribe again at the stored bookmark after an end, an
//! error, or a missing heartbeat. A new subscription has a new secret, and the previous one is invalid before the
//! bookmark is read, so that no event is lost or stored twice.
//!
//! The number of connections is limited. While tasks wait for a connection, the others give theirs up after a turn.
//!
//! Not part of this crate: files of subscriptions and passwords (`eventing`), and HTTP and authentication (`client`).

#![forbid(unsafe_code)]

mod back_off;
mod connection;
mod connection_limit;
mod delivery_address;
mod error;
mod page;
mod puller;
mod push_task;
mod source_task;

use std::sync::Arc;
use std::time::Duration;

use client::{ClientCertificate, ClientKeytab, TlsPolicy};
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
    /// URL of this collector for sources that push, such as `https://wec.example:5986/wsman`.
    pub delivery_url: String,
    /// Whether the presets `MinLatency` and `MinBandwidth` push, because the administrator has set the URL.
    pub presets_push: bool,
    /// Rules for certificates of sources.
    pub tls: TlsPolicy,
    /// Credentials for sources with [`winevent::subscription::CredentialsType::LocalMachine`].
    pub machine: MachineCredentials,
}

/// Credentials of this machine at sources.
#[derive(Clone, Debug, Default)]
pub struct MachineCredentials {
    /// Keytab with the principal of this machine.
    pub keytab: Option<ClientKeytab>,
    /// Certificate for sources with HTTPS.
    pub certificate: Option<ClientCertificate>,
}
