//! psutil, which reports processes to Python programs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;
use crate::sign_in::environment;

/// A Python process that has imported psutil; dropping it ends the process.
pub(crate) struct Psutil {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Psutil {
    pub(crate) fn start() -> Result<Self> {
        let mut command = Command::new(environment("python"));
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("./test --install makes it: {error}"))?;
        let to = child.stdin.take().ok_or("it has no standard input")?;
        let from = BufReader::new(child.stdout.take().ok_or("it has no standard output")?);
        let mut psutil = Self { child, to, from };
        if psutil.line()? != "ready" {
            return Err("the environment has no psutil: ./test --install".into());
        }
        Ok(psutil)
    }

    /// Reads all processes; returns the elapsed time and the CPU time in seconds.
    pub(crate) fn look(&mut self) -> Result<(f64, f64)> {
        writeln!(self.to, "again")?;
        let line = self.line()?;
        let (wall, cpu) = line.split_once(' ').ok_or("psutil has ended")?;
        Ok((wall.parse()?, cpu.parse()?))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Psutil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the fields that `Win32_Process` has as well. psutil caches what it knows of a process, so the cache is
/// cleared first.
const SCRIPT: &str = "
import sys, time
import psutil
fields = ['pid', 'ppid', 'name', 'exe', 'cmdline', 'create_time', 'cpu_times', 'io_counters',
          'memory_info', 'nice', 'num_fds', 'num_threads', 'username', 'status']
print('ready', flush=True)
for line in sys.stdin:
    if hasattr(psutil.process_iter, 'cache_clear'):
        psutil.process_iter.cache_clear()
    wall, cpu = time.perf_counter(), time.process_time()
    count = sum(1 for _ in psutil.process_iter(fields))
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
";
