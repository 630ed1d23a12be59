//! Runs the registered subscriptions.

use std::collections::HashMap;
use std::time::Duration;

use cim::Instance;
use repository::LivingEngine;
use sddl::Sid;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use wmi::{Context, Occurrence};

use crate::failure::{Bound, Failure};
use crate::pace::Pace;
use crate::waiting::{self, Full};
use crate::{Consumer, FailureLog, Problem, Registered, Subscription, registered};

/// Splits a command line into words with POSIX quoting; `None` if a quotation is not closed.
pub type Words = fn(&str) -> Option<Vec<String>>;

/// Creators whose subscriptions this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All creators, because every user who can register acts as the user of this process.
    Everybody,
    /// Only this user, and the owner of the repository file.
    Only(Sid),
}

/// Whether consumers may run programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// Programs are run as the user of this process.
    Run,
    /// Programs are not run.
    Refused,
}

/// Runs the registered subscriptions.
pub struct Carrier {
    /// Engine with the events and the registered subscriptions.
    pub engine: LivingEngine,
    /// Creators whose subscriptions are run.
    pub whose: Whose,
    /// Whether programs may be run.
    pub commands: Commands,
    /// Function that splits command lines.
    pub words: Words,
    /// Log of undelivered events.
    pub failures: FailureLog,
}

/// Maximum number of active subscriptions.
const MOST: usize = 200;

/// Maximum number of events of a subscription that wait for its consumer.
const EVENTS_AHEAD: usize = 100;

impl Carrier {
    /// Runs all registered subscriptions and follows changes. Dropping the future stops them.
    pub async fn run(self) {
        let mut changes = self.engine.repository().changes();
        let mut work = JoinSet::new();
        let mut under_way = HashMap::new();
        let mut refused = HashMap::new();
        loop {
            let engine = self.engine.clone();
            // Reading the repository may block on the disk.
            let _ = tokio::task::spawn_blocking(move || engine.engine()).await;
            self.turn(&mut work, &mut under_way, &mut refused);
            // Remove tasks of subscriptions that have ended.
            while work.try_join_next().is_some() {}
            changes.next().await;
        }
    }

    /// Starts new subscriptions and stops those that are no longer registered. The reason why a subscription
    /// is not run is logged once.
    fn turn(
        &self,
        work: &mut JoinSet<()>,
        under_way: &mut HashMap<String, UnderWay>,
        refused: &mut HashMap<String, String>,
    ) {
        let mut before = std::mem::take(under_way);
        let mut refused_before = std::mem::take(refused);
        for registered in registered(&self.engine.repository().contents(), self.words) {
            let Registered { namespace, filter, consumer, creator, subscription } = registered;
            let told = format!("{namespace}:{filter} -> {consumer}");
            let subscription = self.admitted(creator, subscription);
            let creator = creator.map(|sid| sid.numeric().to_string()).unwrap_or_default();
            let subscription = match subscription {
                Ok(subscription) => subscription,
                Err(problem) => {
                    let problem = problem.to_string();
                    if refused_before.remove(&told).as_ref() != Some(&problem) {
                        warn!(
                            subscription = told,
                            creator,
                            error = problem,
                            "A permanent subscription is not carried out"
                        );
                    }
                    refused.insert(told, problem);
                    continue;
                }
            };
            if let Some(same) = before.remove(&told).filter(|known| known.subscription == subscription) {
                under_way.insert(told, same);
                continue;
            }
            if under_way.len() >= MOST {
                warn!(subscription = told, most = MOST, "A permanent subscription is one too many");
                continue;
            }
            // An audit record makes every active subscription traceable.
            info!(
                target: AUDIT, event = "permanent-subscription", outcome = "begun", subscription = told, creator,
                "A permanent subscription is carried out"
            );
            let bound = Bound { namespace, events: subscription.filter.namespace.clone(), consumer };
            let failures = Failures { log: self.failures.clone(), bound, told: told.clone() };
            let handle = work.spawn(carry_out(self.engine.clone(), failures, subscription.clone()));
            under_way.insert(told.clone(), UnderWay { told, subscription, handle });
        }
    }

