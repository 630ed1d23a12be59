//! From names to SIDs and back, for those who read and write security descriptors.

use auth::account_file::Rid;
use sddl::linux::{group_sid, user_sid};
use sddl::{DomainSid, Sid};

use super::{LocalPrincipals, LocalRole, Serving};

/// What stands before the name of a group, which may be that of a user, too.
const GROUP: &str = "group ";

/// As Windows calls it.
const REMOTE_WMI_USERS: &str = "WinRMRemoteWMIUsers__";

impl LocalPrincipals {
    /// The SID of an account or a user, else of a group; `group wheel` is the group in any case.
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

    /// The name that [`LocalPrincipals::sid_of`] finds a SID by.
    #[must_use]
    pub fn name_of(&self, sid: Sid, machine: DomainSid) -> Option<String> {
        if sid == LocalRole::RemoteWmiUser.sid(machine) {
            return Some(REMOTE_WMI_USERS.to_owned());
        }
        let user = self.users.find_uid_where(|uid| user_sid(uid, machine) == sid).ok().flatten();
        let group = || self.users.find_group(|_, gid| group_sid(gid, machine) == sid).ok().flatten();
        user.or_else(|| self.record_name(sid, machine))
            .or_else(|| group().map(|(name, _)| format!("{GROUP}{name}")))
    }

    fn user_sid(&self, name: &str, machine: DomainSid) -> Option<Sid> {
        let record = self.accounts.as_ref().and_then(|accounts| accounts.find(name).ok().flatten());
        let of_record = record.map(|record| machine.account(record.rid.number()));
        let user = || self.users.find(name).ok().flatten().map(|user| user_sid(user.uid, machine));
        match self.serving {
            Serving::Machine => user().or(of_record),
            Serving::OneUser { .. } => of_record.or_else(user),
        }
    }

    fn group_sid(&self, name: &str, machine: DomainSid) -> Option<Sid> {
        let (_, gid) = self.users.find_group(|own, _| own == name).ok().flatten()?;
        Some(group_sid(gid, machine))
    }

    fn record_name(&self, sid: Sid, machine: DomainSid) -> Option<String> {
        let rid = sid.sub_authorities().last().copied().and_then(Rid::new)?;
        let found = self.accounts.as_ref()?.find_rid(rid).ok().flatten()?;
        (machine.account(rid.number()) == sid).then(|| found.name.to_string())
    }
}
