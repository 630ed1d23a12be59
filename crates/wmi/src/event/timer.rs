//! Timers: `__IntervalTimerInstruction` and `__AbsoluteTimerInstruction` produce `__TimerEvent` (MS-WMI
//! 2.2.6).
//!
//! They exist in memory only, as long as the [successive engines](crate::generations::EngineGenerations).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cim::{Class, ColumnSet, DateTime, Instance, Name, Namespace, ObjectPath, Status, Value};
use locks::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{BoxFuture, EventSource, Happening, Watch};
use crate::{Context, Lookup, Provider, ProviderError, Scan, Sink, Storage};

/// Timers of one namespace.
pub(crate) struct Timers {
    namespace: Namespace,
    shared: Arc<Shared>,
}

/// State shared by timers and their event sources.
struct Shared {
    /// Timers by identifier in upper case.
    instructions: Mutex<BTreeMap<String, Instruction>>,
    /// Notified when timers change.
    changed: watch::Sender<()>,
}

#[derive(Clone)]
struct Instruction {
    instance: Instance,
    schedule: Schedule,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Schedule {
    Every { interval: Duration, since: Instant },
    Once(Instant),
}

impl Timers {
    pub(crate) fn new(namespace: Namespace) -> Self {
        let shared = Shared { instructions: Mutex::default(), changed: watch::Sender::new(()) };
        Self { namespace, shared: Arc::new(shared) }
    }

    fn store(&self, instance: &Instance, is_new: bool) -> Result<(), ProviderError> {
        let id = instance.value("TimerId").and_then(Value::as_str).unwrap_or_default();
        let instruction =
            Instruction { instance: instance.clone(), schedule: schedule(instance, SystemTime::now())? };
        let mut instructions = self.shared.instructions.lock();
        if is_new && instructions.contains_key(&id.to_uppercase()) {
            return Err(ProviderError::failed(
                Status::AlreadyExists,
                "a timer with this name already exists",
            ));
        }
        if is_new && instructions.len() >= MOST {
            let problem = format!("more than {MOST} timers");
            return Err(ProviderError::failed(Status::QuotaViolation, problem));
        }
        instructions.insert(id.to_uppercase(), instruction);
        drop(instructions);
        self.shared.changed.send_replace(());
        Ok(())
    }
}

impl Provider for Timers {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let names = ["__IntervalTimerInstruction", "__AbsoluteTimerInstruction", "__TimerEvent"];
        let names = names.into_iter().filter_map(|name| Name::parse(name).ok());
        names.map(|name| (self.namespace.clone(), name)).collect()
    }

    fn storage(&self) -> Storage {
        Storage::Repository
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let all: Vec<Instance> = self
            .shared
            .instructions
            .lock()
            .values()
            .map(|instruction| instruction.instance.clone())
            .collect();
        all.into_iter()
            .filter(|instance| instance.class().name() == scan.class().name())
            .try_for_each(|instance| rows.push(instance))
    }

    fn put(
        &self,
        _context: &Context,
        instance: &Instance,
        _changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        self.store(instance, false)
    }

    fn create(&self, _context: &Context, instance: &Instance) -> Result<ObjectPath, ProviderError> {
        self.store(instance, true)?;
        Ok(instance.path()?)
    }

    fn delete(&self, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let id = lookup.keys.first().and_then(Value::as_str).unwrap_or_default().to_uppercase();
        let mut instructions = self.shared.instructions.lock();
        let is_it = instructions
            .get(&id)
            .is_some_and(|instruction| instruction.instance.class().name() == lookup.class.name());
        if is_it {
            instructions.remove(&id);
            self.shared.changed.send_replace(());
        }
        Ok(is_it)
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        if *watch.class.name() != *"__TimerEvent" {
            return Ok(None);
        }
        Ok(Some(Box::new(TimerSource {
            class: watch.class.clone(),
            changed: self.shared.changed.subscribe(),
            shared: Arc::clone(&self.shared),
            reported_until: Instant::now(),
            ready: VecDeque::new(),
        })))
    }
}

/// Event source of timers for one subscription.
struct TimerSource {
    class: Arc<Class>,
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    /// Events up to this time have been reported.
    reported_until: Instant,
    ready: VecDeque<Instance>,
}

