//! `Win32_Process.Create`.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cim::{Instance, Value};
use linux::bus::{BusError, Object};
use linux::command_line;
use rustix::process::Pid;
use wmi::{MethodCall, ProviderError};

use super::return_code::{ACCESS_DENIED, INVALID_PARAMETER, PATH_NOT_FOUND, UNKNOWN_FAILURE};
use crate::Machine;
use crate::table::returned;

/// Starts a process as the user of this process, detached from the client.
///
/// The process has the user's environment or the given one; no input, output or terminal; a process group of
/// its own; and, where systemd lets this user create one, a scope of its own, so that it outlives the
/// service.
pub(super) fn create(machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
    let started = Startup::read(call.input).and_then(|startup| startup.start(machine));
    match started {
        Ok(child) => {
            let number = child.id();
            into_scope(machine, number);
            // Waits for the end of the process, which would otherwise stay a zombie.
            let waiter = std::thread::Builder::new().name(format!("process {number}"));
            let waiting = waiter.stack_size(SMALL_STACK).spawn(move || {
                let mut child = child;
                child.wait()
            });
            if let Err(error) = waiting {
                tracing::warn!(%error, process = number, "Cannot start a thread that waits for the process");
            }
            Ok(returned(call, 0_u32)?.with("ProcessId", number)?)
        }
        Err(code) => returned(call, code),
    }
}

/// Parameters of a new process.
struct Startup<'a> {
    words: Vec<String>,
    folder: Option<&'a Path>,
    environment: Option<Vec<(&'a str, &'a str)>>,
    nice: Option<i32>,
}

impl<'a> Startup<'a> {
    /// Reads the parameters of the method.
    ///
    /// # Errors
    /// The code of `Create` for an invalid parameter.
    fn read(input: &'a Instance) -> Result<Self, u32> {
        let line = input.value("CommandLine").and_then(Value::as_str).ok_or(INVALID_PARAMETER)?;
        let words = command_line::words(line).filter(|words| !words.is_empty()).ok_or(INVALID_PARAMETER)?;
        if words.iter().any(|word| word.contains('\0')) {
            return Err(INVALID_PARAMETER);
        }
        let folder = input.value("CurrentDirectory").and_then(Value::as_str).map(Path::new);
        if folder.is_some_and(|folder| !folder.is_absolute() || !folder.is_dir()) {
            return Err(INVALID_PARAMETER);
        }
        let mut startup = Self { words, folder, environment: None, nice: None };
        let Some(Value::Object(given)) = input.value("ProcessStartupInformation") else { return Ok(startup) };
        if let Some(Value::Array(variables)) = given.value("EnvironmentVariables") {
            let variables = variables.iter().map(|variable| {
                let (name, value) = variable.as_str()?.split_once('=')?;
                (!name.is_empty() && !name.contains('\0') && !value.contains('\0')).then_some((name, value))
            });
            startup.environment = Some(variables.collect::<Option<_>>().ok_or(INVALID_PARAMETER)?);
        }
        if let Some(class) = given.value("PriorityClass").and_then(Value::as_integer) {
            startup.nice = Some(niceness(class).ok_or(INVALID_PARAMETER)?);
        }
        let flags = given.value("CreateFlags").and_then(Value::as_integer).unwrap_or_default();
        // No client could debug or resume the process.
        if flags & (DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS | CREATE_SUSPENDED) != 0 {
            return Err(INVALID_PARAMETER);
        }
        Ok(startup)
    }

    /// Starts the process.
    ///
    /// # Errors
    /// The code of `Create` for the reason of the failure.
    fn start(&self, machine: &Machine) -> Result<Child, u32> {
        let (program, arguments) = self.words.split_first().ok_or(INVALID_PARAMETER)?;
        if !machine.is_this() {
            return Err(UNKNOWN_FAILURE);
        }
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).current_dir(self.folder.unwrap_or(Path::new("/")));
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment.iter().copied());
        }
        // `spawn` reports failures of exec(2): it waits until the new process runs the program or cannot.
        let child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => PATH_NOT_FOUND,
            ErrorKind::PermissionDenied => ACCESS_DENIED,
            _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => PATH_NOT_FOUND,
            _ => UNKNOWN_FAILURE,
        })?;
        if let Some(nice) = self.nice {
            let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            // As on Windows, a priority that the user may not set is not an error: the process runs anyway.
            if let Err(error) = rustix::process::setpriority_process(process, nice) {
                tracing::debug!(%error, process = child.id(), "Cannot set the priority of the process");
            }
        }
        Ok(child)
    }
}

/// Returns the niceness for a priority class of Windows (`Win32_Process.SetPriority`).
pub(super) fn niceness(class: i128) -> Option<i32> {
    Some(match class {
        64 => 19,
        16_384 => 10,
        32 => 0,
        32_768 => -5,
        128 => -10,
        256 => -20,
        _ => return None,
    })
}

/// Moves a process into a systemd scope of its own, so that it does not end with the unit of this service.
fn into_scope(machine: &Machine, number: u32) {
    let scope = format!("telarch-process-{number}.scope");
    let made = machine.bus().wait(async |bus| {
        let properties = [
            ("PIDs", zbus::Variant::from(vec![number])),
            ("Description", zbus::Variant::from("Started by Win32_Process.Create")),
            ("CollectMode", zbus::Variant::from("inactive-or-failed")),
        ];
        let others: [(&str, Vec<(&str, zbus::Variant<'_>)>); 0] = [];
        let body = (scope.as_str(), "fail", properties.as_slice(), others.as_slice());
        MANAGER.call(&bus, "StartTransientUnit", &body).await
    });
    match made {
        Ok(_) | Err(BusError::Absent(_)) => {}
        Err(error) => {
            tracing::debug!(%error, process = number, "Cannot create a systemd scope for the process");
        }
    }
}

const MANAGER: Object<'_> = linux::service::unit::MANAGER;

/// Stack size of threads that only wait, in bytes.
const SMALL_STACK: usize = 64 << 10;

const DEBUG_PROCESS: i128 = 1;
const DEBUG_ONLY_THIS_PROCESS: i128 = 2;
const CREATE_SUSPENDED: i128 = 4;
