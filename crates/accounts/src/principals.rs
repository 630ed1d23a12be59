//! From the name of an account to the SIDs that access is decided with.

mod names;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use auth::AuthError;
use auth::account_file::{Record, Rid, Role, Standing};
use config::Groups;
use sddl::linux::{Logon, Proof, account_token};
use sddl::{DomainSid, Sid, Token, well_known};

use crate::{FileAccounts, UnixUser, UnixUsers};

/// Knows as whom an account acts here.
///
/// The answer is not remembered: who is disabled or leaves a group does so from the next question on.
#[derive(Clone, Debug)]
pub struct LocalPrincipals {
    serving: Serving,
    users: UnixUsers,
    accounts: Option<FileAccounts>,
    groups: GroupSource,
}

/// Tells which groups of the machine are groups of Windows; it is asked every time.
#[derive(Clone)]
struct GroupSource(Arc<dyn Fn() -> Arc<Groups> + Send + Sync>);

/// For whom the service works, which decides what the name of an account means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// The whole machine, as root: what a user asks for is done in a process of that user.
    ///
    /// A name is the Unix user of this name, and the kernel and the groups of the machine decide what it may
    /// do. An account of the file without a Unix user has a SID, but no role, whatever its record says:
    /// there is no user to do anything as.
    Machine,
    /// One user: whatever anybody asks for is done as this user, in one process.
    ///
    /// A name is the account of the file, and its record decides whether it is an administrator of the
    /// service. Of the users of the machine only the one who runs the service may sign in, as an
    /// administrator. [`Pam`](crate::Pam) belongs to [`Machine`](Self::Machine): here a name that is in the
    /// file need not mean the user of the machine whose password PAM knows.
    OneUser {
        /// The number of that user.
        uid: u32,
    },
}

/// As whom an account acts, and which groups of Windows that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalLogon {
    /// The user.
    pub user: LocalUser,
    /// What it is beyond its user and groups.
    pub roles: BTreeSet<LocalRole>,
}

/// A user in the terms of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalUser {
    /// A user of the machine.
    Unix {
        /// The number of the user.
        uid: u32,
        /// The numbers of all its groups, the primary one first.
        gids: Vec<u32>,
    },
    /// An account that only the service's own file knows.
    FileOnly {
        /// The last number of its SID.
        rid: Rid,
    },
}

/// A group of Windows that users of a Linux machine can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LocalRole {
    /// `BUILTIN\Administrators`: the groups that [`Groups`] names (`winrm-admins` by default), root, and whoever [`Serving`] makes one.
    Administrator,
    /// `BUILTIN\Remote Management Users`: `winrm-users` by default.
    RemoteManagementUser,
    /// `WinRMRemoteWMIUsers__`: the group of that name, or `winrmremotewmiusers`, by default.
    RemoteWmiUser,
    /// `BUILTIN\Event Log Readers`: `winrm-event-readers` by default.
    EventLogReader,
}

impl LocalPrincipals {
    /// Looks names up among the users of the machine and, if there is one, in the file of accounts.
    #[must_use]
    pub fn new(serving: Serving, users: UnixUsers, accounts: Option<FileAccounts>) -> Self {
        let usual = Arc::new(Groups::default());
        Self { serving, users, accounts, groups: GroupSource(Arc::new(move || Arc::clone(&usual))) }
    }

    /// The same with other groups that are groups of Windows; `groups` is asked at every question.
    #[must_use]
    pub fn with_groups(self, groups: impl Fn() -> Arc<Groups> + Send + Sync + 'static) -> Self {
        Self { groups: GroupSource(Arc::new(groups)), ..self }
    }

    /// As whom the account of this name acts; `None` if it is nobody here, if its record is disabled, or if
    /// that cannot be found out.
    #[must_use]
    pub fn logon(&self, name: &str) -> Option<LocalLogon> {
        let record = match self.accounts.as_ref().map(|accounts| accounts.find(name)) {
            Some(Ok(record)) => record,
            None => None,
            // Said to the log by the file already.
            Some(Err(_)) => return None,
        };
        if record.as_ref().is_some_and(|record| record.standing == Standing::Disabled) {
            return None;
        }
        match (self.serving, record) {
            (Serving::Machine, record) => {
                let user = self.unix_user(name)?.map(|user| LocalLogon::unix(&user, &(self.groups.0)()));
                user.or_else(|| record.map(|record| LocalLogon::without_role(record.rid)))
            }
            (Serving::OneUser { .. }, Some(record)) => Some(LocalLogon::of_record(&record)),
            (Serving::OneUser { uid }, None) => {
                let owner = self.unix_user(name)?.filter(|user| user.uid == uid)?;
                let mut logon = LocalLogon::unix(&owner, &(self.groups.0)());
                logon.roles.insert(LocalRole::Administrator);
                Some(logon)
            }
        }
    }

    /// Whether the file has the account, and as one that may not sign in.
    pub(crate) fn is_disabled(&self, name: &str) -> Result<bool, AuthError> {
        let Some(accounts) = &self.accounts else { return Ok(false) };
        Ok(accounts.find(name)?.is_some_and(|record| record.standing == Standing::Disabled))
    }

