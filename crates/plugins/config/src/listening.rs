//! Relation between the configured listeners and the sockets of the service.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::{Listener, ListenerKey, ListenerSource, Serving, State, Store};
use service::{ListenerStatus, Report};

/// Function that returns the current addresses of a listener.
pub type ListeningOn = Arc<dyn Fn(ListenerKey) -> Vec<IpAddr> + Send + Sync>;

/// Sockets of the service.
#[derive(Clone)]
pub(crate) enum Sockets {
    /// Sockets given on the command line; the configuration only shows them.
    Fixed(ListeningOn),
    /// Sockets of the configured listeners.
    Configured(ListenerStatus),
}

impl Sockets {
    /// Returns the addresses and the certificate of a listener.
    pub(crate) fn of(&self, listener: &Listener) -> Serving {
        if !listener.enabled {
            return Serving::default();
        }
        match self {
            Self::Fixed(listening_on) if listener.source == ListenerSource::Local => {
                Serving { addresses: listening_on(listener.key()), certificate: None }
            }
            Self::Fixed(_) => Serving::default(),
            Self::Configured(listening) => {
                let report = listening.report();
                let mut own = report.listeners.iter().filter(|own| own.source == listener.source);
                own.find(|own| own.key == listener.key()).map(|own| own.serving.clone()).unwrap_or_default()
            }
        }
    }

    /// Waits until the sockets match the configuration, so that a new listener is open when the response is sent.
    pub(crate) async fn follow(&self, store: &Store) {
        /// Time to create a key. Listeners that still have no socket then are reported in the log.
        const PATIENCE: Duration = Duration::from_secs(2);
        if let Self::Configured(listening) = self {
            let mut reports = listening.subscribe();
            let followed = reports.wait_for(|report| matches(report, &store.state()));
            // On an error, the service ends or takes longer; the change is saved in any case.
            let _ = tokio::time::timeout(PATIENCE, followed).await;
        }
    }
}

/// Returns whether a report covers the enabled listeners of a configuration.
fn matches(report: &Report, state: &State) -> bool {
    let in_force = state.listeners.in_force(&state.config.service);
    let all = in_force.iter().filter(|listener| listener.enabled);
    let configured = all.map(|listener| (listener.key(), listener.source, listener.port.number()));
    configured.eq(report.listeners.iter().map(|own| (own.key, own.source, own.port)))
}
