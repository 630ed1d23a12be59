//! Creation, change and deletion of services.

use cim::{Instance, Value};
use linux::bus::BusError;
use linux::command_line;
use linux::service::unit::{MANAGER, Unit, is_name};
use linux::service::unit_file::{Folder, Settings};

use super::code;
use super::control::{refusal, stop};
use crate::Machine;

/// Start mode of a service (`Win32_Service.ChangeStartMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartMode {
    Automatic,
    Manual,
    Disabled,
}

impl StartMode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let modes = [
            ("Automatic", Self::Automatic),
            ("Auto", Self::Automatic),
            ("Manual", Self::Manual),
            ("Disabled", Self::Disabled),
        ];
        modes.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, mode)| mode)
    }
}

/// Sets the start mode: enables, disables or masks the unit. Returns the code of the method.
pub(super) fn start_mode(machine: &Machine, unit: &Unit, mode: StartMode) -> u32 {
    match set_start_mode(machine, &unit.unit_name(), mode) {
        Ok(code) => code,
        Err(error) => refusal(&error),
    }
}

/// Result of `EnableUnitFiles`: whether the unit has an [Install] section, and the changed links.
type Enabled = (bool, Vec<(String, String, String)>);

fn set_start_mode(machine: &Machine, name: &str, mode: StartMode) -> Result<u32, BusError> {
    let names = [name];
    let names = names.as_slice();
    let done = machine.bus().wait(async |bus| {
        match mode {
            StartMode::Automatic => {
                MANAGER.call(&bus, "UnmaskUnitFiles", &(names, false)).await?;
                let (has_install, _): Enabled =
                    MANAGER.ask(&bus, "EnableUnitFiles", &(names, false, true)).await?;
                if !has_install {
                    // The unit does not say which target should start it.
                    return Ok(code::NOT_SUPPORTED);
                }
            }
            StartMode::Manual => {
                MANAGER.call(&bus, "UnmaskUnitFiles", &(names, false)).await?;
                MANAGER.call(&bus, "DisableUnitFiles", &(names, false)).await?;
            }
            StartMode::Disabled => {
                MANAGER.call(&bus, "DisableUnitFiles", &(names, false)).await?;
                MANAGER.call(&bus, "MaskUnitFiles", &(names, false, false)).await?;
            }
        }
        Ok(code::DONE)
    });
    let done = match done {
        // A unit file in the administrator's folder occupies the place of the mask, and is not overwritten.
        Err(error) if mode == StartMode::Disabled && says_file_exists(&error) => Ok(code::NOT_SUPPORTED),
        done => done,
    };
    reload(machine)?;
    done
}

fn says_file_exists(error: &BusError) -> bool {
    matches!(error, BusError::Refused { name, .. }
        if name.ends_with(".FileExists") || name.ends_with(".EEXIST") || name.ends_with(".UnitExists"))
}

/// Implements `Win32_Service.Create`; returns its code.
pub(super) fn create(machine: &Machine, input: &Instance) -> u32 {
    try_create(machine, input).unwrap_or_else(|code| code)
}

/// Creates a service.
///
/// # Errors
/// The code of the method for the reason of the failure.
fn try_create(machine: &Machine, input: &Instance) -> Result<u32, u32> {
    let name = text(input, "Name").filter(|name| is_name(name)).ok_or(code::INVALID_NAME)?;
    let kind = input.value("ServiceType").and_then(Value::as_integer);
    if kind.is_some_and(|kind| kind != OWN_PROCESS) {
        return Err(code::INVALID_PARAMETER);
    }
    let mode = mode(input)?.unwrap_or(StartMode::Manual);
    if mode == StartMode::Disabled {
        return Err(code::INVALID_PARAMETER);
    }
    let mut settings = settings(machine, input)?;
    if settings.command.is_none() {
        return Err(code::PATH_NOT_FOUND);
    }
    settings.description.get_or_insert_with(|| name.to_owned());
    if Unit::find(machine, name).map_err(|error| refusal(&error))?.is_some() {
        return Err(code::ALREADY_EXISTS);
    }
    let unit = format!("{name}.service");
    let folder = Folder::of(machine).map_err(|error| refusal(&error))?;
    folder.create(&unit, &settings).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => code::ALREADY_EXISTS,
        _ => of_disk(&error),
    })?;
    reload(machine).map_err(|error| refusal(&error))?;
    match mode {
        StartMode::Automatic => set_start_mode(machine, &unit, mode).map_err(|error| refusal(&error)),
        _ => Ok(code::DONE),
    }
}

/// Implements `Win32_Service.Change`; returns its code.
pub(super) fn change(machine: &Machine, unit: &Unit, input: &Instance) -> u32 {
    try_change(machine, unit, input).unwrap_or_else(|code| code)
}

