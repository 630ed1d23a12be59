//! Channels: names under which events are read, and the logs of Windows as aliases.

use std::fmt;

/// Log of Windows to which an event belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowsLog {
    /// Events that belong to no other log.
    Application,
    /// The audit log, audit records in the journal, and the facilities `auth` and `authpriv`.
    Security,
    /// The kernel, and the facility `daemon`, which systemd uses.
    System,
}

impl WindowsLog {
    /// All logs.
    pub const ALL: [Self; 3] = [Self::Application, Self::Security, Self::System];

    /// Returns the log of a journal entry with this transport and syslog facility.
    #[must_use]
    pub fn of_journal(transport: Option<&str>, facility: Option<u8>) -> Self {
        match (transport, facility) {
            (Some("audit"), _) | (_, Some(AUTH | AUTHPRIV)) => Self::Security,
            (Some("kernel"), _) | (_, Some(KERNEL | DAEMON)) => Self::System,
            _ => Self::Application,
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Security => "Security",
            Self::System => "System",
        }
    }
}

impl fmt::Display for WindowsLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const KERNEL: u8 = 0;
const DAEMON: u8 = 3;
const AUTH: u8 = 4;
const AUTHPRIV: u8 = 10;

/// Names of syslog facilities (RFC 5424 6.2.1).
pub const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// Channel of a journal entry: a syslog channel for the transport `syslog`, otherwise a channel of the journal.
#[must_use]
pub fn journal_channel(transport: Option<&str>, facility: Option<u8>) -> String {
    match transport {
        Some("kernel") => "Linux-Journal/Kernel".to_owned(),
        Some("audit") => "Linux-Journal/Audit".to_owned(),
        Some("syslog") => {
            let name = facility.and_then(|facility| FACILITIES.get(usize::from(facility)));
            format!("Linux-Syslog/{}", name.copied().unwrap_or("user"))
        }
        _ => "Linux-Journal/System".to_owned(),
    }
}

/// Channel of the audit log.
pub const AUDIT_CHANNEL: &str = "Linux-Audit/Security";

/// Returns the name of a channel or log as [`names`] lists it, in whatever case it is given.
#[must_use]
pub fn find(name: &str) -> Option<String> {
    names().into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// Returns the names of all channels, and of the logs of Windows.
#[must_use]
pub fn names() -> Vec<String> {
    let logs = WindowsLog::ALL.iter().map(|log| log.name().to_owned());
    let own = [AUDIT_CHANNEL, "Linux-Journal/Audit", "Linux-Journal/Kernel", "Linux-Journal/System"];
    let syslog = FACILITIES.iter().map(|facility| format!("Linux-Syslog/{facility}"));
    logs.chain(own.into_iter().map(str::to_owned)).chain(syslog).collect()
}
