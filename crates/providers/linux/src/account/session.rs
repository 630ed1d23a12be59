//! `Win32_LogonSession` and `Win32_LoggedOnUser`: logon sessions.

use std::sync::Arc;

use linux::account::User;
use linux::session::Session;
use wmi::{Lookup, ProviderError};

use super::path::path;
use crate::Machine;
use crate::table::association::Association;
use crate::table::{Fill, Table, failure, reference, text_key};

/// Logon sessions.
pub(crate) struct LogonSession;

impl Table for LogonSession {
    type Row = Session;

    const CLASS: &'static str = "Win32_LogonSession";

    const COLUMNS: &'static [(&'static str, Fill<Session>)] = &[
        ("AuthenticationPackage", |_, session| session.service.clone().into()),
        ("LogonId", |_, session| session.id.clone().into()),
        ("LogonType", |_, session| logon_type(session).into()),
        ("StartTime", |machine, session| session.since.and_then(|since| machine.timestamp(since)).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Session>, ProviderError> {
        Ok(Session::all(machine).unwrap_or_default().into_iter())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Session>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Session::all(machine).unwrap_or_default().into_iter().find(|session| session.id == id))
    }
}

/// Returns the logon type: 2 interactive, 3 network, 5 service, 10 remote interactive.
fn logon_type(session: &Session) -> u32 {
    match (session.is_interactive(), session.is_remote) {
        (true, true) => 10,
        (true, false) => 2,
        (false, true) => 3,
        (false, false) => 5,
    }
}

/// Association of sessions with users.
pub(crate) static LOGGED_ON_USER: Association<(User, Session)> = Association {
    namespace: "root/cimv2",
    class: "Win32_LoggedOnUser",
    columns: &[
        ("Antecedent", |machine, (user, _)| path("Win32_UserAccount", machine, &user.name)),
        ("Dependent", |_, (_, session)| reference("Win32_LogonSession", "LogonId", session.id.clone())),
    ],
    rows: rows_of_logged_on_user,
    subsystems: &[],
};

fn rows_of_logged_on_user(machine: &Machine) -> Result<Vec<(User, Session)>, ProviderError> {
    let users = machine.users().complete().map_err(failure)?;
    let sessions = Session::all(machine).unwrap_or_default().into_iter();
    // Users of a domain are not accounts of this machine.
    Ok(sessions
        .filter_map(move |session| {
            let user = users.iter().find(|user| user.uid == session.uid)?.clone();
            Some((user, session))
        })
        .collect())
}
