//! `Win32_SID`: SIDs and their accounts.

use std::cell::OnceCell;
use std::sync::Arc;

use linux::listing::Listing;
use sddl::{Principal, RelativeSid, Sid};
use wmi::descriptor::Accounts;
use wmi::{Lookup, ProviderError, Scan};

use super::group::Row as Group;
use super::system_account;
use crate::Machine;
use crate::table::{Fill, Push, Table, failure, push_listing, text_key};

/// SIDs of accounts known here.
pub(crate) struct Identity;

/// A SID and its account.
pub(crate) struct Row {
    sid: Sid,
    name: Option<String>,
    /// Whether it is an account of this machine rather than a well-known one.
    is_of_here: bool,
}

/// Accounts of a machine, with each file read once.
pub(crate) struct AccountDirectory<'a> {
    machine: &'a Machine,
    all: OnceCell<Vec<Row>>,
}

impl<'a> AccountDirectory<'a> {
    pub(crate) fn of(machine: &'a Machine) -> Self {
        Self { machine, all: OnceCell::new() }
    }

    fn all(&self) -> &[Row] {
        // Accounts of a source that does not answer have no names here.
        self.all.get_or_init(|| all(self.machine).found)
    }
}

impl Accounts for AccountDirectory<'_> {
    fn resolve(&self, alias: RelativeSid) -> Option<Sid> {
        alias.resolve(self.machine.sid()?, None)
    }

    fn account(&self, sid: Sid) -> Option<(Option<String>, String)> {
        let row = self.all().iter().find(|row| row.sid == sid)?;
        let domain = row.domain(self.machine);
        Some(((!domain.is_empty()).then_some(domain), row.name.clone()?))
    }

    fn named(&self, domain: Option<&str>, name: &str) -> Option<Principal> {
        let rows: Vec<&Row> =
            self.all().iter().filter(|row| row.has_name(self.machine, domain, name)).collect();
        let exact = rows.iter().find(|row| row.name.as_deref() == Some(name));
        let found = exact.or(rows.first()).map(|row| row.sid.into());
        found.or_else(|| domain.is_none().then(|| Principal::named(name)).flatten())
    }
}

impl Row {
    /// Returns whether it is an account with this name in any case, in this domain if there is one.
    fn has_name(&self, machine: &Machine, domain: Option<&str>, name: &str) -> bool {
        domain.is_none_or(|domain| domain == "." || domain.eq_ignore_ascii_case(&self.domain(machine)))
            && self.name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    fn domain(&self, machine: &Machine) -> String {
        match (self.is_of_here, self.sid.authority()) {
            (true, _) => machine.host_name(),
            (false, 5) if self.sid.sub_authorities().first() == Some(&32) => "BUILTIN".to_owned(),
            (false, 5) => "NT AUTHORITY".to_owned(),
            (false, _) => String::new(),
        }
    }
}

/// Returns all accounts.
fn all(machine: &Machine) -> Listing<Row> {
    let (users, groups) = (machine.users(), Group::all(machine));
    let failure = users.failure.or(groups.failure);
    let users = users.found.into_iter().filter_map(|user| {
        Some(Row { sid: machine.user_sid(user.uid)?, name: Some(user.name), is_of_here: true })
    });
    let groups = groups.found.into_iter().filter_map(|group| {
        let is_of_here = matches!(group, Group::Listed(_));
        Some(Row { sid: group.sid(machine)?, name: Some(group.name().to_owned()), is_of_here })
    });
    let system = system_account::ALL.into_iter().map(|(name, sid)| Row {
        sid,
        name: Some(name.to_owned()),
        is_of_here: false,
    });
    Listing { found: users.chain(groups).chain(system).collect(), failure }
}

impl Table for Identity {
    type Row = Row;

    const CLASS: &'static str = "Win32_SID";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AccountName", |_, row| row.name.clone().into()),
        ("BinaryRepresentation", |_, row| row.sid.encode().into()),
        ("ReferencedDomainName", |machine, row| row.domain(machine).into()),
        ("SID", |_, row| row.sid.numeric().to_string().into()),
        ("SidLength", |_, row| u32::try_from(row.sid.encode().len()).ok().into()),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        push_listing(all(machine), push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let Ok(sid) = Sid::parse(text_key(lookup.keys)) else { return Ok(None) };
        let found = all(machine).find(|row| row.sid == sid).map_err(failure)?;
        // Any valid SID is returned, even without an account.
        Ok(Some(found.unwrap_or_else(|| Row { sid, name: sid.name().map(str::to_owned), is_of_here: false })))
    }
}
