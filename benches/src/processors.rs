//! Which processors a measurement may use.
//!
//! One connection works strictly by turns with its client, so one processor is all it can use. Left to chance, the
//! two ends are put sometimes together and sometimes apart, and what is measured then is how long a sleeping
//! processor takes to wake up, which in a virtual machine is many times what a request takes.

use std::fs;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// While it lives, this thread and some processes share one processor.
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
        // The process may have ended, and then there is nothing to set free.
        let _ = self.confine(&self.before);
    }
}
