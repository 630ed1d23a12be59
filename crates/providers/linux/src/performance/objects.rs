//! `PerfOS_Objects`: numbers of processes, threads and other objects of the kernel.

use std::io;

use super::counter::{Counter, Kind};
use super::object::{Flavor, Instance, Object};
use super::system;
use crate::Machine;

pub(super) struct Objects;

/// Numbers of the objects that Linux has; `None` if unreadable.
#[derive(Debug)]
pub(super) struct Reading {
    processes: Option<u64>,
    threads: Option<u64>,
}

impl Object for Objects {
    type Reading = Reading;

    const NAME: &'static str = "PerfOS_Objects";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::unknown("Events", Kind::Number),
        Counter::unknown("Mutexes", Kind::Number),
        Counter::number("Processes", |reading| reading.processes),
        Counter::unknown("Sections", Kind::Number),
        Counter::unknown("Semaphores", Kind::Number),
        Counter::number("Threads", |reading| reading.threads),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let processes = linux::system::count_of_processes(machine).map(u64::from);
        Ok(Instance::only(Reading { processes, threads: system::threads(machine) }))
    }
}
