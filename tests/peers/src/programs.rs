//! Our own command lines as real programs.

use std::marker::PhantomData;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::holder::Holder;
use crate::run::{Run, Running, run};
use crate::stored_service::StoredService;
use crate::telarchd::{PASSWORD, Telarchd, USER, built_program};
use crate::way_in::WayIn;

/// Runs `telarch` with these arguments, and this on its standard input.
///
/// # Panics
/// When it does not end within a minute.
#[must_use]
pub fn telarch(arguments: &[&str], input: &str) -> Run {
    let mut command = Command::new(built_program("telarch"));
    run(command.args(arguments), input.as_bytes(), Duration::from_secs(60))
}

/// Starts `telarch` with these arguments, to be interrupted.
///
/// # Panics
/// When the program has not been built.
#[must_use]
pub fn start_telarch(arguments: &[&str]) -> Running {
    Running::start(Command::new(built_program("telarch")).args(arguments), b"", LIMIT)
}

/// Command line of one of our programs, with a service started by the test as its target.
pub struct CommandLine<P>(Call, PhantomData<P>);

/// The `winrs` of a command line.
pub enum IsWinrs {}

/// The `winrm` of a command line.
pub enum IsWinrm {}

/// `winrs`.
pub type Winrs = CommandLine<IsWinrs>;

/// `winrm`.
pub type Winrm = CommandLine<IsWinrm>;

impl<P> CommandLine<P> {
    /// Signs in by `way`, with the switches it takes to do so.
    #[must_use]
    pub fn against(service: &Telarchd, way: WayIn) -> Self {
        Call::by(service, way).into()
    }

    /// Signs in to an address without asking to trust or allow anything.
    #[must_use]
    pub fn to(url: &str) -> Self {
        Call::new(url).into()
    }

    /// Signs in with a certificate.
    #[must_use]
    pub fn held_by(holder: &Holder, service: &Telarchd) -> Self {
        Call::secured(service).certificate(holder).into()
    }

    /// Signs in with a certificate instead of a name and a password.
    #[must_use]
    pub fn certificate(self, holder: &Holder) -> Self {
        self.0.certificate(holder).into()
    }

    /// Adds one switch, `-name:value`.
    #[must_use]
    pub fn switch(self, switch: &str) -> Self {
        self.0.switches(&[switch]).into()
    }

    /// Sets the source of the password.
    #[must_use]
    pub fn password(self, password: Password<'_>) -> Self {
        self.0.password(password).into()
    }

    /// Adds a line to the settings of clients, such as `Client.Auth.CredSSP = true`; there are no others.
    #[must_use]
    pub fn setting(self, line: &str) -> Self {
        self.0.setting(line).into()
    }

    /// Sets the user; `None` signs in with a ticket.
    #[must_use]
    pub fn user(self, user: Option<&str>) -> Self {
        self.0.user(user).into()
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn variable(self, name: &'static str, value: &str) -> Self {
        self.0.variable(name, value).into()
    }
}

impl<P> From<Call> for CommandLine<P> {
    fn from(call: Call) -> Self {
        Self(call, PhantomData)
    }
}

impl Winrs {
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
        Running::start(self.0.command("winrs", &[]).args(command_line), b"", LIMIT).with(&self.0.home)
    }
}

impl Winrm {
    /// About the service of this machine, with its files.
    #[must_use]
    pub fn here(stored: &StoredService) -> Self {
        let call = Call { switches: Vec::new(), ..Call::new("localhost") }.user(None);
        let (config, state) = (stored.config(), stored.state());
        let switches = [format!("-config:{}", config.display()), format!("-state:{}", state.display())];
        call.switches(&switches.each_ref().map(String::as_str)).into()
    }

    /// Uses the socket of a service of this machine, as the user who runs the tests.
    #[must_use]
    pub fn at_socket(socket: &Path) -> Self {
        let call = Call { switches: vec![format!("-socket:{}", socket.display())], ..Call::new("") };
        call.user(None).into()
    }

    /// Signs in with a certificate that is found by its thumbprint in the home of the user.
    ///
    /// # Panics
    ///
    /// When the home cannot be written to.
    #[must_use]
    pub fn held_at_home_by(holder: &Holder, service: &Telarchd) -> Self {
        let call = Call::secured(service).switches(&[&format!("-certificate:{}", holder.thumbprint())]);
        holder.put_into(&call.home.path().join(".config/telarch/certificates"));
        call.into()
    }

    /// Signs in to several addresses, which are asked the same.
    #[must_use]
    pub fn to_all(urls: &[&str]) -> Self {
        let call = Call::new("");
        Call { switches: vec![format!("-hosts:{}", urls.join(","))], ..call }.into()
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

/// Source of the password.
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
    user: Option<String>,
    settings: String,
    environment: Vec<(&'static str, String)>,
    password_switch: Option<String>,
    password_variable: Option<String>,
    /// Temporary home directory, so that settings of the user who runs the tests have no effect.
    home: Arc<TempDir>,
}

impl Call {
    fn new(url: &str) -> Self {
        let home = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("an empty home");
        Self {
            switches: vec![format!("-r:{url}")],
            user: Some(USER.to_owned()),
            settings: String::new(),
            environment: Vec::new(),
            password_switch: None,
            password_variable: None,
            home: Arc::new(home),
        }
        .password(Password::Switch(PASSWORD))
    }

    fn by(service: &Telarchd, way: WayIn) -> Self {
        let call = Self::new(service.url(way)).switches(&way_switches(way));
        match way.scheme() {
            "credssp" => call.setting("Client.Auth.CredSSP = true"),
            _ => call,
        }
    }

    fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    fn user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        if user.is_none() {
            (self.password_switch, self.password_variable) = (None, None);
        }
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn certificate(self, holder: &Holder) -> Self {
        let files = [("certfile", holder.certificate()), ("keyfile", holder.key())];
        let switches = files.map(|(switch, file)| format!("-{switch}:{}", file.display()));
        self.user(None).switches(&switches.each_ref().map(String::as_str))
    }

    /// Over HTTPS without name and password, with the service's self-signed certificate taken on trust.
    fn secured(service: &Telarchd) -> Self {
        Self::new(service.https()).user(None).switches(&["-skipCAcheck", "-skipCNcheck"])
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
        let user = self.user.as_ref().map(|user| format!("-u:{user}"));
        command.args(operation).args(&self.switches).args(user).args(&self.password_switch);
        let settings = self.home.path().join("clients.toml");
        std::fs::write(&settings, &self.settings).expect("a fresh folder");
        command.env("TELARCH_CLIENT_CONFIG", settings).envs(self.environment.iter().cloned());
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").env_remove("TELARCH_PASSWORD");
        command.envs(self.password_variable.as_ref().map(|password| ("TELARCH_PASSWORD", password)));
        command
    }
}

fn way_switches(way: WayIn) -> Vec<&'static str> {
    let mut switches = vec![match way.scheme() {
        "basic" => "-authentication:basic",
        "credssp" => "-authentication:credssp",
        "kerberos" => "-authentication:kerberos",
        // Schemes that contain NTLM.
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
