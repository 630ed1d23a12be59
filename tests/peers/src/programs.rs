//! Our own command lines as real programs.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::run::{Run, Running, run};
use crate::telarchd::{PASSWORD, Telarchd, USER, built_program};
use crate::way_in::WayIn;

/// `winrs`, against a service that these tests started.
pub struct Winrs(Call);

/// `winrm`, against a service that these tests started.
pub struct Winrm(Call);

impl Winrs {
    /// Signs in by `way`, with the switches it takes to do so.
    #[must_use]
    pub fn against(service: &Telarchd, way: WayIn) -> Self {
        Self(Call::new(service.url(way)).switches(&way_switches(way)))
    }

    /// Signs in to an address without asking to trust or allow anything.
    #[must_use]
    pub fn to(url: &str) -> Self {
        Self(Call::new(url))
    }

    /// Adds one switch, `-name:value`.
    #[must_use]
    pub fn switch(self, switch: &str) -> Self {
        Self(self.0.switches(&[switch]))
    }

    /// Where the password comes from.
    #[must_use]
    pub fn password(self, password: Password<'_>) -> Self {
        Self(self.0.password(password))
    }

    /// Runs a remote command line, with `input` as the whole standard input.
    ///
    /// # Panics
    ///
    /// When the program has not been built or does not end in time.
    #[must_use]
    pub fn run(&self, command_line: &[&str], input: &[u8]) -> Run {
        run(self.0.command("winrs", &[]).args(command_line), input, LIMIT)
    }

    /// Starts a remote command line without any input, to be interrupted.
    ///
    /// # Panics
    ///
    /// When the program has not been built.
    #[must_use]
    pub fn start(&self, command_line: &[&str]) -> Running {
        Running::start(self.0.command("winrs", &[]).args(command_line), b"", LIMIT)
    }
}

impl Winrm {
    /// Signs in with Basic by `way`, with the switches it takes to do so.
    #[must_use]
    pub fn against(service: &Telarchd, way: WayIn) -> Self {
        Self(Call::new(service.url(way)).switches(&way_switches(way)))
    }

    /// Adds one switch, `-name:value`.
    #[must_use]
    pub fn switch(self, switch: &str) -> Self {
        Self(self.0.switches(&[switch]))
    }

    /// Where the password comes from.
    #[must_use]
    pub fn password(self, password: Password<'_>) -> Self {
        Self(self.0.password(password))
    }

    /// Runs one operation, such as `["get", "winrm/config"]`.
    ///
    /// # Panics
    ///
    /// When the program has not been built or does not end in time.
    #[must_use]
    pub fn run(&self, operation: &[&str]) -> Run {
        run(&mut self.0.command("winrm", operation), b"", LIMIT)
    }
}

/// Where a command line finds the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password<'a> {
    /// In the `-p` switch.
    Switch(&'a str),
    /// In the variable `TELARCH_PASSWORD`.
    Environment(&'a str),
}

/// The part of a command line that both programs share.
struct Call {
    switches: Vec<String>,
    password_switch: Option<String>,
    password_variable: Option<String>,
    /// An empty home: settings of whoever runs the tests have no say.
    home: TempDir,
}

impl Call {
    fn new(url: &str) -> Self {
        let home = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("an empty home");
        let switches = vec![format!("-r:{url}"), format!("-u:{USER}")];
        Self { switches, password_switch: None, password_variable: None, home }
            .password(Password::Switch(PASSWORD))
    }

    fn switches(mut self, more: &[&str]) -> Self {
        self.switches.extend(more.iter().map(|switch| (*switch).to_owned()));
        self
    }

    fn password(self, password: Password<'_>) -> Self {
        let (password_switch, password_variable) = match password {
            Password::Switch(password) => (Some(format!("-p:{password}")), None),
            Password::Environment(password) => (None, Some(password.to_owned())),
        };
        Self { password_switch, password_variable, ..self }
    }

    /// The operation comes before the switches, a remote command line after them.
    fn command(&self, program: &str, operation: &[&str]) -> Command {
        let mut command = Command::new(built_program(program));
        command.args(operation).args(&self.switches).args(&self.password_switch);
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").env_remove("TELARCH_PASSWORD");
        command.envs(self.password_variable.as_ref().map(|password| ("TELARCH_PASSWORD", password)));
        command
    }
}

fn way_switches(way: WayIn) -> Vec<&'static str> {
    let mut switches = vec![match way.scheme() {
        "basic" => "-authentication:basic",
        "credssp" => "-authentication:credssp",
        // What NTLM is inside of.
        _ => "-authentication:negotiate",
    }];
    if way.is_tls() {
        switches.extend(["-skipCAcheck", "-skipCNcheck"]);
    }
    if way == WayIn::BasicOverAllowedHttp {
        switches.push("-unencrypted");
    }
    switches
}

/// A program that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
