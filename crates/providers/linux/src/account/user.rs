//! `Win32_UserAccount`.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cim::{ColumnSet, Instance, Status, Value};
use linux::account::{Password, User};
use linux::now;
use linux::program;
use wmi::{Context, EventSource, Lookup, MethodCall, ProviderError, Scan, Target, Watch};

use super::path::is_of_here;
use crate::table::{Fill, Push, Table, failure, is_set, push_listing, returned, text_in};
use crate::{Machine, events};

/// The users of the machine itself.
pub(crate) struct UserAccount;

/// A user, with lazily read password data.
pub(crate) struct Row {
    user: User,
    password: OnceCell<Option<Password>>,
}

impl Row {
    fn new(user: User) -> Self {
        Self { user, password: OnceCell::new() }
    }

    fn password(&self, machine: &Machine) -> Option<&Password> {
        self.password.get_or_init(|| Password::of(machine, &self.user.name)).as_ref()
    }

    /// Returns whether the account is disabled; `None` if the caller may not know.
    fn is_disabled(&self, machine: &Machine) -> Option<bool> {
        let by_password = self.password(machine).map(Password::is_locked);
        if self.user.has_no_shell() { Some(true) } else { by_password }
    }
}

/// Returns the current day since 1970.
fn today() -> i64 {
    now() / (86_400 * 1_000_000)
}

impl Table for UserAccount {
    type Row = Row;

    const CLASS: &'static str = "Win32_UserAccount";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        // 512 means "normal account".
        ("AccountType", |_, _| 512_u32.into()),
        ("Caption", |machine, row| format!("{}\\{}", machine.host_name(), row.user.name).into()),
        ("Description", |_, row| row.user.other_remarks().into()),
        ("Disabled", |machine, row| row.is_disabled(machine).into()),
        ("Domain", |machine, _| machine.host_name().into()),
        ("FullName", |_, row| row.user.full_name().to_owned().into()),
        ("LocalAccount", |_, _| true.into()),
        ("Lockout", |machine, row| is_locked_out(machine, &row.user.name).into()),
        ("Name", |_, row| row.user.name.clone().into()),
        ("PasswordChangeable", |machine, row| {
            row.password(machine).map(|password| password.can_change(today())).into()
        }),
        ("PasswordExpires", |machine, row| row.password(machine).map(Password::expires).into()),
        ("PasswordRequired", |machine, row| {
            row.password(machine).map(|password| !password.is_empty()).into()
        }),
        ("SID", |machine, row| machine.user_sid(row.user.uid).map(|sid| sid.numeric().to_string()).into()),
        ("SIDType", |_, _| 1_u8.into()),
        ("Status", |machine, row| {
            if row.is_disabled(machine) == Some(true) { "Degraded" } else { "OK" }.into()
        }),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        _: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(events::of_accounts(machine))
    }

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        push_listing(machine.users().map(Row::new), push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        Ok(find(machine, lookup.keys)?.map(Row::new))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let (Target::Instance(keys), "Rename") = (call.target, call.operation.method.name.as_str()) else {
            return Err(ProviderError::NotCapable);
        };
        let user = find(machine, keys)?.ok_or_else(no_such)?;
        let name = call.input.value("Name").and_then(Value::as_str).unwrap_or_default();
        returned(call, rename("usermod", "-l", &user.name, name))
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let keys = ["Domain", "Name"].map(|name| instance.value(name).cloned().unwrap_or_default());
        let user = find(machine, &keys)?.ok_or_else(no_such)?;
        let names = changed.iter().filter_map(|column| instance.class().property(column));
        let names: Vec<&str> = names.map(|property| property.name.as_str()).collect();
        // All steps are validated before the first is executed.
        let mut steps: Vec<(&str, Vec<String>)> = Vec::new();
        for name in names {
            let (program, argument) = match name {
                "FullName" => {
                    ("usermod", vec!["-c".to_owned(), remarks(&user, text_in(instance, "FullName"))?])
                }
                "Disabled" => ("usermod", vec![if is_set(instance, name) { "-L" } else { "-U" }.to_owned()]),
                "PasswordExpires" if !is_set(instance, name) => {
                    ("chage", vec!["-M".to_owned(), "99999".to_owned()])
                }
                "Lockout" if !is_set(instance, name) => {
                    ("faillock", vec!["--reset".to_owned(), "--user".to_owned()])
                }
                _ => return Err(ProviderError::NotCapable),
            };
            steps.push((program, argument));
        }
        for (program, mut arguments) in steps {
            arguments.push(user.name.clone());
            match code(program::of_system(program, arguments, LIMIT)) {
                0 => {}
                ACCESS_DENIED => {
                    let message = format!("{program} may not change {}", user.name);
                    return Err(ProviderError::failed(Status::AccessDenied, message));
                }
                code => {
                    let message = format!("{program} cannot change {}: error {code}", user.name);
                    return Err(ProviderError::failed(Status::Failed, message));
                }
            }
        }
        Ok(())
    }
}

