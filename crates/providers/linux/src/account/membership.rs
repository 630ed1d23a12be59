//! `Win32_GroupUser`: group memberships.

use std::sync::Arc;

use wmi::{EventSource, ProviderError, Watch};

use linux::account::User;

use super::group::Row as Group;
use super::path::path;
use crate::Machine;
use crate::events;
use crate::table::{Fill, Table};

/// All memberships.
pub(crate) struct GroupUser;

/// A membership.
pub(crate) struct Membership {
    group: String,
    user: User,
}

impl Table for GroupUser {
    type Row = Membership;

    const CLASS: &'static str = "Win32_GroupUser";

    const COLUMNS: &'static [(&'static str, Fill<Membership>)] = &[
        ("GroupComponent", |machine, row| path("Win32_Group", machine, &row.group)),
        ("PartComponent", |machine, row| path("Win32_UserAccount", machine, &row.user.name)),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        _: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(events::of_accounts(machine))
    }

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Membership>, ProviderError> {
        let users = machine.users();
        let mut all = Vec::new();
        for group in Group::all(machine) {
            let members = group.members(machine, &users).into_iter();
            all.extend(members.map(|user| Membership { group: group.name().to_owned(), user }));
        }
        Ok(all.into_iter())
    }
}