    /// None if that cannot be found out.
    fn unix_user(&self, name: &str) -> Option<Option<UnixUser>> {
        self.users
            .find(name)
            .inspect_err(|error| tracing::error!(%error, "The users of this machine cannot be read"))
            .ok()
    }
}

impl LocalLogon {
    /// What access is decided with, for a user who has proven in this way who it is.
    #[must_use]
    pub fn token(&self, machine: DomainSid, proof: Proof) -> Token {
        let roles = self.roles.iter().map(|role| role.sid(machine));
        match &self.user {
            LocalUser::Unix { uid, gids } => {
                // Every user has a primary group, which stands for the ones that gave the roles.
                let primary = gids.first().copied().unwrap_or_default();
                let roles: Vec<(u32, Sid)> = roles.map(|role| (primary, role)).collect();
                Logon { uid: *uid, gids, roles: &roles, proof }.token(machine)
            }
            LocalUser::FileOnly { rid } => {
                account_token(machine.account(rid.number()), roles.collect(), proof, machine)
            }
        }
    }

    fn unix(user: &UnixUser, groups: &Groups) -> Self {
        let names = user.groups.iter().filter_map(|group| group.name.as_deref());
        let mut roles: BTreeSet<LocalRole> =
            names.flat_map(|name| LocalRole::of_group(name, groups)).collect();
        if user.uid == 0 {
            roles.insert(LocalRole::Administrator);
        }
        let gids = user.groups.iter().map(|group| group.gid).collect();
        Self { user: LocalUser::Unix { uid: user.uid, gids }, roles }
    }

    fn of_record(record: &Record) -> Self {
        let mut logon = Self::without_role(record.rid);
        if record.role == Role::Administrator {
            logon.roles.insert(LocalRole::Administrator);
        }
        logon
    }

    fn without_role(rid: Rid) -> Self {
        Self { user: LocalUser::FileOnly { rid }, roles: BTreeSet::new() }
    }
}

impl LocalRole {
    /// The SID of the group.
    #[must_use]
    pub fn sid(self, machine: DomainSid) -> Sid {
        match self {
            Self::Administrator => well_known::ADMINISTRATORS,
            Self::RemoteManagementUser => well_known::REMOTE_MANAGEMENT_USERS,
            Self::RemoteWmiUser => machine.account(sddl::linux::REMOTE_WMI_USERS),
            Self::EventLogReader => well_known::EVENT_LOG_READERS,
        }
    }

    /// The roles that the members of a group of the machine have.
    fn of_group<'a>(name: &'a str, groups: &'a Groups) -> impl Iterator<Item = Self> + use<'a> {
        let named = [
            (Self::Administrator, &groups.administrators),
            (Self::RemoteManagementUser, &groups.remote_management_users),
            (Self::RemoteWmiUser, &groups.remote_wmi_users),
            (Self::EventLogReader, &groups.event_log_readers),
        ];
        let is_it = move |names: &Vec<String>| names.iter().any(|own| own == name);
        named.into_iter().filter(move |(_, names)| is_it(names)).map(|(role, _)| role)
    }
}

