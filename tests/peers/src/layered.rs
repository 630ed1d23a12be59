//! pyspnego with a mechanism inside: SPNEGO, or CredSSP, as one end of a sign-in without HTTP around it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::python::script_command;
use crate::run::{Collected, tail};

/// One end of one sign-in, in a Python process of its own.
///
/// Dropping it ends exactly the process it started.
pub struct LayeredPyspnego {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
    stderr: Collected,
    known: Value,
    _accounts: Option<NamedTempFile>,
}

/// What is around the mechanism.
#[derive(Clone, Copy, Debug)]
pub enum Layer {
    /// SPNEGO.
    Negotiate,
    /// CredSSP.
    CredSsp(CredSspSettings),
}

/// How pyspnego speaks CredSSP.
#[derive(Clone, Copy, Debug)]
pub struct CredSspSettings {
    /// The only version of TLS: `TLSv1_2` or `TLSv1_3`.
    pub tls: &'static str,
    /// What is inside: `negotiate` or `ntlm`.
    pub inner: &'static str,
    /// The newest version of CredSSP.
    pub version: u32,
    /// The name that a client hands over; its own unless told so.
    pub hands_over: Option<&'static str>,
}

/// Which end it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// The client.
    Initiate,
    /// The service, with one account.
    Accept,
}

impl LayeredPyspnego {
    /// Starts it; `user` may be `DOMAIN\NAME`.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    #[must_use]
    pub fn start(usage: Usage, layer: Layer, user: &str, password: &str) -> Self {
        let accounts = (usage == Usage::Accept).then(|| write_account(user, password));
        let usage = match usage {
            Usage::Initiate => "initiate",
            Usage::Accept => "accept",
        };
        let settings = match layer {
            Layer::Negotiate => {
                json!({"usage": usage, "protocol": "negotiate", "user": user, "password": password})
            }
            Layer::CredSsp(CredSspSettings { tls, inner, version, hands_over }) => json!({
                "usage": usage, "protocol": "credssp", "user": user, "password": password,
                "tls": tls, "inner": inner, "version": version, "hands_over": hands_over,
            }),
        };
        let mut command = script_command("layered.py");
        command.arg(settings.to_string());
        command.envs(accounts.as_ref().map(|file| ("NTLM_USER_FILE", file.path())));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdin = child.stdin.take().expect("it was asked for");
        let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, stdin, answers, stderr, known: Value::Null, _accounts: accounts }
    }

    /// Gives it a token, or none at the beginning, and returns the one it answers with, if any.
    ///
    /// # Errors
    ///
    /// Its exception.
    ///
    /// # Panics
    ///
    /// As all others, when it ends early or is silent for a minute.
    pub fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        let arguments: Vec<&[u8]> = token.into_iter().collect();
        Ok(self.ask("step", &arguments)?.into_iter().next())
    }

    /// Seals a message: header and the rest.
    ///
    /// # Errors
    ///
    /// Its exception.
    pub fn wrap(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
        let mut parts = self.ask("wrap", &[message])?.into_iter();
        Ok((parts.next().expect("a header"), parts.next().expect("a message")))
    }

    /// Opens a message.
    ///
    /// # Errors
    ///
    /// Its exception.
    pub fn unwrap(&mut self, header: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.ask("unwrap", &[header, message])?.into_iter().next().expect("a message"))
    }

    /// Whether it takes the sign-in for done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.known.get("complete").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Whom it has let in.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.known.get("principal").and_then(Value::as_str)
    }

    /// The mechanism that was agreed upon.
    #[must_use]
    pub fn mechanism(&self) -> Option<&str> {
        self.known.get("mechanism").and_then(Value::as_str)
    }

    /// What it was handed over: domain, name and password.
    #[must_use]
    pub fn credential(&self) -> Option<[&str; 3]> {
        let [domain, user, password] = &self.known.get("credential")?.as_array()?[..] else { return None };
        Some([domain.as_str()?, user.as_str()?, password.as_str()?])
    }

    fn ask(&mut self, verb: &str, arguments: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let encoded: Vec<String> = arguments.iter().map(|octets| STANDARD.encode(octets)).collect();
        // If it has ended, the missing answer tells more.
        let _ = writeln!(self.stdin, "{}", json!({"verb": verb, "arguments": encoded}));
        let line = self.answers.recv_timeout(LIMIT);
        let line = line
            .unwrap_or_else(|_| panic!("layered.py: no answer to {verb}: {}", tail(&self.stderr.so_far())));
        self.known = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Some(refused) = self.known.get("refused").and_then(Value::as_str) {
            return Err(refused.to_owned());
        }
        let words = self.known.get("answer").and_then(Value::as_array).expect("an answer or a refusal");
        let decode = |word: &Value| STANDARD.decode(word.as_str().unwrap_or("?")).expect("Base64");
        Ok(words.iter().map(decode).collect())
    }
}

impl Drop for LayeredPyspnego {
    fn drop(&mut self) {
        // Both do nothing to a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_account(user: &str, password: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().prefix("telarch-peers-").tempfile().expect("a file");
    let (domain, user) = user.split_once('\\').unwrap_or(("", user));
    writeln!(file, "{domain}:{user}:{password}").expect("a line");
    file
}

/// An answer that takes longer never comes.
const LIMIT: Duration = Duration::from_secs(60);
