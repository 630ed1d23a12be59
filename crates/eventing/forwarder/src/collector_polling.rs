//! Subscriptions of one collector.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use config::SubscriptionManager;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use winevent::delivery::{CollectorAnswer, OfferedSubscription};

use crate::report::Report;
use crate::runner::Runner;
use crate::state::StateFile;
use crate::stop::stopped;
use crate::transport::{CollectorLink, Outgoing};
use crate::{ForwarderError, ForwarderParts};

/// Requests subscriptions from a collector and runs them.
pub(crate) struct CollectorPolling {
    parts: Arc<ForwarderParts>,
    state: Arc<StateFile>,
    policy: SubscriptionManager,
    running: HashMap<String, Running>,
}

struct Running {
    version: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Interval between two requests for subscriptions if the policy has none.
const DEFAULT_REFRESH: Duration = Duration::from_secs(900);
/// Maximum number of parts of a list of subscriptions.
const MAX_PAGES: usize = 100;

impl CollectorPolling {
    pub(crate) fn new(
        parts: Arc<ForwarderParts>,
        state: Arc<StateFile>,
        policy: SubscriptionManager,
    ) -> Self {
        Self { parts, state, policy, running: HashMap::new() }
    }

    /// Requests the subscriptions in the interval of the policy until `stop` becomes `true`.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let refresh =
            self.policy.refresh.map_or(DEFAULT_REFRESH, |seconds| Duration::from_secs(seconds.into()));
        loop {
            tokio::select! {
                offered = self.enumerate() => match offered {
                    Ok(offers) => self.apply(offers).await,
                    Err(error) => Report::Failed { address: &self.policy.server, error: &error }.write(),
                },
                () = stopped(&mut stop) => break,
            }
            tokio::select! {
                () = tokio::time::sleep(refresh) => {}
                () = stopped(&mut stop) => break,
            }
        }
        for (_, running) in self.running.drain() {
            running.end().await;
        }
    }

    /// Requests the subscriptions of this machine.
    async fn enumerate(&self) -> Result<Vec<OfferedSubscription>, ForwarderError> {
        let link = CollectorLink::new(&self.parts, &self.policy.server, Vec::new(), false)?;
        let mut answer = link.exchange(&Outgoing::Enumerate).await?;
        let mut offers = Vec::new();
        for _ in 0..MAX_PAGES {
            let CollectorAnswer::Subscriptions(page) = answer else {
                return Err(ForwarderError::UnexpectedAnswer);
            };
            for offer in page.offers {
                match offer {
                    Ok(offer) => offers.push(offer),
                    Err(error) => {
                        Report::NotCreated { subscription: &error.name, reason: &error.reason }.write();
                    }
                }
            }
            let Some(context) = page.context else { break };
            answer = link.exchange(&Outgoing::Pull(&context)).await?;
        }
        Report::Connected { manager: &self.policy.server, subscriptions: offers.len() }.write();
        Ok(offers)
    }

    /// Ends subscriptions that are not offered any more or have changed, and starts those that do not run.
    async fn apply(&mut self, offers: Vec<OfferedSubscription>) {
        let offers: HashMap<String, OfferedSubscription> =
            offers.into_iter().map(|offer| (key(&self.policy, &offer), offer)).collect();
        let ended: Vec<String> = self
            .running
            .iter()
            .filter(|(key, running)| !running.is_current(offers.get(key.as_str())))
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            if let Some(running) = self.running.remove(&key) {
                running.end().await;
            }
        }
        for (key, offer) in offers {
            if self.running.contains_key(&key) {
                continue;
            }
            let (name, version) = (offer.name.clone(), offer.version.clone());
            match Runner::new(Arc::clone(&self.parts), Arc::clone(&self.state), key.clone(), offer) {
                Ok(runner) => {
                    let (stop, stopped) = watch::channel(false);
                    let task = tokio::spawn(runner.run(stopped));
                    self.running.insert(key, Running { version, stop, task });
                }
                Err(error) => {
                    Report::NotCreated { subscription: &name, reason: &error.to_string() }.write();
                }
            }
        }
    }
}

impl Running {
    /// Returns whether the subscription runs as it is offered.
    fn is_current(&self, offer: Option<&OfferedSubscription>) -> bool {
        !self.task.is_finished() && offer.is_some_and(|offer| offer.version == self.version)
    }

    async fn end(self) {
        // The receiver is gone if the task has ended.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "A subscription failed");
        }
    }
}

/// Returns the key of a subscription in the state: collector and name, or its address if it has no name.
fn key(policy: &SubscriptionManager, offer: &OfferedSubscription) -> String {
    let name = if offer.name.is_empty() { &offer.notify_to.url } else { &offer.name };
    format!("{} {name}", policy.server)
}
