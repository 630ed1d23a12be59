//! Local groups that correspond to groups of Windows.

use crate::Reason;
use crate::value::{excerpt, malformed};

/// Local groups whose members belong to a group of Windows.
///
/// They can be set only in the file, as the table `[Groups]`. A client that may change the configuration could
/// otherwise make any local user an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Groups {
    /// Local groups for `BUILTIN\Administrators`.
    pub administrators: Vec<String>,
    /// Local groups for `BUILTIN\Remote Management Users`.
    pub remote_management_users: Vec<String>,
    /// Local groups for `WinRMRemoteWMIUsers__`.
    pub remote_wmi_users: Vec<String>,
    /// Local groups for `BUILTIN\Event Log Readers`.
    pub event_log_readers: Vec<String>,
}

/// Way in which accounts become members of groups of Windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Membership {
    /// As members of local groups; see [`Groups`].
    #[default]
    LocalGroups,
    /// Only as administrators, if the account file says so. Local groups have no effect.
    AccountFile,
    /// All accounts are administrators. Local groups have no effect.
    AllAdministrators,
}

impl Groups {
    /// Maximum number of local groups for one group of Windows.
    pub const MAX: usize = 64;

    /// Keys of the table, in the order of the fields.
    pub(crate) const KEYS: [&'static str; 4] =
        ["Administrators", "RemoteManagementUsers", "WinRMRemoteWMIUsers__", "EventLogReaders"];

    /// Returns the local groups under a key of the table.
    pub(crate) fn of_key(&mut self, key: &str) -> Option<&mut Vec<String>> {
        match key {
            "Administrators" => Some(&mut self.administrators),
            "RemoteManagementUsers" => Some(&mut self.remote_management_users),
            "WinRMRemoteWMIUsers__" => Some(&mut self.remote_wmi_users),
            "EventLogReaders" => Some(&mut self.event_log_readers),
            _ => None,
        }
    }

    /// Checks a group name for characters that `/etc/group` cannot contain.
    pub(crate) fn name(text: &str) -> Result<String, Reason> {
        const LONGEST: usize = 256;
        if text.is_empty() || text.len() > LONGEST || text.contains(is_forbidden_in_group_name) {
            return Err(malformed(&excerpt(text), "a valid name of a local group"));
        }
        Ok(text.to_owned())
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            administrators: vec!["winrm-admins".to_owned()],
            remote_management_users: vec!["winrm-users".to_owned()],
            // Some distributions do not accept capital letters in group names.
            remote_wmi_users: vec!["WinRMRemoteWMIUsers__".to_owned(), "winrmremotewmiusers".to_owned()],
            event_log_readers: vec!["winrm-event-readers".to_owned()],
        }
    }
}

fn is_forbidden_in_group_name(c: char) -> bool {
    c.is_control() || c.is_whitespace() || [':', ','].contains(&c)
}
