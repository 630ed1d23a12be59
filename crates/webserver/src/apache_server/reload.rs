//! The running Apache: its main process, and the result of a graceful restart.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::engine::process::{LogMark, TIME_LIMIT, children, signal, title, wait_until};
use crate::error::WebServerError;
use crate::listen::{ListenAddress, ListenHost};

/// Time for which old workers may finish their requests before the reload counts as complete.
const OLD_WORKERS: Duration = Duration::from_secs(1);

/// Returns the PID of the main process, if the file of the PID names a running one.
pub(super) fn main_process(pid_file: &str, program: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    // The number may belong to another process by now.
    is_program(pid, program).then_some(pid)
}

/// Returns whether a process runs a program.
pub(super) fn is_program(pid: u32, program: &Path) -> bool {
    let title = title(pid).unwrap_or_default();
    let first = title.split(' ').next().unwrap_or_default();
    !first.is_empty() && Path::new(first).file_name() == program.file_name()
}

/// State before a reload.
pub(crate) struct Before {
    main_process: u32,
    listens: BTreeSet<String>,
    workers: BTreeSet<u32>,
    logs: LogMark,
}

impl Before {
    pub(super) fn new(main_process: u32, listens: Vec<ListenAddress>, error_logs: &[String]) -> Self {
        Self {
            main_process,
            listens: listens.iter().map(ToString::to_string).collect(),
            workers: children(main_process).into_iter().collect(),
            logs: LogMark::new(error_logs),
        }
    }

    /// Restarts Apache gracefully, and waits until new workers have replaced the old ones. Returns the messages of Apache
    /// if it rejects the files. It may have ended then.
    ///
    /// Apache ends if it cannot bind a new address, so new ones are tried before.
    pub(super) fn run(self, listens: &[ListenAddress]) -> Result<Result<(), String>, WebServerError> {
        for address in listens.iter().filter(|address| !self.listens.contains(&address.to_string())) {
            if let Err(error) = bind(address) {
                return Ok(Err(format!("cannot listen on {address}: {error}")));
            }
        }
        signal(self.main_process, Signal::USR1)?;
        let mut first_worker: Option<Instant> = None;
        let mut has_ended = false;
        let is_complete = wait_until(TIME_LIMIT, || {
            let Some(title) = title(self.main_process) else {
                has_ended = true;
                return true;
            };
            if title.is_empty() {
                has_ended = true;
                return true;
            }
            let workers = children(self.main_process);
            if workers.iter().all(|worker| self.workers.contains(worker)) {
                return false;
            }
            let since = *first_worker.get_or_insert_with(Instant::now);
            let has_old = workers.iter().any(|worker| self.workers.contains(worker));
            !has_old || since.elapsed() > OLD_WORKERS
        });
        if is_complete && !has_ended {
            return Ok(Ok(()));
        }
        let state = if has_ended { "it ended" } else { "no new worker process was started within 5 seconds" };
        Ok(Err([&[state.to_owned()], self.messages().as_slice()].concat().join("\n")))
    }

    /// Returns the new error messages of Apache.
    fn messages(&self) -> Vec<String> {
        let texts = self.logs.appended();
        let lines = texts.iter().flat_map(|text| text.lines());
        lines.filter(|line| is_error(line)).map(str::to_owned).collect()
    }
}

/// Returns whether a line of an error log is an error, or the description of one.
fn is_error(line: &str) -> bool {
    let levels = [":emerg]", ":alert]", ":crit]", ":error]"];
    line.starts_with('(') || levels.iter().any(|level| line.contains(level))
}

/// Binds an address as Apache will do, and releases it.
fn bind(address: &ListenAddress) -> std::io::Result<()> {
    let ListenAddress::Tcp { host, port } = address else { return Ok(()) };
    let port = *port;
    match host {
        ListenHost::Any => {
            let both = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
            both.or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
        }
        ListenHost::V4(host) => TcpListener::bind((*host, port)),
        ListenHost::V6(host) => TcpListener::bind((*host, port)),
        ListenHost::Name(name) => TcpListener::bind((name.as_str(), port)),
    }
    .map(drop)
}
