//! `telarch mgmt start`, `stop` and `enable`: the unit of the service.

use std::path::Path;
use std::process::Command;

use cli_command::{Arguments, Failure};

use crate::locations::failed;

/// Starts the service.
pub(crate) fn start() -> Result<String, Failure> {
    systemctl(&["start", SERVICE])?;
    Ok("started the Web Management Service\n".to_owned())
}

/// Stops the service.
pub(crate) fn stop() -> Result<String, Failure> {
    systemctl(&["stop", SERVICE])?;
    Ok("stopped the Web Management Service\n".to_owned())
}

/// Sets when the service starts.
pub(crate) fn enable(arguments: &Arguments) -> Result<String, Failure> {
    let (service, timer, text) = match arguments.words().as_slice() {
        [] | ["automatic"] => ("enable", "disable", "starts at boot"),
        ["delayed"] => ("disable", "enable", "starts two minutes after boot"),
        ["manual"] => ("disable", "disable", "starts only by hand"),
        _ => return Err(arguments.usage_error("the start mode is automatic, delayed or manual")),
    };
    systemctl(&[service, SERVICE])?;
    systemctl(&[timer, TIMER])?;
    Ok(format!("the Web Management Service {text}\n"))
}

/// Runs systemctl(1).
fn systemctl(arguments: &[&str]) -> Result<(), Failure> {
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
