//! pyspnego, the NTLM of pywinrm and pypsrp, as one end of a sign-in without HTTP around it.

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
pub struct Pyspnego {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
    stderr: Collected,
    is_complete: bool,
    principal: Option<String>,
    _accounts: Option<NamedTempFile>,
}

/// How pyspnego is to sign in, or to let in.
#[derive(Clone, Debug)]
pub struct PyspnegoSettings<'a> {
    /// `NAME` or `DOMAIN\NAME`, of the client or of the one account of the service.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
    /// Whether it asks for signing and sealing.
    pub seals: bool,
    /// The application data of a channel binding.
    pub application_data: Option<&'a [u8]>,
    /// `LM_COMPAT_LEVEL`: below 3 it answers with NTLMv1.
    pub compatibility: u8,
}

impl Pyspnego {
    /// The client's end.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    #[must_use]
    pub fn initiator(settings: &PyspnegoSettings<'_>) -> Self {
        Self::start("initiate", settings)
    }

    /// The service's end.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    #[must_use]
    pub fn acceptor(settings: &PyspnegoSettings<'_>) -> Self {
        Self::start("accept", settings)
    }

    /// Gives it a token, or none at the beginning, and returns the one it answers with, if any.
    ///
    /// # Errors
    ///
    /// The name of its exception.
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
    /// The name of its exception.
    pub fn wrap(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
        let mut parts = self.ask("wrap", &[message])?.into_iter();
        Ok((parts.next().expect("a header"), parts.next().expect("a message")))
    }

    /// Opens a message.
    ///
    /// # Errors
    ///
    /// The name of its exception.
    pub fn unwrap(&mut self, header: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.ask("unwrap", &[header, message])?.into_iter().next().expect("a message"))
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// The name of its exception.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.ask("sign", &[message])?.into_iter().next().expect("a signature"))
    }

    /// Checks a signature.
    ///
    /// # Errors
    ///
    /// The name of its exception.
    pub fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), String> {
        self.ask("verify", &[message, signature]).map(|_| ())
    }

    /// Does what its SPNEGO does after both `mechListMIC`.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub fn mech_list_mic_exchanged(&mut self) {
        self.ask("mech_list_mic_exchanged", &[]).expect("it cannot refuse");
    }

    /// Whether it takes the sign-in for done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whom it has let in.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    fn start(usage: &str, settings: &PyspnegoSettings<'_>) -> Self {
        let accounts = (usage == "accept").then(|| write_account(settings));
        let request = json!({
            "usage": usage,
            "user": settings.user,
            "password": settings.password,
            "seals": settings.seals,
            "application_data": settings.application_data.map(|octets| STANDARD.encode(octets)),
            "hostname": "node7.lab.example",
        });
        let mut command = script_command("ntlm.py");
        command.arg(request.to_string()).env("LM_COMPAT_LEVEL", settings.compatibility.to_string());
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
        Self { child, stdin, answers, stderr, is_complete: false, principal: None, _accounts: accounts }
    }

    fn ask(&mut self, verb: &str, arguments: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let encoded: Vec<String> = arguments.iter().map(|octets| STANDARD.encode(octets)).collect();
        // If it has ended, the missing answer tells more.
        let _ = writeln!(self.stdin, "{}", json!({"verb": verb, "arguments": encoded}));
        let line = self.answers.recv_timeout(LIMIT);
        let line =
            line.unwrap_or_else(|_| panic!("ntlm.py did not answer {verb}: {}", tail(&self.stderr.so_far())));
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.is_complete = answer.get("complete").and_then(Value::as_bool).unwrap_or_default();
        self.principal = answer.get("principal").and_then(Value::as_str).map(str::to_owned);
        if let Some(refused) = answer.get("refused").and_then(Value::as_str) {
            return Err(refused.to_owned());
        }
        let words = answer.get("answer").and_then(Value::as_array).expect("an answer or a refusal");
        let decode = |word: &Value| STANDARD.decode(word.as_str().unwrap_or("?")).expect("Base64");
        Ok(words.iter().map(decode).collect())
    }
}

impl Drop for Pyspnego {
    fn drop(&mut self) {
        // Both do nothing to a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_account(settings: &PyspnegoSettings<'_>) -> NamedTempFile {
    let mut file = tempfile::Builder::new().prefix("telarch-peers-").tempfile().expect("a file");
    let (domain, user) = settings.user.split_once('\\').unwrap_or(("", settings.user));
    writeln!(file, "{domain}:{user}:{}", settings.password).expect("a line");
    file
}

/// An answer that takes longer never comes.
const LIMIT: Duration = Duration::from_secs(60);
