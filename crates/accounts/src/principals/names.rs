//! Lookup of SIDs by name and of names by SID, for reading and writing security descriptors.

use auth::account_file::Rid;
use sddl::linux::{group_sid, user_sid};
use sddl::{DomainSid, Sid};

use super::{LocalPrincipals, LocalRole, ServiceScope};

/// Prefix that marks a name as that of a group.
const GROUP: &str = "group ";

/// Name that Windows gives to this group.
const REMOTE_WMI_USERS: &str = "WinRMRemoteWMIUsers__";

impl LocalPrincipals {
    /// Returns the SID of an account or user with this name, otherwise of a group. `group wheel` refers to the group in
    /// any case.
    #[must_use]
    pub fn sid_of(&self, name: &str, machine: DomainSid) -> Option<Sid> {
        if let Some(group) = name.strip_prefix(GROUP) {
            return self.group_sid(group.trim(), machine);
        }
        if name.eq_ignore_ascii_case(REMOTE_WMI_USERS) {
            return Some(LocalRole::RemoteWmiUser.sid(machine));
        }
        self.user_sid(name, machine).or_else(|| self.group_sid(name, machine))
    }

    /// Returns a name that [`LocalPrincipals::sid_of`] maps to this SID.
    #[must_use]
    pub fn name_of(&self, sid: Sid, machine: DomainSid) -> Option<String> {
        if sid == LocalRole::RemoteWmiUser.sid(machine) {
            return Some(REMOTE_WMI_USERS.to_owned());
        }
        let user = self.users.find_uid_where(|uid| user_sid(uid, machine) == sid).ok().flatten();
        user.or_else(|| self.record_name(sid, machine)).or_else(|| self.group_name(sid, machine))
    }

    fn user_sid(&self, name: &str, machine: DomainSid) -> Option<Sid> {
        let record = self.accounts.as_ref().and_then(|accounts| accounts.find(name).ok().flatten());
        let of_record = record.map(|record| machine.account(record.rid.number()));
        match self.scope {
            ServiceScope::Machine => self.unix_user_sid(name, machine).or(of_record),
            ServiceScope::OneUser { .. } => of_record.or_else(|| self.unix_user_sid(name, machine)),
        }
    }

    fn unix_user_sid(&self, name: &str, machine: DomainSid) -> Option<Sid> {
        self.users.find(name).ok().flatten().map(|user| user_sid(user.uid, machine))
    }

    fn group_sid(&self, name: &str, machine: DomainSid) -> Option<Sid> {
        let (_, gid) = self.users.find_group(|own, _| own == name).ok().flatten()?;
        Some(group_sid(gid, machine))
    }

    fn group_name(&self, sid: Sid, machine: DomainSid) -> Option<String> {
        let found = self.users.find_group(|_, gid| group_sid(gid, machine) == sid).ok().flatten();
        found.map(|(name, _)| format!("{GROUP}{name}"))
    }

    fn record_name(&self, sid: Sid, machine: DomainSid) -> Option<String> {
        let rid = sid.sub_authorities().last().copied().and_then(Rid::new)?;
        let found = self.accounts.as_ref()?.find_rid(rid).ok().flatten()?;
        (machine.account(rid.number()) == sid).then(|| found.name.to_string())
    }
}
