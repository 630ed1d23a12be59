//! `Win32_Group`.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use sddl::well_known;
use wmi::{EventSource, Lookup, MethodCall, ProviderError, Scan, Target, Watch};

use linux::account::{self, User};
use linux::listing::Listing;

use super::path::is_of_here;
use super::user::rename;
use crate::Machine;
use crate::events;
use crate::table::{Fill, Push, Table, failure, push_listing, returned};

/// The groups of the machine itself, and the group of administrators as on Windows.
pub(crate) struct Group;

/// A group.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    /// A group of the machine.
    Listed(account::Group),
    /// Administrators of the machine: root, and the members of the groups permitted by sudo and su.
    Administrators,
}

impl Row {
    /// Returns all groups.
    pub(super) fn all(machine: &Machine) -> Listing<Self> {
        let mut all = Listing { found: vec![Self::Administrators], failure: None };
        all.append(machine.groups().map(Self::Listed));
        all
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Listed(group) => &group.name,
            Self::Administrators => "Administrators",
        }
    }

    pub(super) fn sid(&self, machine: &Machine) -> Option<sddl::Sid> {
        match self {
            Self::Listed(group) => machine.group_sid(group.gid),
            Self::Administrators => Some(well_known::ADMINISTRATORS),
        }
    }

    /// Returns the members: listed ones, and those with it as primary group.
    pub(super) fn members(&self, machine: &Machine, users: &[User]) -> Vec<User> {
        match self {
            Self::Listed(group) => members_of(group, users),
            Self::Administrators => {
                let mut members: Vec<User> = users.iter().filter(|user| user.uid == 0).cloned().collect();
                let groups = machine.groups().found;
                for group in groups.iter().filter(|group| matches!(group.name.as_str(), "sudo" | "wheel")) {
                    let more = members_of(group, users).into_iter().filter(|user| !members.contains(user));
                    members.extend(more.collect::<Vec<_>>());
                }
                members
            }
        }
    }
}

/// Returns the users that are listed as members of a group, or have it as primary group.
fn members_of(group: &account::Group, users: &[User]) -> Vec<User> {
    let members = users.iter().filter(|user| user.gid == group.gid || group.members.contains(&user.name));
    members.cloned().collect()
}

impl Table for Group {
    type Row = Row;

    const CLASS: &'static str = "Win32_Group";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |machine, row| format!("{}\\{}", machine.host_name(), row.name()).into()),
        ("Description", |_, row| match row {
            Row::Administrators => "root, and the members of sudo and wheel".into(),
            Row::Listed(_) => "".into(),
        }),
        ("Domain", |machine, _| machine.host_name().into()),
        ("LocalAccount", |_, _| true.into()),
        ("Name", |_, row| row.name().to_owned().into()),
        ("SID", |machine, row| row.sid(machine).map(|sid| sid.numeric().to_string()).into()),
        ("SIDType", |_, _| 4_u8.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        _: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(events::of_accounts(machine))
    }

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        push_listing(Row::all(machine), push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        find(machine, lookup.keys)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let (Target::Instance(keys), "Rename") = (call.target, call.operation.method.name.as_str()) else {
            return Err(ProviderError::NotCapable);
        };
        match find(machine, keys)?
            .ok_or_else(|| ProviderError::failed(Status::NotFound, "group not found on this machine"))?
        {
            Row::Administrators => Err(ProviderError::NotCapable),
            Row::Listed(group) => {
                let name = call.input.value("Name").and_then(Value::as_str).unwrap_or_default();
                returned(call, rename("groupmod", "-n", &group.name, name))
            }
        }
    }
}

fn find(machine: &Machine, keys: &[Value]) -> Result<Option<Row>, ProviderError> {
    let [Value::String(domain), Value::String(name)] = keys else { return Ok(None) };
    if !is_of_here(machine, domain) {
        return Ok(None);
    }
    let Listing { found: all, failure: failed } = Row::all(machine);
    let exact = all.iter().find(|row| row.name() == name);
    if let Some(known) = exact.or_else(|| all.iter().find(|row| row.name().eq_ignore_ascii_case(name))) {
        return Ok(Some(known.clone()));
    }
    if let Some(error) = failed {
        return Err(failure(error));
    }
    Ok(account::Group::elsewhere(machine, name).map_err(failure)?.map(Row::Listed))
}
