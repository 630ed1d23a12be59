//! Clients of Samba, from the output of `smbstatus --json` (Samba 4.17 or later).

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::Share;
use super::samba::{self, CONFIGURATION};
use crate::{Error, Machine, program};

/// Time limit for `smbstatus`.
const LIMIT: Duration = Duration::from_secs(10);

/// Sessions of clients with Samba, their connections to shares, and the files that they have open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Sessions, in the order of their identifiers.
    pub sessions: Vec<Session>,
    /// Connections to shares, in the order of their identifiers.
    pub connections: Vec<Connection>,
    /// Open files, in the order of their paths.
    pub files: Vec<OpenFile>,
}

/// Session of a user at a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifier of the session in this server.
    pub id: u64,
    /// User as which the client has signed in.
    pub user: String,
    /// Name or address of the client.
    pub client: String,
    /// SMB dialect, such as `SMB3_11`.
    pub dialect: String,
    /// Whether the messages of the session are encrypted.
    pub is_encrypted: bool,
    /// Whether the messages of the session are signed.
    pub is_signed: bool,
    /// Seconds since the session was established, or since its first connection where Samba does not report the
    /// former.
    pub age: Option<u32>,
    /// Number of files that the session has open.
    pub open_files: u32,
}

/// Connection of a session to a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Identifier of the connection in this server.
    pub id: u32,
    /// Name of the share.
    pub share: String,
    /// User of the session.
    pub user: String,
    /// Name or address of the client.
    pub client: String,
    /// Seconds since the connection was established.
    pub age: Option<u32>,
    /// Number of files of the share that the session has open; `None` if the folder of the share is unknown.
    pub open_files: Option<u32>,
}

/// File that a session has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Identifier: the process of the server in the upper half, its number for the file in the lower one.
    pub id: u64,
    /// Path on this machine.
    pub path: String,
    /// Path below the folder of the share.
    pub relative_path: String,
    /// Rights with which it was opened, an access mask of Windows.
    pub access: u32,
    /// Identifier of the session; `None` if several sessions of the process could have opened the file.
    pub session: Option<u64>,
    /// User of the session.
    pub user: Option<String>,
    /// Name or address of the client.
    pub client: Option<String>,
    /// Whether the messages of the session are encrypted.
    pub is_encrypted: bool,
    /// Whether the messages of the session are signed.
    pub is_signed: bool,
}

impl Clients {
    /// Returns the clients that are connected now; empty if Samba is not installed or not configured.
    ///
    /// # Errors
    /// [`Error::Denied`] if this user is not root, and other errors of `smbstatus`.
    pub fn all(machine: &Machine) -> Result<Self, Error> {
        // The databases of Samba are those of this machine.
        let configuration = machine.path(CONFIGURATION);
        if !machine.is_this() || !configuration.exists() {
            return Ok(Self::default());
        }
        let arguments = ["--json".as_ref(), "-s".as_ref(), configuration.as_os_str()];
        let printed = match program::of_system("smbstatus", arguments, LIMIT) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            printed => printed.map_err(|error| Error::program("smbstatus", error.to_string()))?,
        };
        if printed.stderr.contains("only works as root") {
            let problem = "only root can list the clients of Samba".to_owned();
            return Err(Error::Denied { program: "smbstatus", problem });
        }
        if printed.code != 0 {
            let problem = printed.stderr.lines().last().unwrap_or_default();
            return Err(Error::program("smbstatus", format!("{problem} (--json takes Samba 4.17)")));
        }
        let status = parse(&printed.stdout)?;
        // Files are reported with the folder of their share, and connections with its name.
        let shares = if status.tcons.is_empty() { Vec::new() } else { samba::shares(machine)?.found };
        Ok(status.clients(&shares))
    }
}

/// Parses the output of `smbstatus --json`.
///
/// # Errors
/// If it is not such an object.
fn parse(text: &str) -> Result<Status, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::program("smbstatus", format!("unexpected output: {error}")))
}

/// Output of `smbstatus --json`.
#[derive(Deserialize)]
struct Status {
    timestamp: String,
    #[serde(default)]
    sessions: HashMap<String, SessionStatus>,
    #[serde(default)]
    tcons: HashMap<String, ConnectionStatus>,
    #[serde(default)]
    open_files: HashMap<String, FileStatus>,
}

#[derive(Deserialize)]
struct SessionStatus {
    session_id: String,
    server_id: ServerId,
    uid: i64,
    username: String,
    remote_machine: String,
    session_dialect: String,
    encryption: Protection,
    signing: Protection,
    /// Reported by Samba 4.20 or later.
    creation_time: Option<String>,
}

