//! `Win32_GroupUser`: group memberships.

use std::sync::Arc;

use wmi::{EventSource, ProviderError, Scan, Watch};

use linux::account::User;
use linux::listing::Listing;

use super::group::Row as Group;
use super::path::path;
use crate::Machine;
use crate::events;
use crate::table::{Fill, Push, Table, push_listing};

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

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Membership>,
    ) -> Result<(), ProviderError> {
        let Listing { found: users, failure } = machine.users();
        let mut all = Listing { found: Vec::new(), failure };
        let groups = Group::all(machine);
        for group in groups.found {
            let members = group.members(machine, &users).into_iter();
            all.found.extend(members.map(|user| Membership { group: group.name().to_owned(), user }));
        }
        if let Some(error) = groups.failure {
            all.fail(error);
        }
        push_listing(all, push)
    }
}
