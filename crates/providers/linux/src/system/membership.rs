//! Associations of the computer system: `Win32_SystemOperatingSystem` and `Win32_SystemUsers`.

use cim::{Identity, KeyValue, Name, ObjectPath, Value};
use linux::account::User;
use wmi::ProviderError;

use crate::Machine;
use crate::table::association::Association;
use crate::table::{computer_system, failure};

/// Operating system of the computer system.
pub(crate) static SYSTEM_OPERATING_SYSTEM: Association<()> = Association {
    namespace: "root/cimv2",
    class: "Win32_SystemOperatingSystem",
    columns: &[
        ("GroupComponent", |machine, ()| computer_system(machine)),
        ("PartComponent", |_, ()| {
            let class = Name::parse("Win32_OperatingSystem").ok();
            let path = class
                .map(|class| ObjectPath { identity: Identity::Singleton, ..ObjectPath::of_class(class) });
            path.into()
        }),
        ("PrimaryOS", |_, ()| true.into()),
    ],
    rows: |_| Ok(std::iter::once(()).collect()),
    subsystems: &[],
};

/// Users of the computer system.
pub(crate) static SYSTEM_USERS: Association<String> = Association {
    namespace: "root/cimv2",
    class: "Win32_SystemUsers",
    columns: &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |machine, name| user(machine, name)),
    ],
    rows: rows_of_system_users,
    subsystems: &[],
};

fn rows_of_system_users(machine: &Machine) -> Result<Vec<String>, ProviderError> {
    let users = User::in_files(machine).map_err(failure)?.into_iter();
    // Lines for NIS begin with a sign and do not define local users.
    Ok(users.map(|user| user.name).filter(|name| !name.starts_with(['+', '-', '#'])).collect())
}

fn user(machine: &Machine, name: &str) -> Value {
    user_path(machine, name).ok().into()
}

/// Returns the path of a user.
fn user_path(machine: &Machine, name: &str) -> Result<ObjectPath, cim::Error> {
    let keys = vec![
        (Name::parse("Domain")?, KeyValue::from(&Value::from(machine.host_name()))),
        (Name::parse("Name")?, KeyValue::from(&Value::from(name.to_owned()))),
    ];
    ObjectPath::from_keys(Name::parse("Win32_UserAccount")?, keys)
}
