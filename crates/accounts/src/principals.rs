//! Mapping of account names to the SIDs that access checks use.

mod names;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use auth::AuthError;
use auth::account_file::{EnabledState, Record, Rid, Role};
use config::Groups;
use sddl::linux::{Logon, Proof, account_token};
use sddl::{DomainSid, Sid, Token, well_known};

use crate::{FileAccounts, UnixUser, UnixUsers};

/// Resolves account names to users, groups and roles of this machine.
///
/// Results are not cached: disabling an account or removing it from a group takes effect at the next lookup.
#[derive(Clone, Debug)]
pub struct LocalPrincipals {
    scope: ServiceScope,
    users: UnixUsers,
    accounts: Option<FileAccounts>,
    groups: GroupSource,
}

/// Source of the group settings; called at every lookup.
#[derive(Clone)]
struct GroupSource(Arc<dyn Fn() -> Arc<Groups> + Send + Sync>);

/// Scope of the service, which decides what an account name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceScope {
    /// The whole machine, running as root. Requests are executed in a process of the requesting user.
    ///
    /// A name refers to the Unix user of that name; the kernel and the groups of the machine decide what the user may
    /// do. An account of the account file without a Unix user has a SID but no role, whatever its record says, because
    /// there is no user to run requests as.
    Machine,
    /// A single user. All requests are executed as this user, in one process.
    ///
    /// A name refers to an account of the account file, whose record decides whether it is an administrator of the
    /// service. Of the users of the machine, only the one who runs the service may sign in, as an administrator.
    /// [`Pam`](crate::Pam) must only be used with [`Machine`](Self::Machine): here, a name in the account file need not
    /// refer to the user of the machine whose password PAM verifies.
    OneUser {
        /// UID of that user.
        uid: u32,
    },
}

/// A resolved account: its user and its Windows roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalLogon {
    /// User of the machine or account of the file.
    pub user: LocalUser,
    /// Windows groups granted by the groups of the machine or by the account record.
    pub roles: BTreeSet<LocalRole>,
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalUser {
    /// A Unix user.
    Unix {
        /// UID of the user.
        uid: u32,
        /// GIDs of all its groups, the primary group first.
        gids: Vec<u32>,
    },
    /// An account that exists only in the service's own account file.
    FileOnly {
        /// RID, the last number of its SID.
        rid: Rid,
    },
}

/// A Windows group that users of a Linux machine can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LocalRole {
    /// `BUILTIN\Administrators`: the groups configured in [`Groups`] (default `winrm-admins`), root, and the
    /// administrators of a [`ServiceScope::OneUser`] service.
    Administrator,
    /// `BUILTIN\Remote Management Users`: group `winrm-users` by default.
    RemoteManagementUser,
    /// `WinRMRemoteWMIUsers__`: the group of that name, or `winrmremotewmiusers`, by default.
    RemoteWmiUser,
    /// `BUILTIN\Event Log Readers`: group `winrm-event-readers` by default.
    EventLogReader,
}

impl LocalPrincipals {
    /// Creates a resolver for the users of the machine and, if given, the accounts of a file.
    #[must_use]
    pub fn new(scope: ServiceScope, users: UnixUsers, accounts: Option<FileAccounts>) -> Self {
        let usual = Arc::new(Groups::default());
        Self { scope, users, accounts, groups: GroupSource(Arc::new(move || Arc::clone(&usual))) }
    }

    /// Replaces the group settings. `groups` is called at every lookup.
    #[must_use]
    pub fn with_groups(self, groups: impl Fn() -> Arc<Groups> + Send + Sync + 'static) -> Self {
        Self { groups: GroupSource(Arc::new(groups)), ..self }
    }

