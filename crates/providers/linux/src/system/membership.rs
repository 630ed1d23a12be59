//! Associations of the computer system: `Win32_SystemOperatingSystem` and `Win32_SystemUsers`.

use std::sync::Arc;

use cim::{Identity, KeyValue, Name, ObjectPath, Value};
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table, computer_system};

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

    fn rows(&self, _: &Arc<Machine>, _: &Scan, push: &mut Push<'_, ()>) -> Result<(), ProviderError> {
        push(())
    }
}

impl Table for SystemUsers {
    type Row = String;

    const CLASS: &'static str = "Win32_SystemUsers";

    const COLUMNS: &'static [(&'static str, Fill<String>)] = &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |machine, name| user(machine, name)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, String>,
    ) -> Result<(), ProviderError> {
        let text = machine.text("etc/passwd").unwrap_or_default();
        let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0));
        // Lines for NIS begin with a sign and do not define local users.
        let names = names.filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']));
        names.map(str::to_owned).try_for_each(push)
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
