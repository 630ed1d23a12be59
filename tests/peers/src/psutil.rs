//! psutil, which asks Linux what WMI tells, and was not written by us.

use std::time::Duration;

use serde_json::Value;

use crate::python::script_command;
use crate::run::{run, tail};

/// Returns psutil's data about this machine and a process.
///
/// # Panics
///
/// When it is not installed, or there is no such process.
#[must_use]
pub fn psutil(process: u32) -> Value {
    let mut command = script_command("psutil_values.py");
    let ended = run(command.arg(process.to_string()), b"", Duration::from_secs(60));
    let way_out = "psutil_values.py failed; ./test --install installs what it needs";
    assert_eq!(ended.code, 0, "{way_out}\n{}", tail(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("psutil: {error}: {ended:?}"))
}
