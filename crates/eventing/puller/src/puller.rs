//! Tasks of all sources.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use eventing::{CollectorSubscription, Source};
use locks::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use winevent::Timestamp;
use winevent::subscription::{EventSource, SubscriptionType};

use crate::PullerParts;
use crate::connection_limit::ConnectionLimit;
use crate::source_task::SourceTask;

/// Tasks that pull events from the sources of collector-initiated subscriptions. Dropping it stops them.
pub struct Puller {
    parts: Arc<PullerParts>,
    limit: Arc<ConnectionLimit>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: HashMap<SourceKey, Running>,
    /// Tasks that were stopped. A later task of the same source waits for its predecessor.
    stopping: HashMap<SourceKey, JoinHandle<()>>,
    /// Settings of each subscription without its sources, by identifier. They are shared by the tasks.
    settings: HashMap<String, Arc<CollectorSubscription>>,
}

/// Identifiers of a subscription and of a source.
type SourceKey = (String, String);

/// Task of one source.
struct Running {
    settings: Arc<CollectorSubscription>,
    event_source: EventSource,
    stop: watch::Sender<bool>,
    retry: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Puller {
    /// Prepares the tasks; [`follow`](Self::follow) starts them.
    #[must_use]
    pub fn new(parts: PullerParts) -> Self {
        let limit = Arc::new(ConnectionLimit::new(parts.max_connections));
        Self { parts: Arc::new(parts), limit, state: Mutex::default() }
    }

    /// Starts and stops tasks according to the subscriptions of the collector. Tasks that wait after a failure try again
    /// at once. Must be called within the runtime.
    pub fn follow(&self) {
        let now = Timestamp::from(SystemTime::now());
        let subscriptions = self.parts.collector.subscriptions();
        let is_puller = self.parts.collector.is_puller();
        let active = subscriptions.iter().filter(|one| {
            is_puller
                && one.subscription.kind == SubscriptionType::CollectorInitiated
                && one.subscription.is_active(now)
        });
        let mut state = self.state.lock();
        let mut wanted = HashMap::new();
        let mut all_settings = HashMap::new();
        for one in active {
            let settings = state.shared_settings(one);
            for event_source in one.subscription.sources.iter().filter(|source| source.enabled) {
                let source = Source::of_address(&event_source.address);
                wanted.insert((one.id.clone(), source.id()), (Arc::clone(&settings), source, event_source));
            }
            all_settings.insert(one.id.clone(), settings);
        }
        state.settings = all_settings;
        state.stop_others(|key, running| {
            wanted.get(key).is_some_and(|(settings, _, event_source)| {
                Arc::ptr_eq(settings, &running.settings) && **event_source == running.event_source
            })
        });
        for (key, (settings, source, event_source)) in wanted {
            match state.running.get(&key) {
                Some(running) => running.retry.notify_one(),
                None => self.start(&mut state, key, settings, source, event_source.clone()),
            }
        }
    }

    /// Follows the subscriptions as [`follow`](Self::follow), also after changes that come from other collectors with the
    /// same database, until the collector is closed.
    pub async fn follow_others(&self) {
        let mut changes = self.parts.collector.changes();
        self.follow();
        while changes.changed().await.is_ok() {
            self.follow();
        }
    }

    fn start(
        &self,
        state: &mut State,
        key: SourceKey,
        settings: Arc<CollectorSubscription>,
        source: Source,
        event_source: EventSource,
    ) {
        let (stop, stopped) = watch::channel(false);
        let retry = Arc::new(Notify::new());
        let task = SourceTask {
            parts: Arc::clone(&self.parts),
            limit: Arc::clone(&self.limit),
            settings: Arc::clone(&settings),
            event_source: event_source.clone(),
            source,
            stop: stopped,
            retry: Arc::clone(&retry),
        };
        let predecessor = state.stopping.remove(&key);
        let task = tokio::spawn(async move {
            if let Some(predecessor) = predecessor {
                // It may still be writing a batch, whose bookmark this task needs.
                let _ = predecessor.await;
            }
            task.run().await;
        });
        state.running.insert(key, Running { settings, event_source, stop, retry, task });
    }

    /// Stops all tasks, and waits for them.
    pub async fn end(&self) {
        let tasks: Vec<_> = {
            let mut state = self.state.lock();
            state.stop_others(|_, _| false);
            state.stopping.drain().map(|(_, task)| task).collect()
        };
        for task in tasks {
            let _ = task.await;
        }
    }
}

impl State {
    /// Returns the settings of a subscription without its sources: the previous object if they are the same, so that
    /// its tasks go on.
    fn shared_settings(&self, one: &CollectorSubscription) -> Arc<CollectorSubscription> {
        let mut settings = one.clone();
        settings.subscription.sources = Vec::new();
        match self.settings.get(&one.id) {
            Some(previous) if **previous == settings => Arc::clone(previous),
            _ => Arc::new(settings),
        }
    }

    /// Stops the tasks that a function does not keep, and forgets those that have ended.
    fn stop_others(&mut self, is_kept: impl Fn(&SourceKey, &Running) -> bool) {
        self.stopping.retain(|_, task| !task.is_finished());
        let others =
            self.running.extract_if(|key, running| running.task.is_finished() || !is_kept(key, running));
        for (key, running) in others {
            running.stop.send_replace(true);
            self.stopping.insert(key, running.task);
        }
    }
}
