//! A service whose sign-in and sealing are those of pyspnego, for our own client.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::python::script_command;
use crate::run::{Collected, tail};
use crate::telarchd::{PASSWORD, USER};

/// A Python process that is the service, with one account for NTLM: [`USER`] and [`PASSWORD`].
///
/// Uses the tickets of the environment. Dropping it ends exactly the process it started.
pub struct PyspnegoService {
    child: Child,
    stderr: Collected,
    http: String,
    https: String,
}

/// Deliberate fault of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// Sign-ins over HTTPS must be bound to another certificate than its own, as with a man in the middle.
    OtherCertificate,
    /// Sealed requests get unsealed responses.
    OpenAnswers,
    /// Clients are admitted without the final token that proves the identity of the service.
    NoProof,
}

impl PyspnegoService {
    /// Starts it with these schemes, as `WWW-Authenticate` names them.
    ///
    /// # Panics
    ///
    /// When it is not installed, or does not listen.
    #[must_use]
    pub fn start(offers: &[&str], flaw: Flaw) -> Self {
        let binding = if flaw == Flaw::OtherCertificate { "wrong" } else { "right" };
        let name = match flaw {
            Flaw::None | Flaw::OtherCertificate => "none",
            Flaw::OpenAnswers => "open answers",
            Flaw::NoProof => "no proof",
        };
        let mut command = script_command("acceptor.py");
        let settings = json!({
            "user": USER, "password": PASSWORD, "offers": offers, "binding": binding, "flaw": name,
        });
        command.arg(settings.to_string());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        stdout.read_line(&mut line).expect("it writes text");
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line:?} {}", tail(&stderr.so_far())));
        let address = |name: &str| ready.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { child, stderr, http: address("http"), https: address("https") }
    }

    /// `http://localhost:PORT/wsman`.
    #[must_use]
    pub fn http(&self) -> &str {
        &self.http
    }

    /// Returns `https://localhost:PORT/wsman`, with a self-signed certificate.
    #[must_use]
    pub fn https(&self) -> &str {
        &self.https
    }

    /// Waits until it complains in these words.
    ///
    /// # Panics
    ///
    /// When it does not within ten seconds.
    pub fn complained(&self, words: &str) {
        let found = self.stderr.wait_until(Instant::now() + Duration::from_secs(60), |bytes| {
            String::from_utf8_lossy(bytes).contains(words).then_some(())
        });
        assert!(found.is_some(), "it did not complain of {words:?}");
    }
}

impl Drop for PyspnegoService {
    fn drop(&mut self) {
        // Both do nothing to a child that has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the last lines of acceptor.py:\n{}", tail(&self.stderr.so_far()));
        }
    }
}
