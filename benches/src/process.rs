//! CPU time and memory of processes from `/proc` (proc(5)).

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Returns the path of another program of the benches, which was built beside this one.
pub(crate) fn built_beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Runs a command without reading its output and returns the seconds until it has ended.
///
/// # Errors
/// Returns the first line of its error output if the command fails.
pub(crate) fn seconds(command: &mut Command) -> Result<f64> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let begin = Instant::now();
    let output = command.output()?;
    let seconds = begin.elapsed().as_secs_f64();
    if output.status.success() {
        return Ok(seconds);
    }
    let said = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
    Err(format!("{:?} failed: {said}", command.get_program()).into())
}

/// Returns the CPU time of a process, user and system. The kernel reports it in hundredths of a second.
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    times(&process.to_string(), 0, 2)
}

/// Returns the CPU time of the ended child processes of this process, and of their ended child processes.
pub(crate) fn ended_children_cpu() -> Result<Duration> {
    times("self", 2, 2)
}

/// Returns the CPU time of all threads of a process in nanoseconds, as the scheduler counts it.
pub(crate) fn scheduled_nanoseconds(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += statistics.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// Returns the CPU time of this process and of its ended child processes.
pub(crate) fn cpu_with_children() -> Result<Duration> {
    times("self", 0, 4)
}

/// Returns the sum of this many fields from the field `first`; the fields are `utime`, `stime`, and those of ended child
/// processes.
fn times(process: &str, first: usize, fields: usize) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may itself contain parentheses.
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/PID/stat has no name")?;
    let mut ticks = 0;
    for field in after_name.split_whitespace().skip(UTIME + first).take(fields) {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

/// Number of fields between the name and `utime`; `stime` follows.
const UTIME: usize = 11;

/// Returns the CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Returns the resident memory of a process in bytes.
///
/// `VmRSS` of `/proc/PID/status` is an estimate that can be wrong by a megabyte; this value is exact.
pub(crate) fn resident(process: u32) -> Result<u64> {
    kilobytes(&format!("/proc/{process}/smaps_rollup"), "Rss:")
}

/// Returns the peak resident memory of a process in bytes.
pub(crate) fn peak(process: u32) -> Result<u64> {
    kilobytes(&format!("/proc/{process}/status"), "VmHWM:")
}

fn kilobytes(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or_else(|| format!("{file} has no {name}"))?.parse::<u64>()? * 1_024)
}

/// Converts bytes to megabytes.
pub(crate) fn megabytes(octets: u64) -> f64 {
    octets as f64 / (1_024.0 * 1_024.0)
}
