//! A run of a program, with a time limit.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use locks::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Output and exit code of a command, run locally or by a peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// Everything it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// Everything it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Exit code, or minus the number of the signal that ended it.
    pub code: i32,
    /// How often a peer was told that the time was over and asked again; nothing of the kind happens to a program
    /// that runs here.
    pub operation_timeouts: u64,
}

impl Run {
    /// Both streams as text, and the exit code.
    ///
    /// # Panics
    ///
    /// When a stream is not UTF-8.
    #[must_use]
    pub fn text(&self) -> (&str, &str, i32) {
        let text = |stream| std::str::from_utf8(stream).unwrap_or_else(|_| panic!("not UTF-8: {self:?}"));
        (text(&self.stdout), text(&self.stderr), self.code)
    }
}

/// Shows the streams as text, and of long ones the end.
impl std::fmt::Debug for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Run")
            .field("stdout", &tail(&self.stdout))
            .field("stderr", &tail(&self.stderr))
            .field("code", &self.code)
            .finish()
    }
}

/// Runs `command` with `stdin` as its whole input and returns once it has ended.
///
/// # Panics
///
/// When it cannot be started, or when it has not ended after `limit`: then it is killed, and what it wrote so far
/// is shown.
pub(crate) fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Run {
    Running::start(command, stdin, limit).end()
}

/// A program that runs; dropping it before its end kills it.
pub struct Running {
    name: String,
    child: Child,
    stdout: Collected,
    stderr: Collected,
    end: Receiver<()>,
    limit: Duration,
    until: Instant,
    /// Keeps a value alive while the program runs.
    folder: Option<Arc<TempDir>>,
}

impl Running {
    /// Starts `command` with `stdin` as its whole input; it has to be through with everything after `limit`.
    pub(crate) fn start(command: &mut Command, stdin: &[u8], limit: Duration) -> Self {
        let name = format!("{command:?}");
        let until = Instant::now() + limit;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));

        let mut input = child.stdin.take().expect("it was asked for");
        let stdin = stdin.to_vec();
        // A program may end without reading its input, so a broken pipe is its own business.
        std::thread::spawn(move || drop(input.write_all(&stdin)));

        let (ended, end) = channel();
        let stdout = Collected::from(child.stdout.take().expect("it was asked for"), ended.clone());
        let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ended);
        Self { name, child, stdout, stderr, end, limit, until, folder: None }
    }

    /// Keeps a folder that it reads.
    pub(crate) fn with(mut self, folder: &Arc<TempDir>) -> Self {
        self.folder = Some(Arc::clone(folder));
        self
    }

    /// Waits until its standard output contains `text`, and returns all of it.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    pub fn wait_for(&self, text: &str) -> String {
        let so_far = self.stdout.wait_until(self.until, |bytes| {
            let so_far = String::from_utf8_lossy(bytes).into_owned();
            so_far.contains(text).then_some(so_far)
        });
        so_far.unwrap_or_else(|| panic!("{} did not write {text:?}: {:?}", self.name, self.so_far()))
    }

    /// Waits until standard output has this number of complete lines.
    ///
    /// # Panics
    ///
    /// When it has not in time.
    pub fn wait_for_lines(&self, lines: usize) {
        let ends = |bytes: &[u8]| bytes.iter().filter(|octet| **octet == b'\n').count();
        let there = self.stdout.wait_until(self.until, |bytes| (ends(bytes) >= lines).then_some(()));
        there.unwrap_or_else(|| panic!("{} did not write {lines} lines: {:?}", self.name, self.so_far()));
    }

    /// Sends it SIGINT, as Ctrl-C at a terminal does.
    ///
    /// # Panics
    ///
    /// When it cannot be signalled.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it is ours and not reaped");
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it has not ended in time: then it is killed, and what it wrote so far is shown.
    #[must_use]
    pub fn end(mut self) -> Run {
        // The streams end when the last copy of the sender is dropped, so nothing is ever received.
        let left = self.until.saturating_duration_since(Instant::now());
        let ended = self.end.recv_timeout(left) == Err(RecvTimeoutError::Disconnected);
        // Dropping it kills it.
        assert!(
            ended,
            "{} had not ended after {:?} and was killed: {:?}",
            self.name,
            self.limit,
            self.so_far()
        );
        let status = self.child.wait().expect("it is ours and not reaped");
        Run { code: exit_code(status), ..self.so_far() }
    }

    fn so_far(&self) -> Run {
        Run { stdout: self.stdout.so_far(), stderr: self.stderr.so_far(), code: -9, operation_timeouts: 0 }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing to a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Output of one stream, collected by a thread.
pub(crate) struct Collected(Arc<Gathered>);

#[derive(Default)]
struct Gathered {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Collected {
    /// Reads `stream` to its end, then drops `ended`.
    pub(crate) fn from<E: Send + 'static>(mut stream: impl Read + Send + 'static, ended: E) -> Self {
        let gathered = Arc::new(Gathered::default());
        let gathering = Arc::clone(&gathered);
        std::thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut piece) {
                let mut bytes = gathering.bytes.lock();
                bytes.extend(piece.iter().take(length));
                gathering.more.notify_all();
            }
            drop(ended);
        });
        Self(gathered)
    }

    pub(crate) fn so_far(&self) -> Vec<u8> {
        self.0.bytes.lock().clone()
    }

    /// Waits until `found` finds something in what was written, or until the time is over.
    pub(crate) fn wait_until<T>(&self, until: Instant, found: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut bytes = self.0.bytes.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match found(&bytes) {
                Some(value) => return Some(value),
                None if left.is_zero() => return None,
                None => bytes = self.0.more.wait_timeout(bytes, left).0,
            }
        }
    }
}

/// The end of a stream as text, short enough for a failure message.
pub(crate) fn tail(stream: &[u8]) -> String {
    let start = stream.len().saturating_sub(4_000);
    let end = stream.get(start..).unwrap_or_default();
    let mark = if start == 0 { "" } else { "[…] " };
    format!("{mark}{}", String::from_utf8_lossy(end))
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| -status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn both_streams_and_the_exit_code_are_returned() {
        let ended = run(&mut shell("cat; echo err 1>&2; exit 7"), b"in", LIMIT);
        assert_eq!(ended.text(), ("in", "err\n", 7));
    }

    #[test]
    fn a_program_that_ignores_its_input_is_no_failure() {
        let ended = run(&mut shell("exit 0"), &[b'x'; 1 << 20], LIMIT);
        assert_eq!(ended.code, 0);
    }

    #[test]
    #[should_panic(expected = "was killed: Run { stdout: \"so far\\n\"")]
    fn a_program_that_does_not_end_is_killed_and_its_output_shown() {
        let mut running = Running::start(&mut shell("echo so far; exec sleep 1000"), b"", LIMIT);
        running.wait_for("so far\n");
        running.until = Instant::now();
        let _ = running.end();
    }

    #[test]
    fn an_interrupt_arrives_once_the_program_is_ready_for_it() {
        let line = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.01; done";
        let running = Running::start(&mut shell(line), b"", LIMIT);
        assert_eq!(running.wait_for("ready\n"), "ready\n");
        running.interrupt();
        assert_eq!(running.end().text(), ("ready\ncaught\n", "", 3));
    }

    #[test]
    #[should_panic(expected = "did not write \"more\": Run { stdout: \"ready\\n\"")]
    fn the_output_of_a_program_that_does_not_write_a_text_is_shown() {
        let mut running = Running::start(&mut shell("echo ready; exec sleep 1000"), b"", LIMIT);
        running.wait_for("ready\n");
        running.until = Instant::now();
        running.wait_for("more");
    }
}
