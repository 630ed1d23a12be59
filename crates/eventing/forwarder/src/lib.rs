//! Forwarder of local events to collectors, by source-initiated subscriptions (MS-WSMV 3.1.4.6 to 3.1.4.10).
//!
//! A [`config::SubscriptionManager`] names a collector. [`Forwarder::run`] requests the subscriptions of this machine there, reads the
//! local logs ([`eventlog`]), and delivers the events that a subscription selects. A batch is sent again until the
//! collector acknowledges it; then the position is stored durably. After a crash the forwarder continues behind the
//! position that the collector has stored.

#![forbid(unsafe_code)]

mod batch;
mod collector_polling;
mod error;
mod report;
mod runner;
mod state;
mod stop;
mod transport;

use std::path::PathBuf;
use std::sync::Arc;

use config::SubscriptionManager;
use eventlog::local::LogPaths;
use tokio::sync::watch;

pub use error::ForwarderError;
pub use transport::SourceAuthentication;

use collector_polling::CollectorPolling;
use state::StateFile;

/// Parts of a forwarder.
#[derive(Clone)]
pub struct ForwarderParts {
    /// Collectors.
    pub managers: Vec<SubscriptionManager>,
    /// Logs whose events are forwarded.
    pub logs: LogPaths,
    /// File for positions; its directory must exist and belong to this process.
    pub state: PathBuf,
    /// Full name of this machine.
    pub computer: String,
    /// Maximum number of events per second of each subscription; `None` without a limit.
    pub max_rate: Option<u32>,
    /// Authentication at the collectors.
    pub authentication: SourceAuthentication,
    /// Rules for certificates of collectors.
    pub tls: client::TlsPolicy,
}

/// Forwarder of this machine.
pub struct Forwarder {
    parts: Arc<ForwarderParts>,
    state: Arc<StateFile>,
}

impl Forwarder {
    /// Reads the stored positions.
    ///
    /// # Errors
    /// [`ForwarderError`] if the state cannot be read, or if a collector cannot be used.
    pub fn open(parts: ForwarderParts) -> Result<Self, ForwarderError> {
        let state = StateFile::open(&parts.state)?;
        for policy in &parts.managers {
            transport::check(&parts, &policy.server)?;
        }
        Ok(Self { parts: Arc::new(parts), state: Arc::new(state) })
    }

    /// Forwards events until `stop` becomes `true`. Then the subscriptions are ended.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let tasks: Vec<_> = self
            .parts
            .managers
            .iter()
            .map(|policy| {
                let polling =
                    CollectorPolling::new(Arc::clone(&self.parts), Arc::clone(&self.state), policy.clone());
                tokio::spawn(polling.run(stop.clone()))
            })
            .collect();
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "A task of the forwarder failed");
            }
        }
    }
}
