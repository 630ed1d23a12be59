//! What a process costs, from `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

use crate::Result;

/// CPU time that a process has used, user and system; it is told in hundredths of a second.
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything, even parentheses.
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/PID/stat has no name")?;
    let mut fields = after_name.split_whitespace().skip(UTIME);
    let mut ticks = || -> Result<u64> { Ok(fields.next().ok_or("/proc/PID/stat is short")?.parse()?) };
    let ticks = ticks()? + ticks()?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

/// Fields between the name and `utime`, which `stime` follows.
const UTIME: usize = 11;

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