#[derive(Deserialize)]
struct ConnectionStatus {
    service: String,
    tcon_id: String,
    session_id: String,
    machine: String,
    connected_at: Option<String>,
}

#[derive(Deserialize)]
struct FileStatus {
    service_path: String,
    filename: String,
    #[serde(default)]
    opens: HashMap<String, OpenStatus>,
}

#[derive(Deserialize)]
struct OpenStatus {
    server_id: ServerId,
    uid: i64,
    share_file_id: String,
    access_mask: Mask,
}

#[derive(Deserialize)]
struct Mask {
    hex: String,
}

/// Process of the server.
#[derive(Clone, Deserialize, PartialEq, Eq)]
struct ServerId {
    pid: String,
    unique_id: String,
}

#[derive(Deserialize)]
struct Protection {
    /// `none`, `partial` or `full`.
    degree: String,
}

impl Protection {
    fn is_used(&self) -> bool {
        self.degree != "none"
    }
}

impl Status {
    fn clients(&self, shares: &[Share]) -> Clients {
        let now = time(&self.timestamp);
        let files: Vec<(&FileStatus, &OpenStatus)> = self
            .open_files
            .values()
            .flat_map(|file| file.opens.values().map(move |open| (file, open)))
            .collect();
        let mut clients = Clients {
            sessions: self
                .sessions
                .values()
                .filter_map(|session| self.session(session, &files, now))
                .collect(),
            connections: self
                .tcons
                .values()
                .filter_map(|status| self.connection(status, shares, now))
                .collect(),
            files: files.iter().filter_map(|(file, open)| self.file(file, open)).collect(),
        };
        clients.sessions.sort_unstable_by_key(|session| session.id);
        clients.connections.sort_unstable_by_key(|connection| connection.id);
        clients.files.sort_unstable_by(|one, other| (&one.path, one.id).cmp(&(&other.path, other.id)));
        clients
    }

    fn session(
        &self,
        status: &SessionStatus,
        files: &[(&FileStatus, &OpenStatus)],
        now: Option<Timestamp>,
    ) -> Option<Session> {
        let connected = self.tcons.values().filter(|connection| connection.session_id == status.session_id);
        let first = connected.filter_map(|connection| time(connection.connected_at.as_deref()?)).min();
        let begin = status.creation_time.as_deref().and_then(time).or(first);
        let open = files.iter().filter(|(_, open)| status.is_of(open)).count();
        Some(Session {
            id: status.session_id.parse().ok()?,
            user: status.username.clone(),
            client: status.remote_machine.clone(),
            dialect: status.session_dialect.clone(),
            is_encrypted: status.encryption.is_used(),
            is_signed: status.signing.is_used(),
            age: age(begin, now),
            open_files: u32::try_from(open).unwrap_or(u32::MAX),
        })
    }

    fn connection(
        &self,
        status: &ConnectionStatus,
        shares: &[Share],
        now: Option<Timestamp>,
    ) -> Option<Connection> {
        let session = self.sessions.values().find(|session| session.session_id == status.session_id);
        let share = shares.iter().find(|share| share.has_name(&status.service));
        let open_files = share.zip(session).map(|(share, session)| {
            let files = self.open_files.values().filter(|file| file.service_path == share.path);
            files.flat_map(|file| file.opens.values()).filter(|open| session.is_of(open)).count()
        });
        Some(Connection {
            id: status.tcon_id.parse().ok()?,
            share: status.service.clone(),
            user: session.map(|session| session.username.clone()).unwrap_or_default(),
            client: status.machine.clone(),
            age: age(status.connected_at.as_deref().and_then(time), now),
            open_files: open_files.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        })
    }

    fn file(&self, file: &FileStatus, open: &OpenStatus) -> Option<OpenFile> {
        let mut sessions = self.sessions.values().filter(|session| session.is_of(open));
        // A process with two sessions of one user does not report which of them opened a file.
        let session = sessions.next().filter(|_| sessions.next().is_none());
        let process: u64 = open.server_id.pid.parse().ok()?;
        let number: u32 = open.share_file_id.parse().ok()?;
        Some(OpenFile {
            id: (process << 32) | u64::from(number),
            path: format!("{}/{}", file.service_path, file.filename),
            relative_path: file.filename.replace('/', "\\"),
            access: u32::from_str_radix(open.access_mask.hex.trim_start_matches("0x"), 16).ok()?,
            session: session.and_then(|session| session.session_id.parse().ok()),
            user: session.map(|session| session.username.clone()),
            client: session.map(|session| session.remote_machine.clone()),
            is_encrypted: session.is_some_and(|session| session.encryption.is_used()),
            is_signed: session.is_some_and(|session| session.signing.is_used()),
        })
    }
}

