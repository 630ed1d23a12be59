//! A Python process that is one end of a sign-in: a JSON request a line, and a JSON answer a line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::run::{Collected, tail};

/// Dropping it ends exactly the process it started.
pub(crate) struct Conversation {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    stderr: Collected,
}

impl Conversation {
    /// Starts the process.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let requests = child.stdin.take().expect("it was asked for");
        let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, requests, answers, stderr }
    }

    /// Asks, and returns the answer, which may be an object with the member `refused`.
    ///
    /// # Panics
    ///
    /// When the process ends early, or is silent for a minute.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        // If it has ended, the missing answer tells more.
        let _ = writeln!(self.requests, "{request}");
        let line = self.answers.recv_timeout(LIMIT);
        let line = line.unwrap_or_else(|_| panic!("no answer to {request}: {}", tail(&self.stderr.so_far())));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // Both do nothing to a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer, or what the process says when it refuses.
pub(crate) fn verdict(answer: &Value) -> Result<&Value, String> {
    match answer.get("refused").and_then(Value::as_str) {
        Some(refused) => Err(refused.to_owned()),
        None => Ok(answer),
    }
}

/// Octets as they are in a request.
pub(crate) fn encoded(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Octets of an answer.
///
/// # Panics
///
/// When there are none.
pub(crate) fn decoded(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("no octets in {value}"));
    STANDARD.decode(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An answer that takes longer never comes.
const LIMIT: Duration = Duration::from_secs(60);
