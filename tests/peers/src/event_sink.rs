//! A subscriber that receives pushed events: an HTTP server of Python.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::python::script_command;

/// A server that accepts every message of a delivery mode.
pub struct EventSink {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl EventSink {
    /// Starts the server for `Push`, `PushWithAck` or `Events`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(mode: &str) -> Self {
        let mut command = script_command("event_sink.py");
        let mut child =
            command.arg(mode).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("Python");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut sink = Self { child, output, address: String::new() };
        sink.address = sink.line();
        sink
    }

    /// The URL for messages.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the next message, as `event_sink.py` describes it.
    ///
    /// # Panics
    ///
    /// When the server has ended.
    pub fn next_message(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).expect("a pipe");
        assert!(length > 0, "event_sink.py has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        // Harmless when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
