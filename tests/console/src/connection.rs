//! Messages of the DevTools protocol: JSON, each followed by a zero byte.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};

use serde_json::{Value, json};

/// Event of a page.
#[derive(Debug)]
pub(crate) struct Event {
    /// Identifier of the page's session.
    pub(crate) session: String,
    pub(crate) method: String,
    pub(crate) parameters: Value,
}

/// Connection to the browser.
#[derive(Debug)]
pub(crate) struct Connection {
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    last_id: u64,
    events: Vec<Event>,
}

impl Connection {
    pub(crate) fn new(commands: ChildStdin, messages: ChildStdout) -> Self {
        Self { commands, messages: BufReader::new(messages), last_id: 0, events: Vec::new() }
    }

    /// Sends a command to the browser, or to a page, and waits for its result. Returns the message of a failed command
    /// as an error.
    ///
    /// # Panics
    /// If the browser has ended.
    pub(crate) fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
    ) -> Result<Value, String> {
        self.last_id += 1;
        let mut command = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        let sent = self.commands.write_all(format!("{command}\0").as_bytes());
        sent.unwrap_or_else(|error| panic!("{method}: the browser has ended: {error}"));
        loop {
            let message = self.receive(method);
            if message["id"].as_u64() == Some(self.last_id) {
                let failure = message["error"]["message"].as_str().map(str::to_owned);
                return failure.map_or_else(|| Ok(message["result"].clone()), Err);
            }
            if let Some(method) = message["method"].as_str() {
                let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
                let parameters = message["params"].clone();
                self.events.push(Event { session, method: method.to_owned(), parameters });
            }
        }
    }

    fn receive(&mut self, method: &str) -> Value {
        let mut text = Vec::new();
        let read = self.messages.read_until(0, &mut text);
        let end = read.unwrap_or_else(|error| panic!("{method}: {error}"));
        assert!(end > 0 && text.pop() == Some(0), "{method}: the browser has ended");
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Removes the received events of a page, and returns them.
    pub(crate) fn take_events(&mut self, session: &str) -> Vec<Event> {
        let (taken, left) = self.events.drain(..).partition(|event| event.session == session);
        self.events = left;
        taken
    }
}
