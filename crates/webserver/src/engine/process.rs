//! Processes of a web server, signals, and what it appends to its logs.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::control::Worker;
use crate::error::WebServerError;

/// Maximum time until a reload, start or fast stop must be finished.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Time between two looks at the processes.
const INTERVAL: Duration = Duration::from_millis(10);
/// Maximum number of bytes that are read from a log after a reload.
const MAX_LOG: u64 = 256 << 10;

/// Returns the command line of a process, with spaces between the arguments.
pub(crate) fn title(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}

/// Returns the child processes of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Returns memory and CPU time of a worker process.
pub(crate) fn worker(pid: u32, is_shutting_down: bool) -> Worker {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or_default();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let resident: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may contain spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2).filter_map(|time| time.parse::<u64>().ok());
    let used: u64 = times.sum();
    Worker {
        pid,
        memory: resident.saturating_mul(page),
        cpu_milliseconds: used.saturating_mul(1_000).checked_div(ticks).unwrap_or_default(),
        is_shutting_down,
    }
}

/// Sends a signal to the main process.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<(), WebServerError> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(WebServerError::NotRunning)?;
    kill_process(pid, signal).map_err(|errno| WebServerError::Control {
        operation: "signal",
        reason: std::io::Error::from(errno).to_string(),
    })
}

/// Waits until a condition holds. Returns whether it did in time.
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begin.elapsed() > limit {
            return false;
        }
        thread::sleep(INTERVAL);
    }
}

/// Sizes of log files at one moment.
pub(crate) struct LogMark {
    /// Path, inode and size of each file.
    logs: Vec<(String, u64, u64)>,
}

impl LogMark {
    pub(crate) fn new(logs: &[String]) -> Self {
        let logs = logs.iter().map(|log| {
            let metadata = fs::metadata(log);
            let (inode, size) = metadata.map_or((0, 0), |metadata| (metadata.ino(), metadata.len()));
            (log.clone(), inode, size)
        });
        Self { logs: logs.collect() }
    }

    /// Returns what was appended to the files since then.
    pub(crate) fn appended(&self) -> Vec<String> {
        self.logs.iter().filter_map(|(path, inode, size)| appended(path, *inode, *size)).collect()
    }
}

/// Returns what was appended to a file.
fn appended(path: &str, inode: u64, size: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    if metadata.ino() == inode {
        file.seek(SeekFrom::Start(size)).ok()?;
    }
    let mut text = Vec::new();
    file.take(MAX_LOG).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
