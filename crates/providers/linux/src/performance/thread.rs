//! `PerfProc_Thread`, from `/proc/PID/task`.
//!
//! Instances are named by process and position in it, such as `sshd/0`; a second process with the same name
//! is `sshd/0#1`, as on Windows.

use std::collections::HashMap;
use std::io;

use linux::process::stat::{Stat, priority, ticks_to_100ns};
use linux::process::{is_unseen, numbers};

use super::counter::{Counter, Kind};
use super::object::{Instance, Object, Sum, with_total};
use crate::Machine;

pub(super) struct Thread;

/// Name of the instance that is the total of all others.
const TOTAL: &str = "_Total/_Total";

/// Readings of a thread; times in units of 100 ns.
#[derive(Debug, Default)]
pub(super) struct Reading {
    process: u32,
    number: u32,
    user: u64,
    kernel: u64,
    /// Start time since boot; `None` for the total.
    started: Option<u64>,
    priority: u64,
    state: u64,
    switches: Option<u64>,
}

impl Sum for Reading {
    fn add(&mut self, other: &Self) {
        self.user = self.user.saturating_add(other.user);
        self.kernel = self.kernel.saturating_add(other.kernel);
        let switches = self.switches.unwrap_or_default().saturating_add(other.switches.unwrap_or_default());
        self.switches = Some(switches);
    }
}

impl Object for Thread {
    type Reading = Reading;

    const NAME: &'static str = "PerfProc_Thread";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("ContextSwitchesPersec", |thread| thread.switches),
        Counter::elapsed("ElapsedTime", |thread| thread.started),
        Counter::number("IDProcess", |thread| Some(thread.process.into())),
        Counter::number("IDThread", |thread| Some(thread.number.into())),
        Counter::timer("PercentPrivilegedTime", |thread| Some(thread.kernel)),
        Counter::timer("PercentProcessorTime", |thread| Some(thread.user.saturating_add(thread.kernel))),
        Counter::timer("PercentUserTime", |thread| Some(thread.user)),
        Counter::number("PriorityBase", |thread| Some(thread.priority)),
        Counter::number("PriorityCurrent", |thread| Some(thread.priority)),
        Counter::unknown("StartAddress", Kind::Number),
        Counter::number("ThreadState", |thread| Some(thread.state)),
        Counter::unknown("ThreadWaitReason", Kind::Number),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let mut seen = HashMap::<String, u32>::new();
        let mut instances = Vec::new();
        for process in linux::process::all(machine)? {
            let process = process?;
            let name = process.name();
            let Some(folder) = unless_gone(process.scene.folder(process.number))? else { continue };
            let threads = unless_gone(numbers(&folder, "task"))?.unwrap_or_default();
            for (place, number) in threads.into_iter().enumerate() {
                let stat = unless_gone(folder.read(&format!("task/{number}/stat"), Stat::parse))?.flatten();
                let Some(stat) = stat else { continue };
                let status = unless_gone(folder.text(&format!("task/{number}/status")))?;
                let reading = reading(process.number, number, &stat, status.as_deref().unwrap_or_default());
                let mut name = format!("{name}/{place}");
                let before = seen.entry(name.clone()).or_default();
                if *before > 0 {
                    name = format!("{name}#{before}");
                }
                *before += 1;
                let identity = u64::from(number) << 42 | stat.start & ((1 << 42) - 1);
                instances.push(Instance { name: Some(name), identity, reading });
            }
        }
        let mut instances = with_total(instances);
        if let Some(total) = instances.last_mut() {
            total.name = Some(TOTAL.to_owned());
        }
        Ok(instances)
    }
}

fn reading(process: u32, number: u32, stat: &Stat, status: &str) -> Reading {
    let switches = |name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim().parse().ok()
    };
    let (voluntary, forced) = (switches("voluntary_ctxt_switches"), switches("nonvoluntary_ctxt_switches"));
    Reading {
        process,
        number,
        user: ticks_to_100ns(stat.user_time),
        kernel: ticks_to_100ns(stat.kernel_time),
        started: Some(ticks_to_100ns(stat.start)),
        priority: priority(stat.nice, stat.real_time_priority).into(),
        // 2 is running, 4 terminated, 5 waiting (`Win32_Thread.ThreadState`).
        state: match stat.state {
            'R' => 2,
            'Z' | 'X' => 4,
            _ => 5,
        },
        switches: voluntary.zip(forced).and_then(|(voluntary, forced)| voluntary.checked_add(forced)),
    }
}

/// Returns the value read; `None` if the process or thread has ended or is hidden.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_unseen(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
