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
use eventlog::text::TextLogPath;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use error::ForwarderError;
pub use transport::SourceAuthentication;

use collector_polling::CollectorPolling;
use report::Report;
use state::StateFile;
use stop::stopped;

/// Parts of a forwarder.
#[derive(Clone)]
pub struct ForwarderParts {
    /// Logs whose events are forwarded.
    pub logs: LogPaths,
    /// Text files whose lines are forwarded.
    pub files: Vec<TextLogPath>,
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
    managers: watch::Receiver<Vec<SubscriptionManager>>,
}

/// Collector whose subscriptions are requested.
struct RunningCollector {
    policy: SubscriptionManager,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Forwarder {
    /// Reads the stored positions. `managers` are the collectors, which may change while the forwarder runs.
    ///
    /// # Errors
    /// [`ForwarderError`] if the state cannot be read, or if a collector cannot be used.
    pub fn open(
        parts: ForwarderParts,
        managers: watch::Receiver<Vec<SubscriptionManager>>,
    ) -> Result<Self, ForwarderError> {
        let state = StateFile::open(&parts.state)?;
        for policy in managers.borrow().iter() {
            transport::check(&parts, &policy.server)?;
        }
        Ok(Self { parts: Arc::new(parts), state: Arc::new(state), managers })
    }

    /// Forwards events until `stop` becomes `true`. Then the subscriptions are ended.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut running = Vec::new();
        loop {
            let managers = self.managers.borrow_and_update().clone();
            self.apply(&managers, &mut running).await;
            tokio::select! {
                changed = self.managers.changed() => match changed {
                    Ok(()) => Report::PolicyChanged { managers: self.managers.borrow().len() }.write(),
                    // The policy cannot change any more.
                    Err(_) => {
                        stopped(&mut stop).await;
                        break;
                    }
                },
                () = stopped(&mut stop) => break,
            }
        }
        // All are stopped first, so that their last messages are sent at the same time.
        running.iter().for_each(RunningCollector::stop);
        for collector in running {
            collector.ended().await;
        }
    }

    /// Ends the subscriptions of collectors that the policy does not name any more, and begins with new collectors.
    async fn apply(&self, managers: &[SubscriptionManager], running: &mut Vec<RunningCollector>) {
        let removed: Vec<_> =
            running.extract_if(.., |collector| !managers.contains(&collector.policy)).collect();
        removed.iter().for_each(RunningCollector::stop);
        for collector in removed {
            collector.ended().await;
        }
        for policy in managers {
            if running.iter().any(|collector| collector.policy == *policy) {
                continue;
            }
            match transport::check(&self.parts, &policy.server) {
                Ok(()) => running.push(self.start(policy)),
                Err(error) => Report::Failed { address: &policy.server, error: &error }.write(),
            }
        }
    }

    fn start(&self, policy: &SubscriptionManager) -> RunningCollector {
        let polling = CollectorPolling::new(Arc::clone(&self.parts), Arc::clone(&self.state), policy.clone());
        let (stop, stopped) = watch::channel(false);
        RunningCollector { policy: policy.clone(), stop, task: tokio::spawn(polling.run(stopped)) }
    }
}

impl RunningCollector {
    fn stop(&self) {
        self.stop.send_replace(true);
    }

    async fn ended(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "A task of the forwarder failed");
        }
    }
}
