//! `Win32_SID`: who a SID is.

use std::sync::Arc;

use sddl::Sid;
use wmi::{Lookup, ProviderError, Scan};

use super::database::User;
use super::group::Row as Group;
use super::system_account;
use crate::Machine;
use crate::table::{Fill, Push, Table, text_key};

/// The SIDs that somebody here has.
pub(crate) struct Identity;

/// A SID with whose it is.
pub(crate) struct Row {
    sid: Sid,
    name: Option<String>,
    /// Whether it is an account of this machine, and not one that every machine has.
    is_of_here: bool,
}

/// Everybody's.
fn all(machine: &Machine) -> Vec<Row> {
    let users = User::all(machine).into_iter().filter_map(|user| {
        Some(Row { sid: machine.user_sid(user.uid)?, name: Some(user.name), is_of_here: true })
    });
    let groups = Group::all(machine).into_iter().filter_map(|group| {
        let is_of_here = matches!(group, Group::Listed(_));
        Some(Row { sid: group.sid(machine)?, name: Some(group.name().to_owned()), is_of_here })
    });
    let system = system_account::ALL.into_iter().map(|(name, sid)| Row {
        sid,
        name: Some(name.to_owned()),
        is_of_here: false,
    });
    users.chain(groups).chain(system).collect()
}

impl Table for Identity {
    type Row = Row;

    const CLASS: &'static str = "Win32_SID";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AccountName", |_, row| row.name.clone().into()),
        ("BinaryRepresentation", |_, row| row.sid.encode().into()),
        ("ReferencedDomainName", |machine, row| match (row.is_of_here, row.sid.authority()) {
            (true, _) => machine.host_name().into(),
            (false, 5) if row.sid.sub_authorities().first() == Some(&32) => "BUILTIN".into(),
            (false, 5) => "NT AUTHORITY".into(),
            (false, _) => "".into(),
        }),
        ("SID", |_, row| row.sid.numeric().to_string().into()),
        ("SidLength", |_, row| u32::try_from(row.sid.encode().len()).ok().into()),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        all(machine).into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let Ok(sid) = Sid::parse(text_key(lookup.keys)) else { return Ok(None) };
        let found = all(machine).into_iter().find(|row| row.sid == sid);
        // Whoever has a SID by its form need not have an account.
        let other = || Row { sid, name: sid.name().map(str::to_owned), is_of_here: false };
        Ok(Some(found.unwrap_or_else(other)))
    }
}
