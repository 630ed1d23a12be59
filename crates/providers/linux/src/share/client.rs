//! Clients of Samba: `Win32_ServerSession`, `Win32_ServerConnection`, `MSFT_SmbSession`, `MSFT_SmbOpenFile` and
//! their associations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use cim::Value;
use linux::share::client::{self, Connection, OpenFile, Session};
use wmi::ProviderError;

use super::smb::SCOPE;
use crate::Machine;
use crate::table::association::{Association, relate};
use crate::table::{Binding, Fill, Table, bind, failure, path_to, reference, reference_with_keys};

/// Returns the tables of these classes.
pub(super) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, ServerSession),
        bind(machine, ServerConnection),
        bind(machine, SmbSession),
        bind(machine, SmbOpenFile),
        relate(machine, &SESSION_CONNECTION),
        relate(machine, &CONNECTION_SHARE),
    ]
}

/// `Win32_ServerSession`: sessions of one user at one client as one row.
struct ServerSession;

impl Table for ServerSession {
    type Row = Session;

    const CLASS: &'static str = "Win32_ServerSession";

    const COLUMNS: &'static [(&'static str, Fill<Session>)] = &[
        ("ActiveTime", |_, session| session.age.into()),
        ("Caption", |_, session| title(&session.user, &session.client)),
        ("ClientType", |_, session| session.dialect.clone().into()),
        ("ComputerName", |_, session| session.client.clone().into()),
        ("Description", |_, session| title(&session.user, &session.client)),
        ("Name", |_, session| title(&session.user, &session.client)),
        ("ResourcesOpened", |_, session| session.open_files.into()),
        // 1 is "NoEncryption", 2 is "Other". Samba does not report guests.
        ("SessionType", |_, session| if session.is_encrypted { 2_u32 } else { 1 }.into()),
        ("Status", |_, _| "OK".into()),
        ("TransportName", |_, _| "TCP".into()),
        ("UserName", |_, session| session.user.clone().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Session>, ProviderError> {
        let sessions = client::sessions(machine).map_err(failure)?;
        Ok(merged(sessions, |session| (session.client.clone(), session.user.clone()), add_session)
            .into_iter())
    }
}

/// `Win32_ServerConnection`: connections of one user at one client to one share as one row.
struct ServerConnection;

impl Table for ServerConnection {
    type Row = Connection;

    const CLASS: &'static str = "Win32_ServerConnection";

    const COLUMNS: &'static [(&'static str, Fill<Connection>)] = &[
        ("ActiveTime", |_, connection| connection.age.into()),
        ("Caption", |_, connection| title(&connection.user, &connection.share)),
        ("ComputerName", |_, connection| connection.client.clone().into()),
        ("ConnectionID", |_, connection| connection.id.into()),
        ("Description", |_, connection| title(&connection.user, &connection.share)),
        ("Name", |_, connection| title(&connection.user, &connection.share)),
        ("NumberOfFiles", |_, connection| connection.open_files.into()),
        ("NumberOfUsers", |_, _| 1_u32.into()),
        ("ShareName", |_, connection| connection.share.clone().into()),
        ("Status", |_, _| "OK".into()),
        ("UserName", |_, connection| connection.user.clone().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Connection>, ProviderError> {
        Ok(merged_connections(machine)?.into_iter())
    }
}

/// `MSFT_SmbSession`, for `Get-SmbSession`.
struct SmbSession;

impl Table for SmbSession {
    type Row = Session;

    const NAMESPACE: &'static str = super::smb::NAMESPACE;

    const CLASS: &'static str = "MSFT_SmbSession";

    const COLUMNS: &'static [(&'static str, Fill<Session>)] = &[
        ("ClientComputerName", |_, session| session.client.clone().into()),
        ("ClientUserName", |_, session| session.user.clone().into()),
        // Windows writes "3.1.1", Samba "SMB3_11".
        ("Dialect", |_, session| dialect(&session.dialect).into()),
        ("NumOpens", |_, session| u64::from(session.open_files).into()),
        ("ScopeName", |_, _| SCOPE.into()),
        ("SecondsExists", |_, session| session.age.into()),
        ("SessionId", |_, session| session.id.into()),
        ("SmbInstance", |_, _| 0_u32.into()),
        ("TransportName", |_, _| "TCP".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Session>, ProviderError> {
        Ok(client::sessions(machine).map_err(failure)?.into_iter())
    }
}

/// `MSFT_SmbOpenFile`, for `Get-SmbOpenFile`.
struct SmbOpenFile;

impl Table for SmbOpenFile {
    type Row = OpenFile;

    const NAMESPACE: &'static str = super::smb::NAMESPACE;

    const CLASS: &'static str = "MSFT_SmbOpenFile";

    const COLUMNS: &'static [(&'static str, Fill<OpenFile>)] = &[
        ("ClientComputerName", |_, file| file.client.clone().into()),
        ("ClientUserName", |_, file| file.user.clone().into()),
        ("Encrypted", |_, file| file.is_encrypted.into()),
        ("FileId", |_, file| file.id.into()),
        ("Path", |_, file| file.path.clone().into()),
        ("Permissions", |_, file| file.access.into()),
        ("ScopeName", |_, _| SCOPE.into()),
        ("SessionId", |_, file| file.session.into()),
        ("ShareRelativePath", |_, file| file.relative_path.clone().into()),
        ("Signed", |_, file| file.is_signed.into()),
        ("SmbInstance", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = OpenFile>, ProviderError> {
        Ok(client::open_files(machine).map_err(failure)?.into_iter())
    }
}

static SESSION_CONNECTION: Association<Connection> = Association {
    namespace: "root/cimv2",
    class: "Win32_SessionConnection",
    columns: &[("Antecedent", session_of), ("Dependent", path_of)],
    rows: merged_connections,
    subsystems: &[],
};

static CONNECTION_SHARE: Association<Connection> = Association {
    namespace: "root/cimv2",
    class: "Win32_ConnectionShare",
    columns: &[
        ("Antecedent", |_, connection| reference("Win32_Share", "Name", connection.share.clone())),
        ("Dependent", path_of),
    ],
    rows: merged_connections,
    subsystems: &[],
};

fn path_of(machine: &Machine, connection: &Connection) -> Value {
    path_to::<ServerConnection>(machine, connection, &["ComputerName", "ShareName", "UserName"])
}

fn session_of(_: &Machine, connection: &Connection) -> Value {
    let keys =
        [("ComputerName", connection.client.clone().into()), ("UserName", connection.user.clone().into())];
    reference_with_keys(ServerSession::CLASS, &keys)
}

fn title(first: &str, second: &str) -> Value {
    format!("{first} at {second}").into()
}

/// Returns the dialect as Windows writes it.
fn dialect(samba: &str) -> String {
    match samba.trim_start_matches("SMB") {
        "2_02" => "2.0.2".to_owned(),
        "2_10" => "2.1".to_owned(),
        "3_00" => "3.0".to_owned(),
        "3_02" => "3.0.2".to_owned(),
        "3_11" => "3.1.1".to_owned(),
        _ => samba.to_owned(),
    }
}

/// Returns the connections, merged by the keys of `Win32_ServerConnection`.
fn merged_connections(machine: &Machine) -> Result<Vec<Connection>, ProviderError> {
    let connections = client::connections(machine).map_err(failure)?;
    Ok(merged(connections, |row| (row.client.clone(), row.share.clone(), row.user.clone()), add_connection))
}

fn add_session(all: &mut Session, other: &Session) {
    all.age = all.age.max(other.age);
    all.open_files = all.open_files.saturating_add(other.open_files);
    all.is_encrypted &= other.is_encrypted;
}

fn add_connection(all: &mut Connection, other: &Connection) {
    all.age = all.age.max(other.age);
    all.open_files = all.open_files.max(other.open_files);
}

/// Adds rows to the first one with the same key.
fn merged<R, K: Eq + Hash>(rows: Vec<R>, key: fn(&R) -> K, add: fn(&mut R, &R)) -> Vec<R> {
    let mut places = HashMap::new();
    let mut merged: Vec<R> = Vec::new();
    for row in rows {
        match places.entry(key(&row)) {
            Entry::Occupied(place) => {
                if let Some(first) = merged.get_mut(*place.get()) {
                    add(first, &row);
                }
            }
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(row);
            }
        }
    }
    merged
}
