//! Descendants of this process, and their end.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

/// Ends all descendants of this process, which is their subreaper: SIGHUP first, as at the end of a terminal, and SIGKILL
/// after a moment.
pub(crate) fn end_descendants() {
    let begun = Instant::now();
    for process in descendants() {
        for signal in [Signal::HUP, Signal::CONT] {
            // Fails only if the process has ended.
            let _ = kill_process(process, signal);
        }
    }
    loop {
        reap();
        let left = descendants();
        if left.is_empty() {
            return;
        }
        if begun.elapsed() > LIMIT {
            return tracing::error!(processes = left.len(), "Processes of a terminal cannot be killed");
        }
        if begun.elapsed() > GRACE {
            for process in left {
                // The ID was read a moment ago, and the kernel does not reuse IDs that fast.
                let _ = kill_process(process, Signal::KILL);
            }
        }
        // There is no event for the end of a descendant that is no child.
        std::thread::sleep(PAUSE);
    }
}

/// Reaps children that have ended.
fn reap() {
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
}

/// Returns the running descendants of this process.
fn descendants() -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if let Some((id, parent)) = id.and_then(|id| Some((id, parent_of(id)?))) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut waiting = vec![getpid().as_raw_nonzero().get()];
    let mut found = Vec::new();
    while let Some(id) = waiting.pop() {
        // Removed, so that no process is visited twice.
        let own = children.remove(&id).unwrap_or_default();
        found.extend(own.iter().filter_map(|id| Pid::from_raw(*id)));
        waiting.extend(own);
    }
    found
}

/// Returns the parent of a running process (proc_pid_stat(5)).
fn parent_of(id: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    // The program name in parentheses may contain any character.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = str::from_utf8(stat.get(end..)?).ok()?.split(' ').skip(1);
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| !matches!(state, "Z" | "X"))
}

/// Time between SIGHUP and SIGKILL.
const GRACE: Duration = Duration::from_millis(500);
/// Time after which a process that cannot be killed is left.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_end_that_left_their_parent_and_session_and_ignore_the_end_of_the_terminal() {
        use std::io::Read as _;
        use std::process::{Command, Stdio};
        rustix::process::set_child_subreaper(Some(getpid())).unwrap();
        let script = "trap '' HUP; (setsid sh -c 'echo; exec sleep 1000' &); exec sleep 1000";
        let mut shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        shell.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        assert!(descendants().len() >= 2);
        end_descendants();
        assert_eq!(descendants(), []);
        // It was reaped.
        let _ = shell.wait();
    }
}
