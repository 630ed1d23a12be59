//! What the sockets of the service have to do with its configuration.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::{Listener, ListenerKey, ListenerSource, State, Store};
use service::{ListenerStatus, Report};

/// Tells on which addresses a listener listens now.
pub type ListeningOn = Arc<dyn Fn(ListenerKey) -> Vec<IpAddr> + Send + Sync>;

/// Where the service listens.
pub(crate) enum Sockets {
    /// Where it was told to on its command line; the configuration only shows it.
    Fixed(ListeningOn),
    /// Where the configuration says.
    Configured(ListenerStatus),
}

impl Sockets {
    /// The addresses of a listener: `ListeningOn`.
    pub(crate) fn of(&self, listener: &Listener) -> Vec<IpAddr> {
        if !listener.enabled {
            return Vec::new();
        }
        match self {
            Self::Fixed(listening_on) if listener.source == ListenerSource::Local => {
                listening_on(listener.key())
            }
            Self::Fixed(_) => Vec::new(),
            Self::Configured(listening) => {
                let report = listening.report();
                let mut own = report.listeners.iter().filter(|own| own.source == listener.source);
                own.find(|own| own.key == listener.key()).map(|own| own.addresses.clone()).unwrap_or_default()
            }
        }
    }

    /// Waits until the sockets are those of the configuration, as far as they can be, so that whoever added a
    /// listener finds it open.
    pub(crate) async fn follow(&self, store: &Store) {
        /// Making a key takes a moment; whoever does not get a socket at all is told so in the log.
        const PATIENCE: Duration = Duration::from_secs(2);
        if let Self::Configured(listening) = self {
            let mut reports = listening.subscribe();
            let followed = reports.wait_for(|report| is_of(report, &store.state()));
            // An error means that the service ends, or takes longer: the change is made all the same.
            let _ = tokio::time::timeout(PATIENCE, followed).await;
        }
    }
}

/// Whether a report is about the listeners of a configuration.
fn is_of(report: &Report, state: &State) -> bool {
    let in_force = state.listeners.in_force(&state.config.service);
    let all = in_force.iter().filter(|listener| listener.enabled);
    let configured = all.map(|listener| (listener.key(), listener.source, listener.port.number()));
    configured.eq(report.listeners.iter().map(|own| (own.key, own.source, own.port)))
}
