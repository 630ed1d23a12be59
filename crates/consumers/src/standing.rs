//! Carries out what is registered, for as long as it is.

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

/// Takes a command line apart into words, as POSIX quotes them; `None` if a quotation does not end.
pub type Words = fn(&str) -> Option<Vec<String>>;

/// For whom a process acts on its own: for those with whose rights it does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody who can register anything acts as the user of this process.
    Everybody,
    /// This user, and whoever may write the file of the repository.
    Only(Sid),
}

/// Whether programs are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// They are, as the user of this process.
    Run,
    /// They are not.
    Refused,
}

/// Carries out what is registered.
pub struct Carrier {
    /// Whose events, and what is registered.
    pub engine: LivingEngine,
    /// For whom.
    pub whose: Whose,
    /// Whether that includes programs.
    pub commands: Commands,
    /// How command lines are taken apart.
    pub words: Words,
    /// Where events are told of that did not get to their consumers, beside the log.
    pub failures: FailureLog,
}

/// The most that is carried out at once.
const MOST: usize = 200;

/// How many events of one subscription wait for its consumer.
const EVENTS_AHEAD: usize = 100;

impl Carrier {
    /// Carries everything out that is registered, and follows what changes. It ends with the future.
    pub async fn run(self) {
        let mut changes = self.engine.repository().changes();
        let mut work = JoinSet::new();
        let mut under_way = HashMap::new();
        let mut refused = HashMap::new();
        loop {
            let engine = self.engine.clone();
            // It may wait for the disk.
            let _ = tokio::task::spawn_blocking(move || engine.engine()).await;
            self.turn(&mut work, &mut under_way, &mut refused);
            // Those that are no more have ended.
            while work.try_join_next().is_some() {}
            changes.next().await;
        }
    }

    /// Begins what is new, and ends what is not registered any more. Why something is not carried out is told once.
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
            // Something that acts on its own from now on is to be found.
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

/// Something that is carried out, until this is dropped.
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

/// The target of audit records, as everywhere in the service.
const AUDIT: &str = "audit";

/// Hears the events of one subscription and has them consumed, in their order.
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

/// Tells of events that did not get to one consumer.
struct Failures {
    log: FailureLog,
    bound: Bound,
    /// What the subscription is called in the log.
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

/// How often failures of one subscription are told.
const TOLD_IN_A_MINUTE: u32 = 60;

/// How long it is waited before events are asked for again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
