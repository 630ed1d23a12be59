//! Which groups of the machine are which groups of Windows.

use crate::Reason;
use crate::value::{excerpt, malformed};

/// The groups of the machine whose members belong to a group of Windows.
///
/// They stand in the file only, as the table `[Groups]`: whoever may change the configuration from afar could make
/// administrators otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Groups {
    /// Of `BUILTIN\Administrators`.
    pub administrators: Vec<String>,
    /// Of `BUILTIN\Remote Management Users`.
    pub remote_management_users: Vec<String>,
    /// Of `WinRMRemoteWMIUsers__`.
    pub remote_wmi_users: Vec<String>,
    /// Of `BUILTIN\Event Log Readers`.
    pub event_log_readers: Vec<String>,
}

impl Groups {
    /// The most groups of the machine that can be one group of Windows.
    pub const MAX: usize = 64;

    /// The keys of the table, in its order.
    pub(crate) const KEYS: [&'static str; 4] =
        ["Administrators", "RemoteManagementUsers", "WinRMRemoteWMIUsers__", "EventLogReaders"];

    /// The names under a key of the table.
    pub(crate) fn of_key(&mut self, key: &str) -> Option<&mut Vec<String>> {
        match key {
            "Administrators" => Some(&mut self.administrators),
            "RemoteManagementUsers" => Some(&mut self.remote_management_users),
            "WinRMRemoteWMIUsers__" => Some(&mut self.remote_wmi_users),
            "EventLogReaders" => Some(&mut self.event_log_readers),
            _ => None,
        }
    }

    /// A name as `/etc/group` can have it.
    pub(crate) fn name(text: &str) -> Result<String, Reason> {
        const LONGEST: usize = 256;
        let is_forbidden = |c: char| c.is_control() || c.is_whitespace() || [':', ','].contains(&c);
        if text.is_empty() || text.len() > LONGEST || text.contains(is_forbidden) {
            return Err(malformed(&excerpt(text), "the name of a group of this machine"));
        }
        Ok(text.to_owned())
    }
}

impl Default for Groups {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            administrators: names(&["winrm-admins"]),
            remote_management_users: names(&["winrm-users"]),
            // Some distributions refuse capital letters in the name of a group.
            remote_wmi_users: names(&["WinRMRemoteWMIUsers__", "winrmremotewmiusers"]),
            event_log_readers: names(&["winrm-event-readers"]),
        }
    }
}
