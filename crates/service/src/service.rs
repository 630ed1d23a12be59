//! State that all connections share.

use std::sync::Arc;

use auth::Authenticator;
use config::{Config, State};
use tokio::sync::watch;

use crate::authentication::SignIn;
use crate::balancer::BalancerConnections;
use crate::caller::Principals;
use crate::catalog::Catalog;
use crate::client_certificate::ClientCertificates;
use crate::connection_table::ConnectionTable;
use crate::enumeration::Enumerations;
use crate::event_endpoint::EventEndpoint;
use crate::metrics::Metrics;
use crate::plugin::Plugin as _;
use crate::quota::OperationLimit;
use crate::shutdown::Shutdown;
use crate::subscription::Subscriptions;

/// The parts of a service that the program supplies.
pub struct ServiceParts {
    /// The configuration, which may change while the service runs.
    pub state: watch::Receiver<Arc<State>>,
    /// Verifies credentials.
    pub authenticator: Arc<dyn Authenticator>,
    /// Maps accounts to SIDs.
    pub principals: Arc<dyn Principals>,
    /// The plug-ins.
    pub catalog: Catalog,
    /// Product information for Identify.
    pub product: Product,
    /// The collector of events, if the service has one.
    pub events: Option<Arc<dyn EventEndpoint>>,
}

/// Product information in the response to Identify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// `wsmid:ProductVendor`.
    pub vendor: String,
    /// Version of the operating system, which only authenticated clients receive.
    pub os_version: String,
}

/// A WS-Management service, shared by all its connections.
pub struct Service {
    pub(crate) state: watch::Receiver<Arc<State>>,
    pub(crate) sign_in: Arc<SignIn>,
    pub(crate) catalog: Catalog,
    pub(crate) product: Product,
    pub(crate) events: Option<Arc<dyn EventEndpoint>>,
    pub(crate) connections: Arc<ConnectionTable>,
    pub(crate) balancers: Arc<BalancerConnections>,
    pub(crate) shutdown: Shutdown,
    pub(crate) operations: OperationLimit,
    pub(crate) enumerations: Enumerations,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) metrics: Arc<Metrics>,
}

impl Service {
    /// Creates a service, which has no connections yet.
    ///
    /// # Panics
    /// If the operating system provides no random numbers.
    #[must_use]
    pub fn new(parts: ServiceParts) -> Arc<Self> {
        let ServiceParts { state, authenticator, principals, catalog, product, events } = parts;
        let metrics = Arc::new(Metrics::new());
        Arc::new(Self {
            state,
            sign_in: Arc::new(SignIn::new(authenticator, principals, Arc::clone(&metrics))),
            catalog,
            product,
            events,
            connections: ConnectionTable::new(Arc::clone(&metrics)),
            balancers: Arc::new(BalancerConnections::new()),
            shutdown: Shutdown::new(),
            operations: OperationLimit::default(),
            enumerations: Enumerations::default(),
            subscriptions: Subscriptions::default(),
            metrics,
        })
    }

    /// Returns the current configuration.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Returns the current settings.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.state.borrow().config)
    }

    /// Returns how TLS handshakes request client certificates.
    pub(crate) fn client_certificates(&self) -> ClientCertificates {
        let for_events = self.events.as_ref().map(|events| events.client_certificates());
        match for_events {
            Some(ClientCertificates::Required) => ClientCertificates::Required,
            Some(ClientCertificates::Requested) => ClientCertificates::Requested,
            _ if self.config().service.auth.certificate => ClientCertificates::Requested,
            _ => ClientCertificates::Unused,
        }
    }

    /// Begins the shutdown: listeners and connections accept no new requests and finish those in progress.
    pub fn begin_shutdown(&self) {
        self.shutdown.begin();
    }

    /// Waits until every connection is closed.
    pub async fn drained(&self) {
        self.connections.closed().await;
    }

    /// Closes every plug-in.
    pub async fn close_plugins(&self) {
        self.catalog.close().await;
    }
}
