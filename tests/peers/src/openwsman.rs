//! `wsman`, the client of openwsman, which Fedora, openSUSE and Ubuntu have (`wsmancli`) and Debian has not.

use std::process::Command;
use std::time::Duration;

use crate::installed::installed;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// `wsman` against a service of these tests, over plain HTTP.
pub struct Openwsman {
    port: String,
}

impl Openwsman {
    /// One that signs in to a service; none, and a word on standard error, where it is not installed.
    ///
    /// # Panics
    ///
    /// When the service has no port.
    #[must_use]
    pub fn against(service: &Telarchd) -> Option<Self> {
        if installed("wsman").is_none() {
            skips::skip!(
                "wsman is missing\n  it is in the package wsmancli; Debian has none, so build it from \
                 openwsman and wsmancli and put it into PATH"
            );
            return None;
        }
        let address = service.http().trim_end_matches("/wsman");
        let port = address.rsplit(':').next().expect("a port").to_owned();
        Some(Self { port })
    }

    /// Runs the client with an action, a resource, and switches.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Run {
        let mut command = Command::new("wsman");
        command.args(words).args(["-h", "127.0.0.1", "-P", &self.port]);
        command.args(["-y", "basic", "-u", USER, "-p", PASSWORD]);
        run(&mut command, b"", Duration::from_secs(60))
    }

    /// Returns the printed response or responses, indented; a fault is a response.
    ///
    /// # Panics
    ///
    /// When that is not UTF-8.
    #[must_use]
    pub fn say(&self, words: &[&str]) -> String {
        self.run(words).text().0.to_owned()
    }
}
