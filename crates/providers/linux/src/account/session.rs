//! `Win32_LogonSession` and `Win32_LoggedOnUser`: who is signed in, as logind keeps it (`/run/systemd/sessions`).

use std::sync::Arc;

use wmi::{Lookup, ProviderError, Scan};

use super::database::{User, path};
use crate::Machine;
use crate::table::{Fill, Push, Table, reference, text_key};

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    id: String,
    pub(super) uid: u32,
    /// What has let them in, as PAM calls it.
    service: Option<String>,
    /// `tty`, `x11`, `wayland` or `unspecified`.
    kind: String,
    is_remote: bool,
    /// Microseconds since 1970.
    since: Option<i64>,
}

impl Session {
    /// All of them.
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("run/systemd/sessions").unwrap_or_default();
        let mut ids: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        // Beside each file is a pipe that tells when the session ends.
        ids.retain(|id| !id.ends_with(".ref"));
        ids.sort();
        ids.into_iter().filter_map(|id| Self::read(machine, id)).collect()
    }

    fn read(machine: &Machine, id: String) -> Option<Self> {
        let text = machine.text(format!("run/systemd/sessions/{id}")).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            uid: field("UID")?.parse().ok()?,
            service: field("SERVICE").map(str::to_owned),
            kind: field("TYPE").unwrap_or_default().to_owned(),
            is_remote: field("REMOTE") == Some("1"),
            since: field("REALTIME").and_then(|micros| micros.parse().ok()),
            id,
        })
    }

    /// How: 2 is interactive, 3 over the network, 5 by a service, 10 interactive from elsewhere.
    fn kind(&self) -> u32 {
        match (self.kind.as_str(), self.is_remote) {
            ("tty" | "x11" | "wayland" | "mir", true) => 10,
            ("tty" | "x11" | "wayland" | "mir", false) => 2,
            (_, true) => 3,
            _ => 5,
        }
    }
}

/// The sessions.
pub(crate) struct LogonSession;

impl Table for LogonSession {
    type Row = Session;

    const CLASS: &'static str = "Win32_LogonSession";

    const COLUMNS: &'static [(&'static str, Fill<Session>)] = &[
        ("AuthenticationPackage", |_, session| session.service.clone().into()),
        ("LogonId", |_, session| session.id.clone().into()),
        ("LogonType", |_, session| session.kind().into()),
        ("StartTime", |machine, session| session.since.and_then(|since| machine.timestamp(since)).into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["Caption", "Description", "InstallDate", "Name", "Status"];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Session>,
    ) -> Result<(), ProviderError> {
        Session::all(machine).into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Session>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Session::all(machine).into_iter().find(|session| session.id == id))
    }
}

/// Whose each session is.
pub(crate) struct LoggedOnUser;

impl Table for LoggedOnUser {
    type Row = (User, Session);

    const CLASS: &'static str = "Win32_LoggedOnUser";

    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)] = &[
        ("Antecedent", |machine, (user, _)| path("Win32_UserAccount", machine, &user.name)),
        ("Dependent", |_, (_, session)| reference("Win32_LogonSession", "LogonId", session.id.clone())),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Self::Row>,
    ) -> Result<(), ProviderError> {
        let users = User::all(machine);
        for session in Session::all(machine) {
            // Users of a domain are no accounts of this machine.
            if let Some(user) = users.iter().find(|user| user.uid == session.uid) {
                push((user.clone(), session))?;
            }
        }
        Ok(())
    }
}
