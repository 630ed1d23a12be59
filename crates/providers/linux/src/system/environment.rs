//! `Win32_Environment`: environment variables of all users (`/etc/environment`, pam_env(8)).

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use cim::{ColumnSet, Instance, ObjectPath, Status};
use wmi::{Context, Lookup, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, failure, text_of};

/// Environment variables of all users.
pub(crate) struct Environment;

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    name: String,
    value: String,
}

impl Table for Environment {
    type Row = Variable;

    const CLASS: &'static str = "Win32_Environment";

    const COLUMNS: &'static [(&'static str, Fill<Variable>)] = &[
        ("Caption", |_, variable| format!("{EVERYBODY}\\{}", variable.name).into()),
        ("Description", |_, variable| format!("{EVERYBODY}\\{}", variable.name).into()),
        ("Name", |_, variable| variable.name.clone().into()),
        ("Status", |_, _| "OK".into()),
        ("SystemVariable", |_, _| true.into()),
        ("UserName", |_, _| EVERYBODY.into()),
        ("VariableValue", |_, variable| variable.value.clone().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Variable>, ProviderError> {
        let mut variables: Vec<Variable> = Vec::new();
        // Of several lines for a variable, the last takes effect.
        for variable in text(machine)?.lines().filter_map(Variable::parse) {
            variables.retain(|before| before.name != variable.name);
            variables.push(variable);
        }
        Ok(variables.into_iter())
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        _: &ColumnSet,
    ) -> Result<(), ProviderError> {
        Variable::of(instance)?.write(machine)
    }

    fn create(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
    ) -> Result<ObjectPath, ProviderError> {
        let variable = Variable::of(instance)?;
        if text(machine)?.lines().filter_map(Variable::parse).any(|before| before.name == variable.name) {
            return Err(ProviderError::failed(Status::AlreadyExists, "there is such a variable already"));
        }
        variable.write(machine)?;
        Ok(instance.path()?)
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let [name, user] = lookup.keys else { return Ok(false) };
        let before = text(machine)?;
        let name = name.as_str().unwrap_or_default();
        if user.as_str() != Some(EVERYBODY) || !before.lines().any(|line| sets(line, name)) {
            return Ok(false);
        }
        replace(machine, before.lines().filter(|line| !sets(line, name)))?;
        Ok(true)
    }
}

impl Variable {
    /// Parses a line of the file; `None` for comments and other lines.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let (name, value) = line.split_once('=')?;
        let value = unquoted(value, '"').or_else(|| unquoted(value, '\'')).unwrap_or(value);
        is_name(name).then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Reads the variable that a client wants to set.
    fn of(instance: &Instance) -> Result<Self, ProviderError> {
        if text_of(instance, "UserName") != EVERYBODY {
            return Err(wrong("only variables of all users can be set: UserName must be <SYSTEM>"));
        }
        let (name, value) = (text_of(instance, "Name"), text_of(instance, "VariableValue"));
        if !is_name(name) {
            return Err(wrong("Name must consist of letters, digits and _, and not begin with a digit"));
        }
        // The format of the file cannot express these characters.
        if value.contains(char::is_control) || value.contains('"') {
            return Err(wrong("VariableValue must not contain quotation marks or control characters"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Writes the variable into the file, in its former place.
    fn write(&self, machine: &Machine) -> Result<(), ProviderError> {
        let before = text(machine)?;
        let mut line = Some(format!("{}=\"{}\"", self.name, self.value));
        let mut lines = Vec::new();
        for old in before.lines() {
            if sets(old, &self.name) {
                // Further lines for the same variable are dropped.
                lines.extend(line.take());
            } else {
                lines.push(old.to_owned());
            }
        }
        lines.extend(line);
        replace(machine, lines.iter().map(String::as_str))
    }
}

fn wrong(message: &str) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, message)
}

/// Returns whether a line sets the variable with this name.
fn sets(line: &str, name: &str) -> bool {
    Variable::parse(line).is_some_and(|variable| variable.name == name)
}

/// Returns whether the name is valid in shells (POSIX, Base Definitions 8.1).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Removes a quotation mark at the beginning, and at the end if there is one; `None` without.
fn unquoted(value: &str, mark: char) -> Option<&str> {
    value.strip_prefix(mark).map(|value| value.strip_suffix(mark).unwrap_or(value))
}

fn text(machine: &Machine) -> Result<String, ProviderError> {
    match machine.text(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(failure),
    }
}

/// Replaces the file atomically.
fn replace<'a>(machine: &Machine, lines: impl Iterator<Item = &'a str>) -> Result<(), ProviderError> {
    write(machine, lines).map_err(failure)
}

fn write<'a>(machine: &Machine, lines: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let path = machine.path(FILE);
    let usual = fs::Permissions::from_mode(0o644);
    let permissions = fs::metadata(&path).map_or(usual, |before| before.permissions());
    let mut file = tempfile::NamedTempFile::new_in(machine.path("etc"))?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

const FILE: &str = "etc/environment";

/// Value of `UserName` for variables of all users, as in Windows.
const EVERYBODY: &str = "<SYSTEM>";
