//! Logon sessions of logind, one file for each in `/run/systemd/sessions`.
//!
//! They are read as by `sd-login(3)`; the bus has the same data, but needs one call for each session.

use crate::Machine;
use crate::lines::setting;

/// A session of a user or of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifier of the session.
    pub id: String,
    /// Name of the user.
    pub user: String,
    /// Number of the user.
    pub uid: u32,
    /// PAM service that opened the session.
    pub service: Option<String>,
    /// Session type: `tty`, `x11`, `wayland` or `unspecified`.
    pub kind: String,
    /// Whether the user is at another machine.
    pub is_remote: bool,
    /// Whether it is the active session at the machine itself.
    pub is_at_console: bool,
    /// Whether it is a session of a user, not of a background service or a login screen.
    pub is_of_user: bool,
    /// Start time in microseconds since 1970.
    pub since: Option<i64>,
}

impl Session {
    /// Returns all sessions; `None` if logind is not running.
    pub fn all(machine: &Machine) -> Option<Vec<Self>> {
        let names = machine.names("run/systemd/sessions").ok()?;
        let mut ids: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        // Beside each file there is a pipe that signals the end of the session.
        ids.retain(|id| !id.ends_with(".ref"));
        ids.sort();
        Some(ids.into_iter().filter_map(|id| Self::read(machine, id)).collect())
    }

    /// Returns the sessions of users; `None` if logind is not running.
    pub fn of_users(machine: &Machine) -> Option<Vec<Self>> {
        let mut all = Self::all(machine)?;
        all.retain(|session| session.is_of_user);
        Some(all)
    }

    fn read(machine: &Machine, id: String) -> Option<Self> {
        // The session may have ended meanwhile.
        let text = machine.text(format!("run/systemd/sessions/{id}")).ok()?;
        Some(Self {
            user: setting(&text, "USER").unwrap_or_default().to_owned(),
            uid: setting(&text, "UID")?.parse().ok()?,
            service: setting(&text, "SERVICE").map(str::to_owned),
            kind: setting(&text, "TYPE").unwrap_or_default().to_owned(),
            is_remote: setting(&text, "REMOTE") == Some("1"),
            is_at_console: setting(&text, "SEAT") == Some("seat0") && setting(&text, "ACTIVE") == Some("1"),
            is_of_user: setting(&text, "CLASS").is_none_or(|class| class == "user"),
            since: setting(&text, "REALTIME").and_then(|micros| micros.parse().ok()),
            id,
        })
    }

    /// Returns whether the session has a terminal or a screen.
    pub fn is_interactive(&self) -> bool {
        matches!(self.kind.as_str(), "tty" | "x11" | "wayland" | "mir")
    }
}

/// Returns the number of user sessions, from `utmp` if logind is not running.
pub fn count(machine: &Machine) -> Option<u32> {
    let count = match Session::of_users(machine) {
        Some(sessions) => sessions.len(),
        None => {
            let records = machine.octets("run/utmp").ok()?;
            records.chunks_exact(RECORD).filter(|record| record.first_chunk() == Some(&USER_PROCESS)).count()
        }
    };
    u32::try_from(count).ok()
}

/// Length of a `utmp` record in bytes (utmp(5)).
const RECORD: usize = 384;

/// First field of a `utmp` record of a user session.
const USER_PROCESS: [u8; 2] = 7_u16.to_ne_bytes();