    /// Resolves an account; `None` if it does not exist, if its record is disabled, or if the account file or the user
    /// database cannot be read.
    #[must_use]
    pub fn logon(&self, name: &str) -> Option<LocalLogon> {
        let record = match self.accounts.as_ref().map(|accounts| accounts.find(name)) {
            Some(Ok(record)) => record,
            None => None,
            // The account file has logged the error already.
            Some(Err(_)) => return None,
        };
        if record.as_ref().is_some_and(|record| record.state == EnabledState::Disabled) {
            return None;
        }
        match (self.scope, record) {
            (ServiceScope::Machine, record) => {
                let user = self.unix_user(name)?.map(|user| LocalLogon::unix(&user, &(self.groups.0)()));
                // An account with the password of a Linux user ends with that user.
                let record = record.filter(|record| record.linux_password().is_none());
                user.or_else(|| record.map(|record| LocalLogon::without_role(record.rid)))
            }
            (ServiceScope::OneUser { .. }, Some(record)) => Some(LocalLogon::of_record(&record)),
            (ServiceScope::OneUser { uid }, None) => {
                let owner = self.unix_user(name)?.filter(|user| user.uid == uid)?;
                let mut logon = LocalLogon::unix(&owner, &(self.groups.0)());
                logon.roles.insert(LocalRole::Administrator);
                Some(logon)
            }
        }
    }

    /// Rejects an account that is disabled in the account file.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if it is disabled, [`AuthError::Unavailable`] if the file cannot be read.
    pub(crate) fn require_not_disabled(&self, name: &str) -> Result<(), AuthError> {
        let Some(accounts) = &self.accounts else { return Ok(()) };
        match accounts.find(name)? {
            Some(Record { state: EnabledState::Disabled, .. }) => Err(AuthError::NotAllowed),
            _ => Ok(()),
        }
    }

    /// Looks up a Unix user; the outer `None` means that the user database cannot be read.
    fn unix_user(&self, name: &str) -> Option<Option<UnixUser>> {
        self.users
            .find(name)
            .inspect_err(|error| tracing::error!(%error, "Cannot read the users of this machine"))
            .ok()
    }
}

