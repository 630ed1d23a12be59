//! Who is signed in: the sessions of logind (org.freedesktop.login1(5)).

use zbus::OwnedObjectPath;

use crate::Machine;
use crate::bus::{BusError, Object};

/// Who knows the sessions, and who turns the machine off.
pub(crate) const LOGIND: Object<'_> = Object {
    service: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};

/// A session of somebody, not of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) uid: u32,
    /// It has a terminal or a screen.
    pub(crate) is_interactive: bool,
    /// It is the one that is seen at the machine itself.
    pub(crate) is_at_console: bool,
}

/// All sessions of users.
///
/// # Errors
/// [`BusError`] if logind does not tell.
pub(crate) fn sessions(machine: &Machine) -> Result<Vec<Session>, BusError> {
    machine.bus().wait(async |bus| {
        let listed: Vec<(String, u32, String, String, OwnedObjectPath)> =
            LOGIND.ask(&bus, "ListSessions", &()).await?;
        let mut sessions = Vec::new();
        for (id, uid, user, seat, path) in listed {
            let object =
                Object { path: path.as_str(), interface: "org.freedesktop.login1.Session", ..LOGIND };
            // One that ends meanwhile is none.
            let Ok(details) = object.properties(&bus).await else { continue };
            if details.text("Class").is_none_or(|class| class == "user") {
                let is_interactive = details.text("Type").is_some_and(|kind| kind != "unspecified");
                let is_at_console = seat == "seat0" && details.is("Active");
                sessions.push(Session { id, user, uid, is_interactive, is_at_console });
            }
        }
        Ok(sessions)
    })
}

/// How many sessions there are; by `utmp` where there is no logind.
pub(crate) fn count(machine: &Machine) -> Option<u32> {
    let count = match sessions(machine) {
        Ok(sessions) => sessions.len(),
        Err(_) => {
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
