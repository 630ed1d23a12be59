//! The running nginx: its processes, signals, and the result of a reload.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::Signal;

use crate::control::Worker;
use crate::engine::process::{LogMark, TIME_LIMIT, children, signal, title, wait_until, worker};
use crate::error::WebServerError;

/// Returns the PID of the main process, if the file of the PID names a running one.
pub(crate) fn master(pid_file: &str) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    // The number may belong to another process by now.
    title(pid).is_some_and(|title| title.starts_with("nginx: master process")).then_some(pid)
}

/// Returns the worker processes.
pub(crate) fn workers(master: u32) -> Vec<Worker> {
    let titles = children(master).into_iter().filter_map(|pid| Some((pid, title(pid)?)));
    let titles = titles.filter(|(_, title)| title.starts_with("nginx: worker process"));
    titles.map(|(pid, title)| worker(pid, title.contains("is shutting down"))).collect()
}

/// A reload in progress.
pub(crate) struct Reload {
    master: u32,
    old: BTreeSet<u32>,
    /// Error logs before the reload.
    logs: LogMark,
}

impl Reload {
    /// Remembers the state before a reload.
    pub(crate) fn prepare(master: u32, error_logs: &[String]) -> Self {
        let old = workers(master).into_iter().map(|worker| worker.pid).collect();
        Self { master, old, logs: LogMark::new(error_logs) }
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
        let texts = self.logs.appended();
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains(&mark));
        let messages: BTreeSet<&str> = lines
            .filter_map(|line| line.split_once("[emerg] ")?.1.split_once(": "))
            .map(|(_, text)| text)
            .collect();
        messages.into_iter().map(str::to_owned).collect()
    }
}