impl LocalLogon {
    /// Returns the access token of a user who was authenticated with this proof.
    #[must_use]
    pub fn token(&self, machine: DomainSid, proof: Proof) -> Token {
        let roles = self.roles.iter().map(|role| role.sid(machine));
        match &self.user {
            LocalUser::Unix { uid, gids } => {
                // Every user has a primary group, which is given as the origin of all roles.
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
    /// Returns the SID of the group.
    #[must_use]
    pub fn sid(self, machine: DomainSid) -> Sid {
        match self {
            Self::Administrator => well_known::ADMINISTRATORS,
            Self::RemoteManagementUser => well_known::REMOTE_MANAGEMENT_USERS,
            Self::RemoteWmiUser => machine.account(sddl::linux::REMOTE_WMI_USERS),
            Self::EventLogReader => well_known::EVENT_LOG_READERS,
        }
    }

    /// Returns the roles of the members of a Unix group.
    pub fn of_group<'a>(name: &'a str, groups: &'a Groups) -> impl Iterator<Item = Self> + use<'a> {
        let named = [
            (Self::Administrator, &groups.administrators),
            (Self::RemoteManagementUser, &groups.remote_management_users),
            (Self::RemoteWmiUser, &groups.remote_wmi_users),
            (Self::EventLogReader, &groups.event_log_readers),
        ];
        let granting = named.into_iter().filter(move |(_, names)| names.iter().any(|own| own == name));
        granting.map(|(role, _)| role)
    }
}

impl fmt::Debug for GroupSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GroupSource")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
    const ADMIN: LocalRole = LocalRole::Administrator;

    /// Two users of the machine, and a file with an account of each kind.
    fn principals(scope: ServiceScope) -> (LocalPrincipals, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let passwd = "root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\nout:x:1002:1002::/:\n";
        let group = "winrm-admins:x:990:alice\nwinrm-users:x:991:alice,bob\nwinrmremotewmiusers:x:992:bob\n\
                     winrm-event-readers:x:993:bob\nsudo:x:27:bob\n";
        fs::write(path.join("passwd"), passwd).unwrap();
        fs::write(path.join("group"), group).unwrap();
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        let records = [
            "alice:3000000000:",
            "chief:3000000001:admin",
            "clerk:3000000002:",
            "out:3000000003:admin,disabled",
        ];
        let text: String = records.iter().map(|record| format!("{record}:0:{hash}:\n")).collect();
        // The hash of a Linux user who does not exist.
        let gone = "$aes-256-gcm$AQEBAQEBAQEBAQEB$//////////////////////////////////////////8$linux$1009$\
                    AQEBAQEBAQEBAQEBAQEBAQ";
        let text = format!("{text}gone:3000000004::0:*::{gone}\n");
        let path = path.join("accounts");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let accounts = FileAccounts::open(path).unwrap();
        (LocalPrincipals::new(scope, UnixUsers::in_directory(folder.path()), Some(accounts)), folder)
    }

    fn shown(principals: &LocalPrincipals, name: &str) -> Option<(String, Vec<LocalRole>)> {
        let logon = principals.logon(name)?;
        let user = logon.token(MACHINE, Proof::Password).user().numeric().to_string();
        Some((user.strip_prefix("S-1-5-21-1-2-3-").unwrap().to_owned(), logon.roles.into_iter().collect()))
    }

    #[test]
    fn machine_scope_uses_unix_users_and_groups() {
        let (principals, _folder) = principals(ServiceScope::Machine);
        let bob = vec![LocalRole::RemoteManagementUser, LocalRole::RemoteWmiUser, LocalRole::EventLogReader];
        for (name, expected) in [
            ("root", Some(("500", vec![ADMIN]))),
            ("alice", Some(("3000", vec![ADMIN, LocalRole::RemoteManagementUser]))),
            ("bob", Some(("3002", bob))),
            ("chief", Some(("3000000001", vec![]))),
            ("CLERK", Some(("3000000002", vec![]))),
            ("out", None),
            ("gone", None),
            ("no-such-user", None),
        ] {
            let expected = expected.map(|(user, roles)| (user.to_owned(), roles));
            assert_eq!(shown(&principals, name), expected, "{name}");
        }
    }

    #[test]
    fn one_user_scope_uses_records_and_the_owner() {
        let (principals, _folder) = principals(ServiceScope::OneUser { uid: 1001 });
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
    fn unreadable_user_files_reject_sign_ins() {
        let (principals, folder) = principals(ServiceScope::Machine);
        fs::remove_file(folder.path().join("group")).unwrap();
        assert_eq!(principals.logon("alice"), None);
        assert_eq!(shown(&principals, "clerk").map(|(user, _)| user).as_deref(), Some("3000000002"));
        fs::remove_file(folder.path().join("passwd")).unwrap();
        assert_eq!(principals.logon("clerk"), None);
    }

    #[test]
    fn a_token_contains_role_and_proof() {
        let (principals, _folder) = principals(ServiceScope::OneUser { uid: 1001 });
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
            let token = principals.logon(name).unwrap().token(MACHINE, proof);
            let principal = sddl::Principal::parse(alias).unwrap();
            assert_eq!(token.holds(principal), expected, "{name} {alias}");
        }
    }

    #[test]
    fn role_groups_are_configurable_at_run_time() {
        let (principals, _folder) = principals(ServiceScope::Machine);
        let chosen = Arc::new(std::sync::Mutex::new(Arc::new(Groups::default())));
        let requested = Arc::clone(&chosen);
        let principals = principals.with_groups(move || Arc::clone(&requested.lock().unwrap()));
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
    fn names_and_sids_resolve_both_ways() {
        let (principals, _folder) = principals(ServiceScope::Machine);
        for (name, rid, expected) in [
            ("root", 500, "root"),
            ("alice", 3_000, "alice"),
            ("sudo", 1_055, "group sudo"),
            ("group sudo", 1_055, "group sudo"),
            ("clerk", 3_000_000_002, "clerk"),
            ("winrmremotewmiusers__", 1_000, "WinRMRemoteWMIUsers__"),
        ] {
            let sid = MACHINE.account(rid);
            assert_eq!(principals.sid_of(name, MACHINE), Some(sid), "{name}");
            assert_eq!(principals.name_of(sid, MACHINE).as_deref(), Some(expected));
        }
        assert_eq!(principals.sid_of("no-such-user", MACHINE), None);
        assert_eq!(principals.sid_of("group alice", MACHINE), None);
        assert_eq!(principals.name_of(MACHINE.account(9), MACHINE), None);
        assert_eq!(principals.name_of(DomainSid::new([9, 9, 9]).account(3_000), MACHINE), None);
    }
}