impl SessionStatus {
    /// Returns whether the process and user of this session opened the file.
    fn is_of(&self, open: &OpenStatus) -> bool {
        self.server_id == open.server_id && self.uid == open.uid
    }
}

fn time(text: &str) -> Option<Timestamp> {
    // Samba writes both `+0000` and `+00:00`.
    text.parse().or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text)).ok()
}

/// Returns the seconds from `begin` to `now`.
fn age(begin: Option<Timestamp>, now: Option<Timestamp>) -> Option<u32> {
    let seconds = now?.as_second().saturating_sub(begin?.as_second());
    Some(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::{Kind, Origin};

    /// Output of Samba 4.17 for a session with one open file, shortened.
    const STATUS: &str = r#"{"timestamp": "2026-03-01T10:00:09.084268+0000", "version": "4.17.12-Debian",
        "sessions": {"1551675617": {"session_id": "1551675617",
            "server_id": {"pid": "10040", "task_id": "0", "vnn": "4294967295", "unique_id": "126"},
            "uid": 0, "gid": 0, "username": "root", "groupname": "root", "remote_machine": "127.0.0.1",
            "hostname": "ipv4:127.0.0.1:38842", "session_dialect": "SMB3_11",
            "encryption": {"cipher": "-", "degree": "none"},
            "signing": {"cipher": "AES-128-GMAC", "degree": "partial"}}},
        "tcons": {"2151758581": {"service": "pub", "server_id": {"pid": "10040", "task_id": "0",
            "vnn": "4294967295", "unique_id": "126"}, "tcon_id": "2151758581", "session_id": "1551675617",
            "machine": "127.0.0.1", "connected_at": "2026-03-01T10:00:02.092803+00:00",
            "encryption": {"cipher": "-", "degree": "none"}, "signing": {"cipher": "-", "degree": "none"}}},
        "open_files": {"/srv/pub/a/big": {"service_path": "/srv/pub", "filename": "a/big",
            "fileid": {"devid": 65024, "inode": 10018764, "extid": 0}, "num_pending_deletes": 0,
            "opens": {"10040/3": {"server_id": {"pid": "10040", "task_id": "0", "vnn": "4294967295",
                "unique_id": "126"}, "uid": 0, "share_file_id": "3",
                "sharemode": {"hex": "0x00000003", "text": "RW"},
                "access_mask": {"hex": "0x00120089", "text": "R"},
                "caching": {"hex": "0x00000000", "text": ""}, "oplock": {}, "lease": {},
                "opened_at": "2026-03-01T10:00:03.092966+00:00"}}}}}"#;

    fn share() -> Share {
        Share {
            name: "Pub".to_owned(),
            path: "/srv/pub".to_owned(),
            remark: String::new(),
            kind: Kind::Folder,
            limit: 0,
            origin: Origin::Configuration { is_read_only: false },
        }
    }

    #[test]
    fn sessions_connections_and_files_belong_together() {
        let clients = parse(STATUS).expect("valid").clients(&[share()]);
        let session = &clients.sessions[0];
        assert_eq!((session.id, session.age, session.open_files), (1_551_675_617, Some(7), 1));
        assert!(session.is_signed && !session.is_encrypted);
        let connection = &clients.connections[0];
        assert_eq!((connection.id, connection.age, connection.open_files), (2_151_758_581, Some(7), Some(1)));
        assert_eq!((connection.user.as_str(), connection.client.as_str()), ("root", "127.0.0.1"));
        let file = &clients.files[0];
        assert_eq!((file.id, file.access, file.session), ((10_040 << 32) | 3, 0x12_0089, Some(session.id)));
        assert_eq!((file.path.as_str(), file.relative_path.as_str()), ("/srv/pub/a/big", "a\\big"));
        let unknown = parse(STATUS).expect("valid").clients(&[]);
        assert_eq!(unknown.connections[0].open_files, None);
    }

    #[test]
    fn the_output_without_clients_is_empty() {
        let none = r#"{"timestamp": "2026-03-01T10:00:09.084268+0000", "sessions": {}, "tcons": {}}"#;
        assert_eq!(parse(none).expect("valid").clients(&[]), Clients::default());
        assert!(parse("[]").is_err());
    }
}
