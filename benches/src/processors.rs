//! Selects the processors that a measurement uses.
//!
//! A single connection alternates strictly with its client, so the two can use only one processor. Without this the
//! scheduler sometimes puts both ends on one processor and sometimes on two, and then the result is mainly the time
//! that a sleeping processor takes to wake up; in a virtual machine that is many times the duration of a request.

use std::fs;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Keeps this thread and some processes on one processor until it is dropped.
pub(crate) struct Together {
    processes: Vec<u32>,
    before: CpuSet,
}

impl Together {
    pub(crate) fn with(processes: &[u32]) -> Result<Self> {
        let before = sched_getaffinity(None)?;
        let first = (0..CpuSet::MAX_CPU).find(|&processor| before.is_set(processor));
        let mut one = CpuSet::new();
        one.set(first.ok_or("this thread may run nowhere")?);
        let together = Self { processes: processes.to_vec(), before };
        together.confine(&one)?;
        Ok(together)
    }

    fn confine(&self, processors: &CpuSet) -> Result<()> {
        sched_setaffinity(None, processors)?;
        for process in &self.processes {
            for task in fs::read_dir(format!("/proc/{process}/task"))? {
                let task = task?.file_name().to_string_lossy().parse()?;
                sched_setaffinity(Pid::from_raw(task), processors)?;
            }
        }
        Ok(())
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.confine(&self.before);
    }
}
