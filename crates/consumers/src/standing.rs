//! Carries out what is registered, for as long as it is.

use std::collections::HashMap;
use std::time::Duration;

use repository::LivingEngine;
use sddl::Sid;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use wmi::{Context, Occurrence};

use crate::pace::Pace;
use crate::{Consumer, Problem, Registered, Subscription, registered};

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
        under_way: &mut HashMap<String, (Subscription, tokio::task::AbortHandle)>,
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
            if let Some(same) = before.remove(&told).filter(|(known, _)| *known == subscription) {
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
            let handle = work.spawn(carry_out(self.engine.clone(), told.clone(), subscription.clone()));
            under_way.insert(told, (subscription, handle));
        }
        for (told, (_, handle)) in before {
            info!(
                target: AUDIT, event = "permanent-subscription", outcome = "ended", subscription = told,
                "A permanent subscription is not carried out any more"
            );
            handle.abort();
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

/// The target of audit records, as everywhere in the service.
const AUDIT: &str = "audit";

/// Hears the events of one subscription and has them consumed, in their order.
async fn carry_out(engine: LivingEngine, told: String, subscription: Subscription) {
    let Subscription { filter, consumer } = subscription;
    let (sender, mut events) = mpsc::channel(EVENTS_AHEAD);
    let name = told.clone();
    let hearing = async move {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            let context = Context::of_this_process("permanent subscription");
            let subscribed = engine.engine().subscribe(&context, &filter.namespace, &filter.query).await;
            let error = match subscribed {
                Ok(mut events) => loop {
                    match events.next().await {
                        Some(Ok(Occurrence::Event(event))) => {
                            if sender.try_send(event).is_err() {
                                warn!(subscription = name, "An event is given up: its consumer is too slow");
                            }
                        }
                        Some(Ok(Occurrence::Dropped(count))) => {
                            warn!(subscription = name, count, "Events are given up: they come too fast");
                        }
                        Some(Err(error)) => break error.to_string(),
                        None => break "there are no more events".to_owned(),
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
        while let Some(event) = events.recv().await {
            if !pace.take(Instant::now()) {
                continue;
            }
            if let Some(count) = pace.refused() {
                warn!(subscription = told, count, "Events were given up: too many in a minute");
            }
            if let Err(error) = consumer.consume(event).await {
                warn!(subscription = told, %error, "A consumer has failed");
            }
        }
    };
    tokio::join!(hearing, consuming);
}

/// How long it is waited before events are asked for again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