impl TimerSource {
    /// Returns the time at which the next timer fires.
    fn next_firing(&self) -> Option<Instant> {
        let instructions = self.shared.instructions.lock();
        instructions.values().filter_map(|instruction| instruction.schedule.after(self.reported_until)).min()
    }

    /// Queues the events since the last report.
    fn collect(&mut self, now: Instant) -> Result<(), ProviderError> {
        for instruction in self.shared.instructions.lock().values() {
            let count = instruction.schedule.count(self.reported_until, now);
            if count == 0 {
                continue;
            }
            let id = instruction.instance.value("TimerId").cloned().unwrap_or(Value::Null);
            let event = Instance::new(self.class.clone()).with("TimerId", id)?.with("NumFirings", count)?;
            self.ready.push_back(event);
        }
        self.reported_until = now;
        Ok(())
    }
}

impl EventSource for TimerSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Ok(Happening::Event(event));
                }
                let next = self.next_firing();
                let firing = async {
                    match next {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = firing => self.collect(Instant::now())?,
                    // The sender lives as long as `shared`.
                    _ = self.changed.changed() => {}
                }
            }
        })
    }
}

impl Schedule {
    /// Returns the first firing after a time.
    fn after(self, from: Instant) -> Option<Instant> {
        match self {
            Self::Once(at) => Some(at).filter(|at| *at > from),
            Self::Every { interval, since } => {
                let passed = firings(since, interval, from);
                let next = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
                since.checked_add(interval.saturating_mul(next))
            }
        }
    }

    /// Returns the number of firings between two times.
    fn count(self, reported_until: Instant, now: Instant) -> u32 {
        match self {
            Self::Once(at) => u32::from(at > reported_until && at <= now),
            Self::Every { interval, since } => {
                let count =
                    firings(since, interval, now).saturating_sub(firings(since, interval, reported_until));
                u32::try_from(count).unwrap_or(u32::MAX)
            }
        }
    }
}

/// Returns the number of firings of an interval timer from its start until a time.
fn firings(since: Instant, interval: Duration, until: Instant) -> u128 {
    until.saturating_duration_since(since).as_nanos() / interval.as_nanos().max(1)
}

fn wrong(problem: impl Into<String>) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

fn schedule(instance: &Instance, clock: SystemTime) -> Result<Schedule, ProviderError> {
    let now = Instant::now();
    match instance.value("IntervalBetweenEvents") {
        Some(Value::Uint32(milliseconds)) if *milliseconds >= SHORTEST => {
            Ok(Schedule::Every { interval: Duration::from_millis((*milliseconds).into()), since: now })
        }
        Some(_) => Err(wrong(format!("IntervalBetweenEvents must be at least {SHORTEST} milliseconds"))),
        None => {
            let Some(Value::DateTime(DateTime::Timestamp(at))) = instance.value("EventDateTime") else {
                return Err(wrong("EventDateTime must be a time"));
            };
            let clock = clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
            let ahead = i128::from(at.unix_micros()) - i128::try_from(clock).unwrap_or(i128::MAX);
            let ahead = Duration::from_micros(u64::try_from(ahead).unwrap_or(0));
            now.checked_add(ahead).map(Schedule::Once).ok_or_else(|| wrong("EventDateTime is too far away"))
        }
    }
}

/// Minimum interval in milliseconds.
const SHORTEST: u32 = 100;

/// Maximum number of timers of a namespace.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_when_its_time_has_come_and_is_counted_once() {
        let since = Instant::now();
        let at = |seconds: u64| since + Duration::from_secs(seconds);
        let every = Schedule::Every { interval: Duration::from_secs(10), since };
        assert_eq!(every.after(at(0)), Some(at(10)));
        assert_eq!(every.after(at(10)), Some(at(20)));
        assert_eq!(every.after(at(19)), Some(at(20)));
        assert_eq!(
            [every.count(at(0), at(9)), every.count(at(9), at(10)), every.count(at(10), at(45))],
            [0, 1, 3]
        );
        let once = Schedule::Once(at(5));
        assert_eq!((once.after(at(4)), once.after(at(5))), (Some(at(5)), None));
        assert_eq!([once.count(at(0), at(4)), once.count(at(4), at(5)), once.count(at(5), at(6))], [0, 1, 0]);
    }
}
