//! A Python client in a process of its own, which runs one request for each line of its standard input.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::sign_in::{beside, environment};

/// A running Python script of this folder; dropping it ends the process.
pub(crate) struct PythonClient {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PythonClient {
    pub(crate) fn start(script: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(environment("python"));
        command.arg(beside(script)).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("./test --install makes it: {command:?}: {error}"))?;
        let requests = child.stdin.take().ok_or("it has no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("it has no standard output")?);
        Ok(Self { child, requests, answers })
    }

    /// Sends a request, and returns the answer, which is a line of JSON.
    pub(crate) fn ask(&mut self, request: impl Display) -> Result<Value> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line).map_err(|error| format!("it did not answer: {error}"))?)
    }
}

impl Drop for PythonClient {
    fn drop(&mut self) {
        // Has no effect if the process has ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