    fn admitted(
        &self,
        creator: Option<Sid>,
        subscription: Result<Subscription, Problem>,
    ) -> Result<Subscription, Problem> {
        if let (Whose::Only(me), Some(creator)) = (self.whose, creator)
            && me != creator
        {
            return Err(Problem::Creator(creator.numeric().to_string()));
        }
        let subscription = subscription?;
        match (&subscription.consumer, self.commands) {
            (Consumer::CommandLine(_), Commands::Refused) => Err(Problem::Commands),
            _ => Ok(subscription),
        }
    }
}

/// An active subscription; dropping it stops the subscription.
struct UnderWay {
    told: String,
    subscription: Subscription,
    handle: AbortHandle,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        info!(
            target: AUDIT, event = "permanent-subscription", outcome = "ended", subscription = self.told,
            "A permanent subscription is not carried out any more"
        );
        self.handle.abort();
    }
}

/// Target of audit records, the same in the whole service.
const AUDIT: &str = "audit";

/// Receives the events of a subscription and passes them to the consumer in order.
async fn carry_out(engine: LivingEngine, failures: Failures, subscription: Subscription) {
    let Subscription { filter, consumer, queue } = subscription;
    let (sender, mut events) = waiting::queue(EVENTS_AHEAD, queue);
    let name = &failures.told;
    let hearing = async {
        let mut pause = SHORTEST_PAUSE;
        let mut telling = Pace::new(TOLD_IN_A_MINUTE);
        loop {
            let began = Instant::now();
            let context = Context::of_this_process("permanent subscription");
            let subscribed = engine.engine().subscribe(&context, &filter.namespace, &filter.query).await;
            let error = match subscribed {
                Ok(mut events) => loop {
                    let lost = match events.next().await {
                        Some(Ok(Occurrence::Event(event))) => {
                            let Err(Full { event, octets }) = sender.send(event) else { continue };
                            warn!(
                                subscription = name,
                                octets, "An event is given up: its consumer is too slow"
                            );
                            (Some(event), Some(octets))
                        }
                        Some(Ok(Occurrence::Dropped(count))) => {
                            warn!(subscription = name, count, "Events are given up: they come too fast");
                            (None, None)
                        }
                        Some(Err(error)) => break error.to_string(),
                        None => break "there are no more events".to_owned(),
                    };
                    if telling.take(Instant::now()) {
                        let (event, octets) = lost;
                        failures.tell(event, Failure::Overflow(octets)).await;
                    }
                },
                Err(error) => error.to_string(),
            };
            warn!(
                subscription = name,
                error, "The events of a permanent subscription cannot be had; later again"
            );
            pause =
                if began.elapsed() > LONGEST_PAUSE { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            sleep(pause).await;
        }
    };
    let consuming = async {
        let mut pace = Pace::new(consumer.pace());
        let mut telling = Pace::new(TOLD_IN_A_MINUTE);
        while let Some(event) = events.next().await {
            let failure = if pace.take(Instant::now()) {
                if let Some(count) = pace.refused() {
                    warn!(subscription = name, count, "Events were given up: too many in a minute");
                }
                let Err(error) = consumer.consume(event.clone()).await else { continue };
                warn!(subscription = name, %error, "A consumer has failed");
                Failure::Consumer(error)
            } else {
                Failure::Pace
            };
            if telling.take(Instant::now()) {
                failures.tell(Some(event), failure).await;
            }
        }
    };
    tokio::join!(hearing, consuming);
}

/// Reports undelivered events of a subscription.
struct Failures {
    log: FailureLog,
    bound: Bound,
    /// Name of the subscription in the log.
    told: String,
}

impl Failures {
    async fn tell(&self, event: Option<Instance>, failure: Failure) {
        let (log, bound) = (self.log.clone(), self.bound.clone());
        let added = tokio::task::spawn_blocking(move || log.add(&bound, event.as_ref(), &failure)).await;
        if let Ok(Err(error)) = added {
            warn!(subscription = self.told, %error, "Nobody can be told of a failure");
        }
    }
}

/// Maximum number of failures of a subscription reported per minute.
const TOLD_IN_A_MINUTE: u32 = 60;

/// Pause before an event query is repeated after a failure.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
