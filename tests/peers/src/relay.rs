//! Somebody between a client and the service.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::python::script_command;

/// A Python process that ends TLS with a certificate of its own and passes everything on to an https address.
///
/// Dropping it ends exactly the process it started.
pub struct Relay {
    child: Child,
    url: String,
}

impl Relay {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    #[must_use]
    pub fn to(url: &str) -> Self {
        Self::start(url, &[])
    }

    /// Starts it in front of a service with the vendor Microsoft, which clients then take for Windows.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    #[must_use]
    pub fn as_windows(url: &str) -> Self {
        Self::start(url, &["--windows"])
    }

    fn start(url: &str, options: &[&str]) -> Self {
        let mut command = script_command("relay.py");
        command.arg(url).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut own = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        stdout.read_line(&mut own).expect("it writes text");
        assert!(own.starts_with("https://"), "relay.py says {own:?}");
        Self { child, url: own.trim_end().to_owned() }
    }

    /// Returns the address of the relay.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Both do nothing to a child that has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