fn find(machine: &Machine, keys: &[Value]) -> Result<Option<User>, ProviderError> {
    match keys {
        [Value::String(domain), Value::String(name)] if is_of_here(machine, domain) => {
            User::named(machine, name, machine.choices().accounts).map_err(failure)
        }
        _ => Ok(None),
    }
}

fn no_such() -> ProviderError {
    ProviderError::failed(Status::NotFound, "account not found on this machine")
}

/// Returns the GECOS fields of a user with another full name.
fn remarks(user: &User, name: Option<&str>) -> Result<String, ProviderError> {
    let name = name.unwrap_or_default();
    if name.contains([':', ',', '=', '\n']) || name.chars().any(char::is_control) {
        let message = "a full name cannot have colons, commas, equal signs or control characters";
        return Err(ProviderError::failed(Status::InvalidParameter, message));
    }
    let others: Vec<&str> = user.remarks.split(',').skip(1).collect();
    Ok(std::iter::once(name).chain(others).collect::<Vec<_>>().join(","))
}

/// Returns whether the account is locked after wrong passwords (faillock(8)): the file has one 64-byte record
/// for each, and does not exist if there were none.
fn is_locked_out(machine: &Machine, name: &str) -> Option<bool> {
    /// Default limit of pam_faillock.
    const DENY: usize = 3;
    let octets = match machine.octets(format!("var/run/faillock/{name}")) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    // Only records with the valid bit in their status count.
    let counts =
        octets.chunks_exact(64).filter(|record| record.get(54).is_some_and(|status| status & 1 != 0));
    Some(counts.count() >= DENY)
}

/// Time limit of a program, which may wait for the lock of the files.
const LIMIT: Duration = Duration::from_secs(30);

/// Windows error codes (MS-ERREF 2.2).
const ACCESS_DENIED: u32 = 5;

/// Renames an account with a program of the shadow suite and returns the Windows error code.
pub(super) fn rename(program: &str, option: &str, from: &str, to: &str) -> u32 {
    let is_name = to.len() <= 32
        && to.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && to.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'));
    // NERR_BadUsername.
    if !is_name { 2_202 } else { code(program::of_system(program, [option, to, from], LIMIT)) }
}

/// Converts the exit code of a shadow program (usermod(8), groupmod(8)) to a Windows error code.
fn code(ended: io::Result<program::Ended>) -> u32 {
    match ended.map(|ended| ended.code) {
        Ok(0) => 0,
        // The account files could not be changed.
        Ok(1 | 10) => ACCESS_DENIED,
        // NERR_BadUsername, NERR_UserNotFound, ERROR_BUSY, NERR_UserExists, ERROR_GEN_FAILURE.
        Ok(3) => 2_202,
        Ok(6) => 2_221,
        Ok(8) => 170,
        Ok(9) => 2_224,
        _ => 31,
    }
}
