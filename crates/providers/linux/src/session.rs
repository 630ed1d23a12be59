//! Who is signed in: the sessions that logind keeps, a file for each in `/run/systemd/sessions`.
//!
//! They are read as `sd-login(3)` reads them; the bus has the same, at the price of a call for each.

use crate::Machine;

/// A session of somebody, or of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) uid: u32,
    /// What has let them in, as PAM calls it.
    pub(crate) service: Option<String>,
    /// `tty`, `x11`, `wayland` or `unspecified`.
    pub(crate) kind: String,
    pub(crate) is_remote: bool,
    /// It is the one that is seen at the machine itself.
    pub(crate) is_at_console: bool,
    /// Somebody's, and not that of what runs for them, or of a screen where nobody has signed in.
    pub(crate) is_of_user: bool,
    /// Microseconds since 1970.
    pub(crate) since: Option<i64>,
}

impl Session {
    /// All of them; none where logind does not run.
    pub(crate) fn all(machine: &Machine) -> Option<Vec<Self>> {
        let names = machine.names("run/systemd/sessions").ok()?;
        let mut ids: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        // Beside each file is a pipe that tells when the session ends.
        ids.retain(|id| !id.ends_with(".ref"));
        ids.sort();
        Some(ids.into_iter().filter_map(|id| Self::read(machine, id)).collect())
    }

    /// Those of users; none where logind does not run.
    pub(crate) fn of_users(machine: &Machine) -> Option<Vec<Self>> {
        let mut all = Self::all(machine)?;
        all.retain(|session| session.is_of_user);
        Some(all)
    }

    fn read(machine: &Machine, id: String) -> Option<Self> {
        // One that ends meanwhile is none.
        let text = machine.text(format!("run/systemd/sessions/{id}")).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            user: field("USER").unwrap_or_default().to_owned(),
            uid: field("UID")?.parse().ok()?,
            service: field("SERVICE").map(str::to_owned),
            kind: field("TYPE").unwrap_or_default().to_owned(),
            is_remote: field("REMOTE") == Some("1"),
            is_at_console: field("SEAT") == Some("seat0") && field("ACTIVE") == Some("1"),
            is_of_user: field("CLASS").is_none_or(|class| class == "user"),
            since: field("REALTIME").and_then(|micros| micros.parse().ok()),
            id,
        })
    }

    /// Whether it has a terminal or a screen.
    pub(crate) fn is_interactive(&self) -> bool {
        matches!(self.kind.as_str(), "tty" | "x11" | "wayland" | "mir")
    }
}

/// How many sessions of users there are; by `utmp` where there is no logind.
pub(crate) fn count(machine: &Machine) -> Option<u32> {
    let count = match Session::of_users(machine) {
        Some(sessions) => sessions.len(),
        None => {
            let records = machine.octets("run/utmp").ok()?;
            records.chunks_exact(RECORD).filter(|record| record.first_chunk() == Some(&USER_PROCESS)).count()
        }
    };
    u32::try_from(count).ok()
}

/// The octets of a record of `utmp` (utmp(5)).
const RECORD: usize = 384;

/// The first field of one of somebody who is signed in.
const USER_PROCESS: [u8; 2] = 7_u16.to_ne_bytes();
