//! Programs of the system, for what the kernel leaves to them.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How a program has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its code; -1 if a signal has ended it.
    pub(crate) code: i32,
    /// What it has written, up to [`MOST_OUTPUT`].
    pub(crate) stdout: String,
    /// What it has complained about.
    pub(crate) stderr: String,
}

/// How much of what a program writes is kept, in octets.
const MOST_OUTPUT: u64 = 16 << 20;

/// Runs a program, in English and without anything to read, and waits until it ends or time is up.
///
/// It is found in the folders of the system only.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if there is no such program, [`io::ErrorKind::TimedOut`] if it was ended because it
/// took too long, and what the kernel says.
pub(crate) fn run<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    limit: Duration,
) -> io::Result<Ended> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = rustix::process::Pid::from_child(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let errors = thread::spawn(move || read(stderr));
        let output = read(stdout);
        // Whoever waited may have given up.
        let _ = ended.send((output, errors.join().unwrap_or_default()));
    });
    let written = end.recv_timeout(limit);
    if written.is_err() {
        // It cannot be gone: nobody has waited for it yet.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let status = child.wait()?;
    let (stdout, stderr) =
        written.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("{program} took too long")))?;
    Ok(Ended { code: status.code().unwrap_or(-1), stdout, stderr })
}

fn read(stream: Option<impl Read>) -> String {
    let mut octets = Vec::new();
    if let Some(stream) = stream {
        // What was read before something went wrong still counts.
        let _ = stream.take(MOST_OUTPUT).read_to_end(&mut octets);
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_waited_for_but_not_for_ever() {
        let limit = Duration::from_secs(60);
        let ended = run("sh", ["-c", "echo out; echo err >&2; exit 3"], limit).expect("a shell");
        assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (3, "out\n", "err\n"));
        let late = run("sleep", ["1000"], Duration::from_millis(20)).expect_err("it takes too long");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let missing = run("no-such-program", [""; 0], limit).expect_err("there is none");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
