//! Runs the registered subscriptions.

use std::collections::HashMap;
use std::time::Duration;

use cim::Instance;
use repository::ReloadingEngine;
use sddl::Sid;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use wmi::{Context, Occurrence};

use crate::failure::{BoundConsumer, Failure};
use crate::queue::{self, QueueFull};
use crate::rate_limit::RateLimit;
use crate::{
    Activity, CommandPolicy, Consumer, FailureLog, Problem, Registered, Subscription, Words, registered,
};

/// Creators whose subscriptions this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creators {
    /// All creators, because every user who can register acts as the user of this process.
    All,
    /// Only this user, and the owner of the repository file.
    Only(Sid),
}

/// Runs the registered subscriptions.
pub struct SubscriptionRunner {
    /// Engine with the events and the registered subscriptions.
    pub engine: ReloadingEngine,
    /// Creators whose subscriptions are run.
    pub creators: Creators,
    /// Whether programs may be run.
    pub commands: CommandPolicy,
    /// Function that splits command lines.
    pub words: Words,
    /// Log of undelivered events.
    pub failures: FailureLog,
    /// Record of this process for other programs.
    pub activity: Activity,
}

/// Maximum number of active subscriptions.
const MOST: usize = 200;

/// Maximum number of events of a subscription that wait for its consumer.
const EVENTS_AHEAD: usize = 100;

impl SubscriptionRunner {
    /// Runs all registered subscriptions and follows changes. Dropping the future stops them.
    pub async fn run(self) {
        let recorded = self.activity.begin(self.commands);
        let _recorded = recorded.inspect_err(|error| {
            warn!(%error, "Cannot record that permanent subscriptions are active");
        });
        let mut changes = self.engine.repository().changes();
        let mut work = JoinSet::new();
        let mut active = HashMap::new();
        let mut refused = HashMap::new();
        loop {
            let engine = self.engine.clone();
            // Reading the repository may block on the disk.
            let _ = tokio::task::spawn_blocking(move || engine.engine()).await;
            self.update(&mut work, &mut active, &mut refused);
            // Remove tasks of subscriptions that have ended.
            while work.try_join_next().is_some() {}
            changes.next().await;
        }
    }

    /// Starts new subscriptions and stops those that are no longer registered. The reason why a subscription
    /// is not run is logged once.
    fn update(
        &self,
        work: &mut JoinSet<()>,
        active: &mut HashMap<String, ActiveSubscription>,
        refused: &mut HashMap<String, String>,
    ) {
        let mut previous = std::mem::take(active);
        let mut refused_previous = std::mem::take(refused);
        for registered in registered(&self.engine.repository().contents(), self.words) {
            let Registered { namespace, filter, consumer, creator, subscription } = registered;
            let name = format!("{namespace}:{filter} -> {consumer}");
            let subscription = self.admitted(creator, subscription);
            let creator = creator.map(|sid| sid.numeric().to_string()).unwrap_or_default();
            let subscription = match subscription {
                Ok(subscription) => subscription,
                Err(problem) => {
                    let problem = problem.to_string();
                    if refused_previous.remove(&name).as_ref() != Some(&problem) {
                        warn!(
                            subscription = name,
                            creator,
                            error = problem,
                            "Permanent subscription rejected"
                        );
                    }
                    refused.insert(name, problem);
                    continue;
                }
            };
            if let Some(unchanged) = previous.remove(&name).filter(|known| known.subscription == subscription)
            {
                active.insert(name, unchanged);
                continue;
            }
            if active.len() >= MOST {
                warn!(subscription = name, most = MOST, "Permanent subscription not started: limit reached");
                continue;
            }
            // An audit record makes every active subscription traceable.
            info!(
                target: AUDIT, event = "permanent-subscription", outcome = "begun", subscription = name, creator,
                "Permanent subscription started"
            );
            let bound = BoundConsumer { namespace, events: subscription.filter.namespace.clone(), consumer };
            let failures = Failures { log: self.failures.clone(), bound, name: name.clone() };
            let handle = work.spawn(run_subscription(self.engine.clone(), failures, subscription.clone()));
            active.insert(name.clone(), ActiveSubscription { name, subscription, handle });
        }
    }