/// Changes a service.
///
/// # Errors
/// The code of the method for the reason of the failure.
fn try_change(machine: &Machine, unit: &Unit, input: &Instance) -> Result<u32, u32> {
    let kind = input.value("ServiceType").and_then(Value::as_integer);
    if kind.is_some_and(|kind| kind != OWN_PROCESS) {
        return Err(code::INVALID_PARAMETER);
    }
    let (settings, mode) = (settings(machine, input)?, mode(input)?);
    if settings != Settings::default() {
        let folder = Folder::of(machine).map_err(|error| refusal(&error))?;
        folder.change(&unit.unit_name(), settings).map_err(|error| of_disk(&error))?;
        reload(machine).map_err(|error| refusal(&error))?;
    }
    mode.map_or(Ok(code::DONE), |mode| {
        set_start_mode(machine, &unit.unit_name(), mode).map_err(|error| refusal(&error))
    })
}

/// Implements `Win32_Service.Delete` for services created by this service; returns its code.
pub(super) fn delete(machine: &Machine, unit: &Unit) -> u32 {
    try_delete(machine, unit).unwrap_or_else(|code| code)
}

/// Deletes a service.
///
/// # Errors
/// The code of the method for the reason of the failure.
fn try_delete(machine: &Machine, unit: &Unit) -> Result<u32, u32> {
    let folder = Folder::of(machine).map_err(|error| refusal(&error))?;
    if !folder.is_ours(&unit.unit_name()) {
        return Err(code::ACCESS_DENIED);
    }
    if !matches!(unit.active(machine), "inactive" | "failed") {
        match stop(machine, unit) {
            code::DONE | code::NOT_ACCEPTED => {}
            code => return Err(code),
        }
    }
    let names = [unit.unit_name()];
    machine
        .bus()
        .wait(async |bus| MANAGER.call(&bus, "DisableUnitFiles", &(names.as_slice(), false)).await)
        .map_err(|error| refusal(&error))?;
    folder.remove(&unit.unit_name()).map_err(|error| of_disk(&error))?;
    reload(machine).map_err(|error| refusal(&error))?;
    Ok(code::DONE)
}

/// Makes systemd read its unit files again.
fn reload(machine: &Machine) -> Result<(), BusError> {
    machine.bus().wait(async |bus| MANAGER.call(&bus, "Reload", &()).await.map(drop))
}

/// Converts the parameters of `Create` and `Change` to settings of a unit.
///
/// # Errors
/// The code for an invalid parameter.
fn settings(machine: &Machine, input: &Instance) -> Result<Settings, u32> {
    let has_group = text(input, "LoadOrderGroup").is_some_and(|group| !group.is_empty())
        || !input.value("LoadOrderGroupDependencies").map_or(&[][..], Value::elements).is_empty();
    // Linux has no load order groups, and services have no desktop.
    if has_group || input.value("DesktopInteract") == Some(&Value::Boolean(true)) {
        return Err(code::INVALID_PARAMETER);
    }
    let mut settings = Settings::default();
    if let Some(description) = text(input, "DisplayName").filter(|text| !text.is_empty()) {
        // A backslash at the end would continue the line (systemd.syntax(7)).
        if description.contains(char::is_control) || description.trim_end().ends_with('\\') {
            return Err(code::INVALID_PARAMETER);
        }
        settings.description = Some(description.to_owned());
    }
    if let Some(line) = text(input, "PathName") {
        let words = command_line::words(line).ok_or(code::INVALID_PARAMETER)?;
        let is_absolute = words.first().is_some_and(|program| program.starts_with('/'));
        if !is_absolute {
            return Err(code::PATH_NOT_FOUND);
        }
        if words.iter().any(|word| word.contains(char::is_control)) {
            return Err(code::INVALID_PARAMETER);
        }
        settings.command = Some(words);
    }
    if let Some(account) = text(input, "StartName").filter(|text| !text.is_empty()) {
        let host = machine.host_name();
        let local = account.strip_prefix(".\\").or_else(|| account.strip_prefix(&format!("{host}\\")));
        let name = match local.unwrap_or(account) {
            name if name.eq_ignore_ascii_case("LocalSystem") => "root",
            name => name,
        };
        if machine.user_named(name).is_none() {
            return Err(code::BAD_ACCOUNT);
        }
        settings.user = Some(name.to_owned());
    }
    let needed = input.value("ServiceDependencies").map_or(&[][..], Value::elements);
    for name in needed.iter().filter_map(Value::as_str) {
        match Unit::find(machine, name).map_err(|error| refusal(&error))? {
            Some(unit) => settings.needs.push(unit.unit_name()),
            None => return Err(code::DEPENDENCY_DELETED),
        }
    }
    Ok(settings)
}

fn mode(input: &Instance) -> Result<Option<StartMode>, u32> {
    let text = text(input, "StartMode").filter(|text| !text.is_empty());
    text.map(|text| StartMode::parse(text).ok_or(code::INVALID_PARAMETER)).transpose()
}

fn text<'a>(input: &'a Instance, name: &str) -> Option<&'a str> {
    input.value(name).and_then(Value::as_str)
}

fn of_disk(error: &std::io::Error) -> u32 {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => code::ACCESS_DENIED,
        _ => code::UNKNOWN_FAILURE,
    }
}

/// Service type of a process of its own, the only one supported.
const OWN_PROCESS: i128 = 16;
