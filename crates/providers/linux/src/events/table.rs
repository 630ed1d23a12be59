//! Process events from polling `/proc`, if the connector is not available.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::process_info::ProcessInfo;
use crate::Machine;

/// Polls all processes; processes that start and end between two polls are missed.
pub(super) struct Table {
    machine: Arc<Machine>,
    seen: BTreeMap<u32, ProcessInfo>,
    looked: Instant,
    ready: VecDeque<Difference>,
}

/// A process that has started or ended.
pub(super) enum Difference {
    Began(u32, ProcessInfo),
    Ended(u32, ProcessInfo),
}

impl Table {
    pub(super) fn open(machine: &Arc<Machine>) -> Self {
        let seen = ProcessInfo::all(machine);
        Self { machine: Arc::clone(machine), seen, looked: Instant::now(), ready: VecDeque::new() }
    }

    pub(super) async fn next(&mut self) -> Difference {
        loop {
            if let Some(difference) = self.ready.pop_front() {
                return difference;
            }
            sleep_until(self.looked + INTERVAL).await;
            let machine = Arc::clone(&self.machine);
            let now = tokio::task::spawn_blocking(move || ProcessInfo::all(&machine)).await;
            self.looked = Instant::now();
            if let Ok(now) = now {
                self.compare(now);
            }
        }
    }

    fn compare(&mut self, now: BTreeMap<u32, ProcessInfo>) {
        for (process, known) in &self.seen {
            if now.get(process).is_none_or(|now| now.start != known.start) {
                self.ready.push_back(Difference::Ended(*process, known.clone()));
            }
        }
        for (process, known) in &now {
            if self.seen.get(process).is_none_or(|seen| seen.start != known.start) {
                self.ready.push_back(Difference::Began(*process, known.clone()));
            }
        }
        self.seen = now;
    }
}

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(500);
