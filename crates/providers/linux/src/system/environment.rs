//! `Win32_Environment`: environment variables of all users (`/etc/environment`, pam_env(8)).

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use cim::{ColumnSet, Instance, ObjectPath, Status, Value};
use wmi::{Context, Lookup, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, failure};

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
        let is_meant = |line: &&str| {
            Variable::parse(line).is_some_and(|variable| Some(variable.name.as_str()) == name.as_str())
        };
        if user.as_str() != Some(EVERYBODY) || !before.lines().any(|line| is_meant(&line)) {
            return Ok(false);
        }
        replace(machine, before.lines().filter(|line| !is_meant(line)))?;
        Ok(true)
    }
}

impl Variable {
    /// Parses a line of the file; `None` for comments and other lines.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let (name, value) = line.split_once('=')?;
        let quoted = |mark| value.strip_prefix(mark).map(|value| value.strip_suffix(mark).unwrap_or(value));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        is_name(name).then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Reads the variable that a client wants to set.
    fn of(instance: &Instance) -> Result<Self, ProviderError> {
        let wrong = |what: &str| ProviderError::failed(Status::InvalidParameter, what.to_owned());
        let text = |name: &str| instance.value(name).and_then(Value::as_str).unwrap_or_default();
        if text("UserName") != EVERYBODY {
            return Err(wrong("only the variables of everybody are kept: UserName has to be <SYSTEM>"));
        }
        let (name, value) = (text("Name"), text("VariableValue"));
        if !is_name(name) {
            return Err(wrong("a name has letters, digits and _, and does not begin with a digit"));
        }
        // The format of the file cannot express these characters.
        if value.contains(char::is_control) || value.contains('"') {
            return Err(wrong("a value has neither quotation marks nor control characters"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// Writes the variable into the file, in its former place.
    fn write(&self, machine: &Machine) -> Result<(), ProviderError> {
        let before = text(machine)?;
        let is_meant = |line: &str| Self::parse(line).is_some_and(|variable| variable.name == self.name);
        let mut line = Some(format!("{}=\"{}\"", self.name, self.value));
        let mut lines = Vec::new();
        for old in before.lines() {
            if is_meant(old) {
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

/// Returns whether the name is valid in shells (POSIX, Base Definitions 8.1).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn text(machine: &Machine) -> Result<String, ProviderError> {
    match machine.text(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(failure),
    }
}

/// Replaces the file atomically.
fn replace<'a>(machine: &Machine, lines: impl Iterator<Item = &'a str>) -> Result<(), ProviderError> {
    let write = || {
        let path = machine.path(FILE);
        let usual = fs::Permissions::from_mode(0o644);
        let permissions = fs::metadata(&path).map_or(usual, |before| before.permissions());
        let mut file = tempfile::NamedTempFile::new_in(machine.path("etc"))?;
        for line in lines {
            writeln!(file, "{line}")?;
        }
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(failure)
}

const FILE: &str = "etc/environment";

/// Value of `UserName` for variables of all users, as in Windows.
const EVERYBODY: &str = "<SYSTEM>";
