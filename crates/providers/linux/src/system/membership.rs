//! Associations of the computer system: `Win32_SystemOperatingSystem` and `Win32_SystemUsers`.

use cim::{Identity, KeyValue, Name, ObjectPath, Value};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, computer_system};
use linux::account::User;

/// Operating system of the computer system.
pub(crate) struct SystemOperatingSystem;

/// Users of the computer system.
pub(crate) struct SystemUsers;

impl Table for SystemOperatingSystem {
    type Row = ();

    const CLASS: &'static str = "Win32_SystemOperatingSystem";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("GroupComponent", |machine, ()| computer_system(machine)),
        ("PartComponent", |_, ()| {
            let class = Name::parse("Win32_OperatingSystem").ok();
            let path = class
                .map(|class| ObjectPath { identity: Identity::Singleton, ..ObjectPath::of_class(class) });
            path.into()
        }),
        ("PrimaryOS", |_, ()| true.into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok(std::iter::once(()))
    }
}

impl Table for SystemUsers {
    type Row = String;

    const CLASS: &'static str = "Win32_SystemUsers";

    const COLUMNS: &'static [(&'static str, Fill<String>)] = &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |machine, name| user(machine, name)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = String>, ProviderError> {
        let users = User::in_files(machine).into_iter();
        // Lines for NIS begin with a sign and do not define local users.
        Ok(users.map(|user| user.name).filter(|name| !name.starts_with(['+', '-', '#'])))
    }
}

fn user(machine: &Machine, name: &str) -> Value {
    let path = || {
        let key = |name: &str, value: String| Ok((Name::parse(name)?, KeyValue::from(&Value::from(value))));
        let keys: Result<Vec<_>, cim::Error> =
            [key("Domain", machine.host_name()), key("Name", name.to_owned())].into_iter().collect();
        ObjectPath::from_keys(Name::parse("Win32_UserAccount")?, keys?)
    };
    path().ok().into()
}
