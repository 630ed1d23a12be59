//! The running nginx: its processes, signals, and the result of a reload.

use std::collections::{BTreeMap, BTreeSet};
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

/// Returns the PID of the main process, if the file of the PID names a running one.
pub(crate) fn master(pid_file: &str) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    // The number may belong to another process by now.
    title(pid).is_some_and(|title| title.starts_with("nginx: master process")).then_some(pid)
}

fn title(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}

/// Returns the worker processes.
pub(crate) fn workers(master: u32) -> Vec<Worker> {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
    let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter_map(worker).collect()
}

fn worker(pid: u32) -> Option<Worker> {
    let title = title(pid)?;
    if !title.starts_with("nginx: worker process") {
        return None;
    }
    let page = u64::try_from(rustix::param::page_size()).unwrap_or_default();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let resident: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may contain spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2).filter_map(|time| time.parse::<u64>().ok());
    let used: u64 = times.sum();
    Some(Worker {
        pid,
        memory: resident.saturating_mul(page),
        cpu_milliseconds: used.saturating_mul(1_000).checked_div(ticks).unwrap_or_default(),
        is_shutting_down: title.contains("is shutting down"),
    })
}

/// Sends a signal to the main process.
pub(crate) fn signal(master: u32, signal: Signal) -> Result<(), WebServerError> {
    let pid = i32::try_from(master).ok().and_then(Pid::from_raw).ok_or(WebServerError::NotRunning)?;
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

/// A reload in progress.
pub(crate) struct Reload {
    master: u32,
    old: BTreeSet<u32>,
    /// Error logs with their inode and size before the reload.
    logs: BTreeMap<String, (u64, u64)>,
}

impl Reload {
    /// Remembers the state before a reload.
    pub(crate) fn prepare(master: u32, error_logs: &[String]) -> Self {
        let old = workers(master).into_iter().map(|worker| worker.pid).collect();
        let logs = error_logs.iter().map(|log| {
            let metadata = fs::metadata(log);
            (log.clone(), metadata.map_or((0, 0), |metadata| (metadata.ino(), metadata.len())))
        });
        Self { master, old, logs: logs.collect() }
    }

    /// Sends SIGHUP and waits until new workers have replaced the old ones. Returns the messages of nginx if it keeps the old configuration.
    pub(crate) fn run(self) -> Result<Result<(), String>, WebServerError> {
        signal(self.master, Signal::HUP)?;
        let mut failure = None;
        let has_verdict = wait_until(TIME_LIMIT, || {
            if self.is_complete() {
                return true;
            }
            let messages = self.messages();
            // A port in use is tried again for two and a half seconds.
            let is_final = messages.iter().any(|message| !message.contains("bind() to "));
            if is_final {
                failure = Some(messages.join("\n"));
            }
            is_final
        });
        if let Some(failure) = failure {
            return Ok(Err(failure));
        }
        if has_verdict {
            return Ok(Ok(()));
        }
        let messages = self.messages();
        let reason = if messages.is_empty() {
            "no new worker process was started within 5 seconds".to_owned()
        } else {
            messages.join("\n")
        };
        Ok(Err(reason))
    }

    /// Returns whether new workers exist and all old ones have stopped accepting connections. nginx waits a tenth of a
    /// second in between.
    fn is_complete(&self) -> bool {
        let workers = workers(self.master);
        let (old, new): (Vec<_>, Vec<_>) = workers.iter().partition(|worker| self.old.contains(&worker.pid));
        !new.is_empty() && old.iter().all(|worker| worker.is_shutting_down)
    }

    /// Returns the new emergency messages of the main process.
    fn messages(&self) -> Vec<String> {
        let mark = format!("[emerg] {}#", self.master);
        let texts = self.logs.iter().filter_map(|(path, (inode, size))| appended(path, *inode, *size));
        let texts: Vec<String> = texts.collect();
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains(&mark));
        let messages: BTreeSet<&str> = lines
            .filter_map(|line| line.split_once("[emerg] ")?.1.split_once(": "))
            .map(|(_, text)| text)
            .collect();
        messages.into_iter().map(str::to_owned).collect()
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
