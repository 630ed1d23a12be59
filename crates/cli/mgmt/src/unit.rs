//! `telarch mgmt start`, `stop` and `enable`: the unit of the service.

use std::path::Path;
use std::process::Command;

use cli_command::{Arguments, Failure};

use crate::WHAT_IF;
use crate::locations::failed;

/// Starts the service.
pub(crate) fn start(arguments: &Arguments) -> Result<String, Failure> {
    systemctl(arguments, &[["start", SERVICE]], "started the Web Management Service")
}

/// Stops the service.
pub(crate) fn stop(arguments: &Arguments) -> Result<String, Failure> {
    systemctl(arguments, &[["stop", SERVICE]], "stopped the Web Management Service")
}

/// Sets when the service starts.
pub(crate) fn enable(arguments: &Arguments) -> Result<String, Failure> {
    let (service, timer, text) = match arguments.words().as_slice() {
        [] | ["automatic"] => ("enable", "disable", "starts at boot"),
        ["delayed"] => ("disable", "enable", "starts two minutes after boot"),
        ["manual"] => ("disable", "disable", "starts only by hand"),
        _ => return Err(arguments.usage_error("the start mode is automatic, delayed or manual")),
    };
    let commands = [[service, SERVICE], [timer, TIMER]];
    systemctl(arguments, &commands, &format!("the Web Management Service {text}"))
}

/// Runs commands of systemctl(1), and returns the text for success. With `--what-if`, returns the commands.
fn systemctl(arguments: &Arguments, commands: &[[&str; 2]], done: &str) -> Result<String, Failure> {
    if arguments.is_given(&WHAT_IF) {
        return Ok(commands
            .iter()
            .map(|command| format!("would run systemctl {}\n", command.join(" ")))
            .collect());
    }
    commands.iter().try_for_each(|command| run_systemctl(command))?;
    Ok(format!("{done}\n"))
}

fn run_systemctl(arguments: &[&str]) -> Result<(), Failure> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err(Failure::failed(
            "this machine was not started by systemd",
            "run telarch mgmt serve with the service manager of this machine",
        ));
    }
    let output = Command::new("systemctl").args(arguments).output();
    let output = output.map_err(|error| failed(format!("cannot run systemctl: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let problem = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("systemctl {} failed: {}", arguments.join(" "), problem.trim())))
}

const SERVICE: &str = "telarch-management.service";
/// Starts the service some time after boot.
const TIMER: &str = "telarch-management.timer";
