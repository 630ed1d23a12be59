//! Requests to a Python client, and its errors.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::holder::Holder;
use crate::run::Run;
use crate::telarchd::Telarchd;
use crate::way_in::WayIn;

/// A client that can run remote commands.
pub trait Peer: Sized {
    /// Signs in to `service` by `way`, as the account that it knows.
    #[must_use]
    fn against(service: &Telarchd, way: WayIn) -> Self;

    /// Signs in with another password.
    #[must_use]
    fn with_password(self, password: &str) -> Self;

    /// Signs in with a certificate, where the way in is by one.
    #[must_use]
    fn with_certificate(self, holder: &Holder) -> Self;

    /// Has the client do one `action` of its script in `tests/peers/python`, with a time limit.
    ///
    /// # Errors
    ///
    /// The client's own exception when the service refused it.
    ///
    /// # Panics
    ///
    /// When the client is not installed, fails in another way or does not end in time.
    fn ask(&self, action: &str, arguments: Value) -> Result<Value, Refusal>;

    /// Runs one command in a shell of its own.
    ///
    /// # Panics
    ///
    /// As [`Peer::ask`], and when the service refuses.
    fn run<'a>(&self, remote: impl Into<Remote<'a>>) -> Run {
        self.try_run(remote).unwrap_or_else(|refusal| panic!("refused: {refusal:?}"))
    }

    /// Runs one command in a shell of its own.
    ///
    /// # Errors
    ///
    /// As [`Peer::ask`].
    fn try_run<'a>(&self, remote: impl Into<Remote<'a>>) -> Result<Run, Refusal> {
        Ok(Run::from_json(&self.ask("run", remote.into().into_json())?))
    }
}

/// A client's own exception: what it is called and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The class of the exception.
    pub exception: String,
    /// The code in the `WSManFault` it was made of, when it was one.
    pub fault_code: Option<u64>,
    /// Text of the exception.
    pub message: String,
}

/// A remote command and the shell to run it in.
pub struct Remote<'a> {
    command: &'a str,
    arguments: &'a [&'a str],
    environment: &'a [(&'a str, &'a str)],
    folder: Option<&'a str>,
    input: Vec<&'a [u8]>,
    operation_timeout: Option<Duration>,
}

impl<'a> Remote<'a> {
    /// The command line as the `Command` element carries it.
    #[must_use]
    pub fn new(command: &'a str) -> Self {
        Self {
            command,
            arguments: &[],
            environment: &[],
            folder: None,
            input: Vec::new(),
            operation_timeout: None,
        }
    }

    /// The `Arguments` elements.
    #[must_use]
    pub fn arguments(self, arguments: &'a [&'a str]) -> Self {
        Self { arguments, ..self }
    }

    /// The variables of the shell.
    #[must_use]
    pub fn environment(self, environment: &'a [(&'a str, &'a str)]) -> Self {
        Self { environment, ..self }
    }

    /// The working directory of the shell.
    #[must_use]
    pub fn folder(self, folder: &'a str) -> Self {
        Self { folder: Some(folder), ..self }
    }

    /// Adds a `Send` for standard input; the last one carries the end mark.
    #[must_use]
    pub fn input(mut self, piece: &'a [u8]) -> Self {
        self.input.push(piece);
        self
    }

    /// The `OperationTimeout` of every request, in whole seconds.
    #[must_use]
    pub fn operation_timeout(self, timeout: Duration) -> Self {
        Self { operation_timeout: Some(timeout), ..self }
    }

    fn into_json(self) -> Value {
        let environment: Map<String, Value> =
            self.environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let input: Vec<String> = self.input.iter().map(|piece| BASE64.encode(piece)).collect();
        json!({
            "command": self.command,
            "arguments": self.arguments,
            "environment": environment,
            "folder": self.folder,
            "input": input,
            "operation_timeout": self.operation_timeout.map(|timeout| timeout.as_secs()),
        })
    }
}

impl<'a> From<&'a str> for Remote<'a> {
    fn from(command: &'a str) -> Self {
        Self::new(command)
    }
}

impl Run {
    /// Reads the object that the scripts write for a command that ended.
    ///
    /// # Panics
    ///
    /// When it is another object.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let stream = |name: &str| {
            let text =
                json.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name} in {json}"));
            BASE64.decode(text).expect("the scripts write base64")
        };
        let code = json.get("code").and_then(Value::as_i64).unwrap_or_else(|| panic!("no code in {json}"));
        Self {
            stdout: stream("stdout"),
            stderr: stream("stderr"),
            code: i32::try_from(code).expect("an exit code is a 32-bit number"),
            operation_timeouts: json.get("operation_timeouts").and_then(Value::as_u64).unwrap_or_default(),
        }
    }
}