impl fmt::Debug for GroupSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GroupSource")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
    const ADMIN: LocalRole = LocalRole::Administrator;

    /// Two users of the machine, and a file with an account of each kind.
    fn principals(serving: Serving) -> (LocalPrincipals, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("passwd", "root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\nout:x:1002:1002::/:\n");
        write(
            "group",
            "winrm-admins:x:990:alice\nwinrm-users:x:991:alice,bob\nwinrmremotewmiusers:x:992:bob\n\
             winrm-event-readers:x:993:bob\nsudo:x:27:bob\n",
        );
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        let records = [
            "alice:3000000000:",
            "chief:3000000001:admin",
            "clerk:3000000002:",
            "out:3000000003:admin,disabled",
        ];
        let text: String = records.iter().map(|record| format!("{record}:0:{hash}:\n")).collect();
        write("accounts", &text);
        let path = folder.path().join("accounts");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let accounts = FileAccounts::open(path).unwrap();
        (LocalPrincipals::new(serving, UnixUsers::below(folder.path()), Some(accounts)), folder)
    }

    fn shown(principals: &LocalPrincipals, name: &str) -> Option<(String, Vec<LocalRole>)> {
        let logon = principals.logon(name)?;
        let user = logon.token(MACHINE, Proof::Password).user().numeric().to_string();
        Some((user.strip_prefix("S-1-5-21-1-2-3-").unwrap().to_owned(), logon.roles.into_iter().collect()))
    }

    #[test]
    fn for_a_machine_the_users_of_the_machine_and_their_groups_count() {
        let (principals, _folder) = principals(Serving::Machine);
        let bob = vec![LocalRole::RemoteManagementUser, LocalRole::RemoteWmiUser, LocalRole::EventLogReader];
        for (name, expected) in [
            ("root", Some(("500", vec![ADMIN]))),
            ("alice", Some(("3000", vec![ADMIN, LocalRole::RemoteManagementUser]))),
            ("bob", Some(("3002", bob))),
            ("chief", Some(("3000000001", vec![]))),
            ("CLERK", Some(("3000000002", vec![]))),
            ("out", None),
            ("nobody-at-all", None),
        ] {
            let expected = expected.map(|(user, roles)| (user.to_owned(), roles));
            assert_eq!(shown(&principals, name), expected, "{name}");
        }
    }

    #[test]
    fn for_one_user_the_records_count_and_the_user_itself() {
        let (principals, _folder) = principals(Serving::OneUser { uid: 1001 });
        let owner =
            vec![ADMIN, LocalRole::RemoteManagementUser, LocalRole::RemoteWmiUser, LocalRole::EventLogReader];
        for (name, expected) in [
            ("root", None),
            ("alice", Some(("3000000000", vec![]))),
            ("bob", Some(("3002", owner))),
            ("chief", Some(("3000000001", vec![ADMIN]))),
            ("clerk", Some(("3000000002", vec![]))),
            ("out", None),
        ] {
            let expected = expected.map(|(user, roles)| (user.to_owned(), roles));
            assert_eq!(shown(&principals, name), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_found_out_lets_nobody_in() {
        let (principals, folder) = principals(Serving::Machine);
        fs::remove_file(folder.path().join("group")).unwrap();
        assert_eq!(principals.logon("alice"), None);
        assert_eq!(shown(&principals, "clerk").map(|(user, _)| user).as_deref(), Some("3000000002"));
        fs::remove_file(folder.path().join("passwd")).unwrap();
        assert_eq!(principals.logon("clerk"), None);
    }

    #[test]
    fn a_token_tells_role_and_proof() {
        let (principals, _folder) = principals(Serving::OneUser { uid: 1001 });
        let holds = |name: &str, proof, alias: &str| {
            let token = principals.logon(name).unwrap().token(MACHINE, proof);
            token.holds(sddl::Principal::parse(alias).unwrap())
        };
        for (name, proof, alias, expected) in [
            ("chief", Proof::Password, "BA", true),
            ("chief", Proof::Password, "S-1-5-114", true),
            ("clerk", Proof::Password, "BA", false),
            ("clerk", Proof::Password, "S-1-5-114", false),
            ("clerk", Proof::Password, "S-1-5-113", true),
            ("clerk", Proof::Password, "S-1-5-64-10", false),
            ("clerk", Proof::Ntlm, "S-1-5-64-10", true),
            ("bob", Proof::Password, "BA", true),
            ("bob", Proof::Password, "RM", true),
            ("bob", Proof::Password, "ER", true),
            ("bob", Proof::Password, "S-1-5-21-1-2-3-1000", true),
            ("bob", Proof::Password, "S-1-5-21-1-2-3-2983", true),
            ("bob", Proof::Password, "IU", false),
        ] {
            assert_eq!(holds(name, proof, alias), expected, "{name} {alias}");
        }
    }

    #[test]
    fn the_groups_that_give_roles_can_be_others_and_change_while_the_service_runs() {
        let (principals, _folder) = principals(Serving::Machine);
        let chosen = Arc::new(std::sync::Mutex::new(Arc::new(Groups::default())));
        let asked = Arc::clone(&chosen);
        let principals = principals.with_groups(move || Arc::clone(&asked.lock().unwrap()));
        assert_eq!(shown(&principals, "alice").unwrap().1, [ADMIN, LocalRole::RemoteManagementUser]);
        let mut groups = Groups::default();
        groups.administrators = vec!["wheel".to_owned(), "sudo".to_owned()];
        groups.remote_management_users = vec!["sudo".to_owned()];
        *chosen.lock().unwrap() = Arc::new(groups);
        assert_eq!(shown(&principals, "alice").unwrap().1, []);
        let of_bob = shown(&principals, "bob").unwrap().1;
        assert!(of_bob.contains(&ADMIN) && of_bob.contains(&LocalRole::RemoteManagementUser), "{of_bob:?}");
    }

    #[test]
    fn names_and_sids_are_found_by_each_other() {
        let (principals, _folder) = principals(Serving::Machine);
        for (name, rid, told) in [
            ("root", 500, "root"),
            ("alice", 3_000, "alice"),
            ("sudo", 1_055, "group sudo"),
            ("group sudo", 1_055, "group sudo"),
            ("clerk", 3_000_000_002, "clerk"),
            ("winrmremotewmiusers__", 1_000, "WinRMRemoteWMIUsers__"),
        ] {
            let sid = MACHINE.account(rid);
            assert_eq!(principals.sid_of(name, MACHINE), Some(sid), "{name}");
            assert_eq!(principals.name_of(sid, MACHINE).as_deref(), Some(told));
        }
        assert_eq!(principals.sid_of("nobody-at-all", MACHINE), None);
        assert_eq!(principals.sid_of("group alice", MACHINE), None);
        assert_eq!(principals.name_of(MACHINE.account(9), MACHINE), None);
        assert_eq!(principals.name_of(DomainSid::new([9, 9, 9]).account(3_000), MACHINE), None);
    }
}
