//! The service as a whole: what all connections share.

use std::sync::Arc;

use auth::Authenticator;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use config::{Config, State};
use tokio::sync::watch;

use crate::access::Principals;
use crate::catalog::Catalog;
use crate::connection_table::ConnectionTable;
use crate::enumeration::Contexts;
use crate::plugin::Plugin as _;
use crate::quota::Operations;
use crate::subscription::Subscriptions;

/// What a program gives to make a service.
pub struct ServiceParts {
    /// The settings, which may change while the service runs.
    pub state: watch::Receiver<Arc<State>>,
    /// Who judges proofs.
    pub authenticator: Arc<dyn Authenticator>,
    /// Who knows the SIDs.
    pub principals: Arc<dyn Principals>,
    /// What can be managed.
    pub catalog: Catalog,
    /// What the service says of itself.
    pub product: Product,
}

/// What the service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Who made it.
    pub vendor: String,
    /// The version of the operating system, told only to those who have signed in.
    pub os_version: String,
}

/// The part of the service that every connection shares.
pub struct Service {
    pub(crate) state: watch::Receiver<Arc<State>>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) principals: Arc<dyn Principals>,
    pub(crate) catalog: Catalog,
    pub(crate) product: Product,
    pub(crate) connections: Arc<ConnectionTable>,
    pub(crate) shutdown: Shutdown,
    pub(crate) operations: Operations,
    pub(crate) contexts: Contexts,
    pub(crate) subscriptions: Subscriptions,
    /// Under which credentials are remembered; it dies with the process.
    header_key: hmac::Key,
}

impl Service {
    /// Puts a service together.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn new(parts: ServiceParts) -> Arc<Self> {
        let ServiceParts { state, authenticator, principals, catalog, product } = parts;
        Arc::new(Self {
            state,
            authenticator,
            principals,
            catalog,
            product,
            connections: ConnectionTable::new(),
            shutdown: Shutdown::new(),
            operations: Operations::default(),
            contexts: Contexts::default(),
            subscriptions: Subscriptions::default(),
            header_key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .expect("the system has randomness"),
        })
    }

    pub(crate) fn header_key(&self) -> &hmac::Key {
        &self.header_key
    }

    /// All that is configured now.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// The settings in force now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.state.borrow().config)
    }

    /// Tells listeners and connections to end: no new requests, those under way are answered.
    pub fn begin_shutdown(&self) {
        self.shutdown.begin();
    }

    /// Waits until every connection is closed, then lets the plug-ins go.
    pub async fn drained(&self) {
        self.connections.closed().await;
    }

    /// Lets every plug-in end what it runs.
    pub async fn close_plugins(&self) {
        self.catalog.close().await;
    }
}

/// The word that the service is to end, heard by everyone who waits for it.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}
