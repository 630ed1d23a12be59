//! Service of a machine as separate processes.
//!
//! The **broker**, this process, keeps root's rights and reads nothing from the network. It starts the **gateway**,
//! which only reads the network, and for each active user a **host** that runs as that user. All processes run this
//! program, and communicate through sockets that the broker creates.

mod broker;
mod collector_process;
mod event_collector;
mod gateway;
mod host;
mod host_process;
mod hosts;
mod metrics_exporter;
mod privileged_operations;
mod run_as;
mod session_groups;
mod session_process;
mod subscriptions;
mod supervised_process;
mod user;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use accounts::UnixUsers;

use self::user::UserIds;
use crate::arguments::Persistent;
use crate::audit::AuditFile;
use crate::child_process::QUICK_CONFIG;
use crate::inherited::Inherited;

/// Runs the internal process named on the command line; returns `None` for an ordinary command line.
pub(crate) fn hidden() -> Result<Option<ExitCode>, Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).filter_map(|one| one.into_string().ok()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if matches!(
        arguments.as_slice(),
        [SESSION_PROCESS | QUICK_CONFIG | SUBSCRIPTIONS | HOST | EVENT_COLLECTOR | METRICS_EXPORTER, ..]
    ) {
        confinement::close_all();
    }
    match arguments.as_slice() {
        [SESSION_PROCESS, user, state, group] => session_process::run(user, state, group).map(Some),
        [QUICK_CONFIG, state] => crate::quick_config::run(state).map(Some),
        [SUBSCRIPTIONS, state, commands] => subscriptions::run(Path::new(state), commands).map(Some),
        [HOST, uid, gid, state] => host::run(uid.parse()?, gid.parse()?, Path::new(state)).map(Some),
        [EVENT_COLLECTOR, uid, gid, state] => {
            collector_process::run(uid.parse()?, gid.parse()?, Path::new(state)).map(Some)
        }
        [METRICS_EXPORTER, uid, gid] => metrics_exporter::run(uid.parse()?, gid.parse()?).map(Some),
        _ => Ok(None),
    }
}

/// Runs the gateway process, which the broker has started.
pub(crate) fn run_gateway(arguments: &Persistent) -> Result<ExitCode, Box<dyn Error>> {
    gateway::run(arguments)
}

/// Runs the broker process, which starts all others.
pub(crate) fn run(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    broker::run(arguments, inherited, audit)
}

/// Returns the gateway's user, which must exist and must not be root.
pub(crate) fn require_user(users: &UnixUsers, name: &str) -> Result<UserIds, Box<dyn Error>> {
    match user::find(users, name)? {
        None => Err(format!(
                        "user {name} does not exist, but the process that reads the network runs as it\n  create it: useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin {name}"
        )
        .into()),
        Some(numbers) if numbers.uid == 0 => {
            Err(format!("{name} is root, but the process that reads the network requires an unprivileged user").into())
        }
        Some(numbers) => Ok(numbers),
    }
}

/// First argument of the session process, which opens a user's PAM session and starts the host in it.
const SESSION_PROCESS: &str = "--keep-host";
/// First argument of a host.
const HOST: &str = "--host";
/// First argument of the process that runs permanent subscriptions.
const SUBSCRIPTIONS: &str = "--subscriptions";
/// First argument of the process that collects events.
const EVENT_COLLECTOR: &str = "--event-collector";
/// First argument of the process that sends metrics to a receiver of OpenTelemetry.
const METRICS_EXPORTER: &str = "--metrics-exporter";
