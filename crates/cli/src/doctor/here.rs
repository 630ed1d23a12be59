//! The service of this machine, looked at from inside: nothing is changed.

mod accounts;
mod configuration;
mod firewall;
mod listening;
mod ports;
mod unit;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use config::{Listener, Paths, State};
use tokio::process::Command;

use super::Check;
use super::finding::Outcome;
use super::round::{Limit, Round};
use crate::failure::Kind;

/// Where the service keeps what is looked at, and whose it is.
pub(super) struct Place {
    paths: Paths,
    sockets: Vec<PathBuf>,
    whose: Whose,
}

/// Whose service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// That of the machine, which the service manager starts.
    Machine,
    /// That of one user, or one that was named.
    Other,
}

impl Place {
    /// The service that was named, or that of the machine if there is one, else that of the user of this process.
    pub(super) fn find(config: Option<PathBuf>, state: Option<PathBuf>, sockets: Vec<PathBuf>) -> Self {
        let machine = Paths::of_machine();
        let is_named = config.is_some() || state.is_some();
        let is_root = rustix::process::geteuid().is_root();
        if !is_named && (is_root || machine.local_socket.exists() || machine.config.exists()) {
            return Self { paths: machine, sockets, whose: Whose::Machine };
        }
        let usual = Paths::of_this_process().unwrap_or(machine);
        let is_usual = sockets == config::local_sockets();
        let sockets = if is_usual { Vec::new() } else { sockets };
        let paths =
            Paths::new(config.as_deref().unwrap_or(&usual.config), state.as_deref().unwrap_or(&usual.state));
        let sockets = if is_usual { vec![paths.local_socket.clone()] } else { sockets };
        Self { paths, sockets, whose: Whose::Other }
    }

    /// Whose it is, and where its settings are.
    pub(super) fn title(&self) -> String {
        let config = self.paths.config.display();
        match self.whose {
            Whose::Machine => format!("the service of this machine ({config})"),
            Whose::Other => format!("the service with {config}"),
        }
    }
}

/// Looks at the unit, at the files, at what listens, and at what lets others through to it.
pub(super) async fn examine(place: &Place, round: &mut Round<'_>) -> io::Result<()> {
    match place.whose {
        Whose::Machine => drop(round.look(Check::Unit, &[], seconds(10), unit::look()).await?),
        Whose::Other => round.skip(Check::Unit, &[], "this service is none of the service manager")?,
    }
    round.look(Check::Policy, &[], seconds(10), configuration::policy(place)).await?;
    let settings = configuration::settings(place);
    let state = round.look(Check::Settings, &[Check::Policy], seconds(10), settings).await?;
    configuration::judge(place, round).await?;
    let Some(state) = state else {
        for check in REST {
            round.skip(check, &[Check::Settings], "the settings are not known")?;
        }
        return Ok(());
    };
    let listeners = enabled(&state);
    round.look(Check::Accounts, &[Check::Configuration], seconds(10), accounts::look(place, &state)).await?;
    round.look(Check::Ports, &[], seconds(20), ports::look(&listeners)).await?;
    // Whoever has taken a port may be why the service is not there.
    round.look(Check::Socket, &[Check::Ports], seconds(10), listening::socket(place)).await?;
    let listening = listening::listeners(&listeners);
    round.look(Check::Listeners, &[Check::Ports, Check::Socket], seconds(10), listening).await?;
    let certificates = listening::certificates(&listeners);
    round.look(Check::Certificates, &[Check::Listeners], seconds(20), certificates).await?;
    round.look(Check::Firewall, &[], seconds(20), firewall::look(&listeners)).await.map(drop)
}

/// The listeners that are to listen, with those of policy and of compatibility.
fn enabled(state: &State) -> Vec<Listener> {
    let mut listeners = state.listeners.in_force(&state.config.service);
    listeners.retain(|listener| listener.enabled);
    listeners
}

fn seconds(after: u64) -> Limit {
    Limit { after: Duration::from_secs(after), late: Outcome::fail(Kind::Timeout, "it did not end in time") }
}

/// A program of the system, which is not in everybody's search path.
fn program(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let folders = beside.into_iter().chain(std::env::split_paths(&path)).chain(usual);
    folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What a program says, in the words that programs know.
async fn output(program: &Path, arguments: &[&OsStr]) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(std::process::Stdio::null()).kill_on_drop(true);
    command.output().await
}

/// What is left when the settings are not known.
const REST: [Check; 6] =
    [Check::Accounts, Check::Ports, Check::Socket, Check::Listeners, Check::Certificates, Check::Firewall];
