//! Status of one account: its origin, its schemes, its groups, and its access with the groups that grant it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use accounts::{LinuxUser, LinuxUsers, LocalLogon, LocalRole, LocalUser, ServiceScope};
use auth::account_file::Record;
use sddl::linux::Proof;
use sddl::{Principal, Sid};

use super::checks::{AccessQuery, Check};
use super::resource::{DEFAULT_RESOURCES, rights_of};

/// Status of an account.
pub(crate) struct AccountStatus {
    /// Record in the accounts file.
    pub(crate) record: Option<Record>,
    /// UID of the Linux user of this name.
    pub(crate) uid: Option<u32>,
    /// Entry in the shadow file, which only root can read.
    pub(crate) linux: Option<LinuxUser>,
    /// End of a lock after too many failed sign-ins, in seconds since 1970; `None` if there is none, or if the audit
    /// file cannot be read.
    pub(crate) locked_until: Option<u64>,
    /// Whether the service accepts the account: it exists and is enabled.
    pub(crate) is_usable: bool,
    pub(crate) schemes: Vec<SchemeStatus>,
    pub(crate) groups: Vec<GroupStatus>,
    pub(crate) access: Vec<RightStatus>,
}

/// Authentication scheme of an account.
pub(crate) struct SchemeStatus {
    pub(crate) works: bool,
    /// Password and scheme, or the reason why it does not work.
    pub(crate) text: String,
}

/// Group of an account.
pub(crate) struct GroupStatus {
    /// `None` if the group has no name.
    pub(crate) name: Option<String>,
    pub(crate) sid: Sid,
    /// Local groups whose members belong to the group.
    pub(crate) through: Vec<String>,
}

/// Right of an account to a resource, when it signs in over the network.
pub(crate) struct RightStatus {
    pub(crate) resource: &'static str,
    pub(crate) right: &'static str,
    pub(crate) is_granted: bool,
    /// User or group of the entry that decided; `None` if no entry decided.
    pub(crate) decider: Option<String>,
}

impl AccessQuery {
    /// Determines the status of the account; `None` if neither the machine nor the accounts file has the name.
    pub(crate) fn status(&self) -> Option<AccountStatus> {
        let record = self.accounts.as_ref().and_then(|accounts| accounts.find(&self.user).ok().flatten());
        let user = self.users.find(&self.user).ok().flatten();
        if record.is_none() && user.is_none() {
            return None;
        }
        let linux = user.as_ref().and_then(|_| LinuxUsers::of_this_machine().find(&self.user).ok().flatten());
        let logon = self.principals.logon(&self.user);
        let local_groups: Vec<String> =
            user.iter().flat_map(|user| &user.groups).filter_map(|group| group.name.clone()).collect();
        let schemes = match &logon {
            Some(logon) => {
                let is_unix = matches!(logon.user, LocalUser::Unix { .. });
                let schemes = self.schemes(is_unix, record.as_ref()).into_iter();
                schemes.map(|(check, text)| SchemeStatus { works: check == Check::Passed, text }).collect()
            }
            None => Vec::new(),
        };
        Some(AccountStatus {
            uid: user.map(|user| user.uid),
            linux,
            locked_until: locked_until(&self.paths.state.join("audit.jsonl"), &self.user, SystemTime::now()),
            is_usable: logon.is_some(),
            schemes,
            groups: logon.as_ref().map(|logon| self.groups(logon, &local_groups)).unwrap_or_default(),
            access: logon.as_ref().map(|logon| self.rights(logon)).unwrap_or_default(),
            record,
        })
    }

    /// Returns the name of the service, for messages.
    pub(crate) fn service(&self) -> String {
        let file = self.paths.config.display();
        match self.serving {
            ServiceScope::Machine => format!("the service of this machine ({file})"),
            ServiceScope::OneUser { uid } => format!("the service of user {uid} ({file})"),
        }
    }

    fn groups(&self, logon: &LocalLogon, local: &[String]) -> Vec<GroupStatus> {
        let machine = self.machine();
        let token = logon.token(machine, Proof::Password);
        let settings = &self.settings.groups;
        let mut groups = Vec::new();
        for sid in token.groups() {
            let name = self.principals.name_of(sid, machine).or_else(|| sid.name().map(str::to_owned));
            let grants =
                |name: &&String| LocalRole::of_group(name, settings).any(|role| role.sid(machine) == sid);
            groups.push(GroupStatus { name, sid, through: local.iter().filter(grants).cloned().collect() });
        }
        groups
    }

    fn rights(&self, logon: &LocalLogon) -> Vec<RightStatus> {
        let token = logon.token(self.machine(), Proof::Password);
        let mut all = Vec::new();
        for resource in DEFAULT_RESOURCES {
            let guard = &self.settings.access.of(resource).guard;
            let is_disabled =
                self.settings.plugins.find_by_uri(resource).is_some_and(|own| !own.is_enabled());
            for (right, mask) in rights_of(resource) {
                let verdict = guard.access_check(&token, *mask);
                let entry = verdict.ace().and_then(|ace| guard.dacl()?.aces.get(ace));
                let decider = match entry.map(|entry| entry.principal) {
                    _ if is_disabled => Some("the plug-in, which is disabled".to_owned()),
                    Some(Principal::Sid(sid)) => Some(self.described(sid)),
                    Some(other) => Some(other.describe()),
                    None => None,
                };
                let is_granted = verdict.is_granted() && !is_disabled;
                all.push(RightStatus { resource, right, is_granted, decider });
            }
        }
        all
    }
}

/// Returns the end of the last lock that the audit file records for an account, if it is in the future.
fn locked_until(audit: &Path, user: &str, now: SystemTime) -> Option<u64> {
    /// Bytes at the end of the file that are read; a lock lasts minutes.
    const MOST: u64 = 4 << 20;
    let mut file = File::open(audit).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST))).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rev().filter(|line| line.contains("\"lock\"")).find_map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| record.get(name)?.as_str();
        let is_lock = text("event") == Some("lock");
        let is_user = text("account").is_some_and(|account| account.eq_ignore_ascii_case(user));
        if is_lock && is_user { text("until")?.parse::<u64>().ok() } else { None }
    });
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    last.filter(|until| *until > now)
}
