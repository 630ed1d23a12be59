//! Checks of the local service. They change nothing.

mod accounts;
mod configuration;
mod firewall;
mod listening;
mod ports;
mod sign_in;
mod unit;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use config::{Listener, Paths, Plugin, State};
use tokio::process::Command;

use super::Check;
use super::finding::Outcome;
use super::runner::{CheckRunner, Limit};
use crate::failure::Kind;
use crate::installed::find as program;
use crate::missing_source::DataSource;

/// Files and sockets of the service to check.
pub(super) struct LocalService {
    paths: Paths,
    sockets: Vec<PathBuf>,
    owner: Owner,
}

/// Owner of a local service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Service of the machine, started by systemd.
    Machine,
    /// Service of one user, or a service selected by its files.
    Other,
}

impl LocalService {
    /// Finds the service selected by its files, otherwise the service of the machine, otherwise the service of the user.
    pub(super) fn find(config: Option<PathBuf>, state: Option<PathBuf>, sockets: Vec<PathBuf>) -> Self {
        let machine = Paths::of_machine();
        let is_selected = config.is_some() || state.is_some();
        let is_root = rustix::process::geteuid().is_root();
        if !is_selected && (is_root || machine.local_socket.exists() || machine.config.exists()) {
            return Self { paths: machine, sockets, owner: Owner::Machine };
        }
        let default = Paths::of_this_process().unwrap_or(machine);
        let paths = Paths::new(
            config.as_deref().unwrap_or(&default.config),
            state.as_deref().unwrap_or(&default.state),
        );
        let is_default = sockets == config::local_sockets();
        let sockets = if is_default { vec![paths.local_socket.clone()] } else { sockets };
        Self { paths, sockets, owner: Owner::Other }
    }

    /// Returns the title of the report.
    pub(super) fn title(&self) -> String {
        let config = self.paths.config.display();
        match self.owner {
            Owner::Machine => format!("service of this machine ({config})"),
            Owner::Other => format!("service with {config}"),
        }
    }
}

/// Runs all checks of the local service.
pub(super) async fn check_all(service: &LocalService, runner: &mut CheckRunner<'_>) -> io::Result<()> {
    match service.owner {
        Owner::Machine => drop(runner.run(Check::Unit, &[], seconds(10), unit::check()).await?),
        Owner::Other => runner.skip(Check::Unit, &[], "the service is not managed by systemd")?,
    }
    runner.run(Check::Policy, &[], seconds(10), configuration::policy(service)).await?;
    let settings = configuration::settings(service);
    let state = runner.run(Check::Settings, &[Check::Policy], seconds(10), settings).await?;
    let problem = configuration::verify(service, runner).await?;
    let Some(state) = state else {
        for check in NEEDS_SETTINGS {
            runner.skip(check, &[Check::Settings], "the settings cannot be read")?;
        }
        return Ok(());
    };
    let listeners = enabled(&state);
    runner
        .run(Check::Accounts, &[Check::Configuration], seconds(10), accounts::check(service, &state))
        .await?;
    runner.run(Check::Ports, &[], seconds(20), ports::check(&listeners)).await?;
    // A port conflict may be the reason why the service does not run.
    runner.run(Check::Socket, &[Check::Ports], seconds(10), listening::socket(service)).await?;
    let listening = listening::listeners(&listeners);
    runner.run(Check::Listeners, &[Check::Ports, Check::Socket], seconds(10), listening).await?;
    let certificates = listening::certificates(&listeners);
    runner.run(Check::Certificates, &[Check::Listeners], seconds(20), certificates).await?;
    runner.run(Check::Firewall, &[], seconds(20), firewall::check(&listeners)).await?;
    let schemes = sign_in::check(service, problem, !listeners.is_empty());
    runner.run(Check::Schemes, &[], seconds(10), schemes).await?;
    runner.record(Check::Sources, sources())?;
    runner.record(Check::PowerShell, powershell(&state))
}

/// Reports whether PowerShell remoting is available.
fn powershell(state: &State) -> Outcome {
    let packaged = || Some(PathBuf::from(PACKAGED_PWSH)).filter(|path| path.is_file());
    match state.config.powershell.program.path() {
        Some(program) if !program.is_file() => {
            Outcome::warn(format!("PowerShell/Program: {} does not exist", program.display()))
                .fix("install PowerShell 7, or correct PowerShell/Program")
        }
        Some(program) => Outcome::pass(remoting(program, state)),
        None => match program("pwsh").or_else(packaged) {
            Some(program) => Outcome::pass(remoting(&program, state)),
            None => Outcome::pass(
                "PowerShell remoting is unavailable: pwsh is not installed (package powershell of Microsoft)",
            ),
        },
    }
}

/// Returns the program of PowerShell remoting, and the endpoints that run as another account. Their problems are findings
/// of `telarchd --check`.
fn remoting(program: &Path, state: &State) -> String {
    let endpoints = state.plugins.iter().flat_map(Plugin::endpoint_settings);
    let run_as = endpoints
        .filter_map(|endpoint| Some(format!("; {} as {}", endpoint.name, endpoint.run_as.as_ref()?)));
    format!("PowerShell remoting runs {}{}", program.display(), run_as.collect::<String>())
}

/// PowerShell of Microsoft's packages.
const PACKAGED_PWSH: &str = "/opt/microsoft/powershell/7/pwsh";

/// Reports WMI classes whose data source this machine lacks.
fn sources() -> Outcome {
    let missing: Vec<&DataSource> = DataSource::missing().collect();
    let problems: Vec<String> = missing.iter().map(|source| source.problem_here()).collect();
    let fixes = missing.iter().map(|source| source.fix.to_owned());
    match missing.iter().any(|source| source.is_usual) {
        true => Outcome::warn(problems.join("; ")).fixes(fixes),
        false if missing.is_empty() => Outcome::pass("the WMI classes have all their data sources"),
        false => Outcome::pass(problems.join("; ")),
    }
}

/// Returns the enabled listeners, including those of policies and the compatibility listeners.
fn enabled(state: &State) -> Vec<Listener> {
    let mut listeners = state.listeners.in_force(&state.config.service);
    listeners.retain(|listener| listener.enabled);
    listeners
}

fn seconds(after: u64) -> Limit {
    Limit { after: Duration::from_secs(after), late: Outcome::fail(Kind::Timeout, "the check timed out") }
}

/// Runs a program with untranslated messages and returns its output.
async fn output(program: &Path, arguments: &[&OsStr]) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(std::process::Stdio::null()).kill_on_drop(true);
    command.output().await
}

/// Checks that need the settings.
const NEEDS_SETTINGS: [Check; 7] = [
    Check::Accounts,
    Check::Ports,
    Check::Socket,
    Check::Listeners,
    Check::Certificates,
    Check::Firewall,
    Check::Schemes,
];
