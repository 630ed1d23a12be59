//! What a process costs: its time, and what `/proc` (proc(5)) tells.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Seconds until a command has ended, whose output nobody reads.
///
/// # Errors
/// What it says first if it fails.
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

/// CPU time that a process has used, user and system; it is told in hundredths of a second.
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    times(&process.to_string(), 2)
}

/// The same of this process, and of those that it has started and waited for.
pub(crate) fn cpu_with_children() -> Result<Duration> {
    times("self", 4)
}

/// The sum of so many fields: `utime`, `stime`, and those of children.
fn times(process: &str, fields: usize) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything, even parentheses.
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/PID/stat has no name")?;
    let mut ticks = 0;
    for field in after_name.split_whitespace().skip(UTIME).take(fields) {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

/// Fields between the name and `utime`, which `stime` follows.
const UTIME: usize = 11;

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Memory that is resident now, in octets.
///
/// `VmRSS` of `/proc/PID/status` is an estimate that can be off by a megabyte; this is counted page by page.
pub(crate) fn resident(process: u32) -> Result<u64> {
    kilobytes(&format!("/proc/{process}/smaps_rollup"), "Rss:")
}

/// The most that was ever resident, in octets.
pub(crate) fn peak(process: u32) -> Result<u64> {
    kilobytes(&format!("/proc/{process}/status"), "VmHWM:")
}

fn kilobytes(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or_else(|| format!("{file} has no {name}"))?.parse::<u64>()? * 1_024)
}

/// In megabytes, as people read it.
pub(crate) fn megabytes(octets: u64) -> f64 {
    octets as f64 / (1_024.0 * 1_024.0)
}
