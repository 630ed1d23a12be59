//! psutil, which tells the same of processes to programs in Python.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;
use crate::sign_in::environment;

/// A process of Python that has imported it; dropping it ends it.
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

    /// Looks at all processes; says how long it took and how much CPU time, in seconds.
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

/// The fields that `Win32_Process` has, too. What it has found of a process it keeps, so it is made to forget.
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