    fn admitted(
        &self,
        creator: Option<Sid>,
        subscription: Result<Subscription, Problem>,
    ) -> Result<Subscription, Problem> {
        if let (Creators::Only(me), Some(creator)) = (self.creators, creator)
            && me != creator
        {
            return Err(Problem::Creator(creator.numeric().to_string()));
        }
        let subscription = subscription?;
        match (&subscription.consumer, self.commands) {
            (Consumer::CommandLine(_), CommandPolicy::Deny) => Err(Problem::Commands),
            _ => Ok(subscription),
        }
    }
}

/// An active subscription; dropping it stops the subscription.
struct ActiveSubscription {
    name: String,
    subscription: Subscription,
    handle: AbortHandle,
}

impl Drop for ActiveSubscription {
    fn drop(&mut self) {
        info!(
            target: AUDIT, event = "permanent-subscription", outcome = "ended", subscription = self.name,
            "Permanent subscription stopped"
        );
        self.handle.abort();
    }
}

/// Target of audit records, the same in the whole service.
const AUDIT: &str = "audit";

/// Receives the events of a subscription and passes them to the consumer in order.
async fn run_subscription(engine: ReloadingEngine, failures: Failures, subscription: Subscription) {
    let Subscription { filter, consumer, queue } = subscription;
    let (sender, mut events) = queue::queue(EVENTS_AHEAD, queue);
    let name = &failures.name;
    let receiving = async {
        let mut pause = SHORTEST_PAUSE;
        let mut report_limit = RateLimit::new(REPORTS_PER_MINUTE);
        loop {
            let began = Instant::now();
            let context = Context::of_this_process("permanent subscription");
            let subscribed = engine.engine().subscribe(&context, &filter.namespace, &filter.query).await;
            let error = match subscribed {
                Ok(mut events) => loop {
                    let lost = match events.next().await {
                        Some(Ok(Occurrence::Event(event))) => {
                            let Err(QueueFull { event, octets }) = sender.send(event) else { continue };
                            warn!(subscription = name, octets, "Event dropped: consumer queue is full");
                            (Some(event), Some(octets))
                        }
                        Some(Ok(Occurrence::Dropped(count))) => {
                            warn!(subscription = name, count, "Events dropped: event queue is full");
                            (None, None)
                        }
                        // The engine has logged it.
                        Some(Ok(Occurrence::Omitted(_))) => continue,
                        Some(Err(error)) => break error.to_string(),
                        None => break "the event source ended".to_owned(),
                    };
                    if report_limit.try_acquire(Instant::now()) {
                        let (event, octets) = lost;
                        failures.report(event, Failure::Overflow(octets)).await;
                    }
                },
                Err(error) => error.to_string(),
            };
            warn!(
                subscription = name,
                error, "Event query of a permanent subscription failed; retrying later"
            );
            pause =
                if began.elapsed() > LONGEST_PAUSE { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            sleep(pause).await;
        }
    };
    let consuming = async {
        let mut limit = RateLimit::new(consumer.events_per_minute());
        let mut report_limit = RateLimit::new(REPORTS_PER_MINUTE);
        while let Some(event) = events.next().await {
            let failure = if limit.try_acquire(Instant::now()) {
                if let Some(count) = limit.refused() {
                    warn!(subscription = name, count, "Events dropped: rate limit of the consumer exceeded");
                }
                let Err(error) = consumer.consume(event.clone()).await else { continue };
                warn!(subscription = name, %error, "Event consumer failed");
                Failure::Consumer(error)
            } else {
                Failure::RateLimit
            };
            if report_limit.try_acquire(Instant::now()) {
                failures.report(Some(event), failure).await;
            }
        }
    };
    tokio::join!(receiving, consuming);
}

/// Reports undelivered events of a subscription.
struct Failures {
    log: FailureLog,
    bound: BoundConsumer,
    /// Name of the subscription in the log.
    name: String,
}

impl Failures {
    async fn report(&self, event: Option<Instance>, failure: Failure) {
        let (log, bound) = (self.log.clone(), self.bound.clone());
        let added = tokio::task::spawn_blocking(move || log.add(&bound, event.as_ref(), &failure)).await;
        if let Ok(Err(error)) = added {
            warn!(subscription = self.name, %error, "Cannot write the log of undelivered events");
        }
    }
}

/// Maximum number of failures of a subscription reported per minute.
const REPORTS_PER_MINUTE: u32 = 60;

/// Minimum and maximum pause before an event query is repeated after a failure.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
