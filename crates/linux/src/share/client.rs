//! Clients of Samba, from the output of `smbstatus --json` (Samba 4.17 or later).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::Share;
use super::samba::{self, CONFIGURATION};
use crate::{Error, Machine, program};

/// Time limit for `smbstatus`.
const LIMIT: Duration = Duration::from_secs(10);

/// Returns the sessions of clients, in the order of their identifiers; empty if Samba is not installed or not
/// configured.
///
/// # Errors
/// [`Error::Denied`] if this user is not root, and other errors of `smbstatus`.
pub fn sessions(machine: &Machine) -> Result<Vec<Session>, Error> {
    Ok(Status::read(machine)?.list_sessions())
}

/// Returns the connections of sessions to shares, in the order of their identifiers.
///
/// # Errors
/// As for [`sessions`], and if the shares cannot be read.
pub fn connections(machine: &Machine) -> Result<Vec<Connection>, Error> {
    let status = Status::read(machine)?;
    // Files are reported with the folder of their share, and connections with its name.
    let shares = if status.tcons.is_empty() { Vec::new() } else { samba::shares(machine)?.found };
    Ok(status.list_connections(&shares))
}

/// Returns the files that sessions have open, in the order of their paths.
///
/// # Errors
/// As for [`sessions`].
pub fn open_files(machine: &Machine) -> Result<Vec<OpenFile>, Error> {
    Ok(Status::read(machine)?.list_open_files())
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

/// Parses the output of `smbstatus --json`.
///
/// # Errors
/// If it is not such an object.
fn parse(text: &str) -> Result<Status, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::program("smbstatus", format!("unexpected output: {error}")))
}

/// Output of `smbstatus --json`; without entries if Samba is not installed or not configured.
#[derive(Default, Deserialize)]
struct Status {
    timestamp: String,
    /// Sessions by their identifiers.
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
#[derive(Deserialize, PartialEq, Eq, Hash)]
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

/// Process and user of a session, by which Samba reports who has a file open.
type Owner<'s> = (&'s ServerId, i64);

impl SessionStatus {
    fn owner(&self) -> Owner<'_> {
        (&self.server_id, self.uid)
    }
}

impl OpenStatus {
    fn owner(&self) -> Owner<'_> {
        (&self.server_id, self.uid)
    }
}

impl Status {
    /// Runs `smbstatus`.
    fn read(machine: &Machine) -> Result<Self, Error> {
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
            let problem = format!("{problem}; --json needs Samba 4.17 or later");
            return Err(Error::program("smbstatus", problem));
        }
        parse(&printed.stdout)
    }

    /// Returns every open of a file, with the file.
    fn opens(&self) -> impl Iterator<Item = (&FileStatus, &OpenStatus)> {
        self.open_files.values().flat_map(|file| file.opens.values().map(move |open| (file, open)))
    }

    fn list_sessions(&self) -> Vec<Session> {
        let now = time(&self.timestamp);
        let mut connected: HashMap<&str, Timestamp> = HashMap::new();
        for connection in self.tcons.values() {
            let Some(begin) = connection.connected_at.as_deref().and_then(time) else { continue };
            let first = connected.entry(&connection.session_id).or_insert(begin);
            *first = begin.min(*first);
        }
        let open_files = counted(self.opens().map(|(_, open)| open.owner()));
        let mut sessions: Vec<Session> = self
            .sessions
            .values()
            .filter_map(|status| {
                let created = status.creation_time.as_deref().and_then(time);
                let begin = created.or_else(|| connected.get(status.session_id.as_str()).copied());
                Some(Session {
                    id: status.session_id.parse().ok()?,
                    user: status.username.clone(),
                    client: status.remote_machine.clone(),
                    dialect: status.session_dialect.clone(),
                    is_encrypted: status.encryption.is_used(),
                    is_signed: status.signing.is_used(),
                    age: age(begin, now),
                    open_files: open_files.get(&status.owner()).copied().unwrap_or_default(),
                })
            })
            .collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions
    }

    fn list_connections(&self, shares: &[Share]) -> Vec<Connection> {
        let now = time(&self.timestamp);
        let open_files = counted(self.opens().map(|(file, open)| (file.service_path.as_str(), open.owner())));
        let mut connections: Vec<Connection> = self
            .tcons
            .values()
            .filter_map(|status| {
                let session = self.sessions.get(&status.session_id);
                let share = shares.iter().find(|share| share.has_name(&status.service));
                let open_files = share.zip(session).map(|(share, session)| {
                    open_files.get(&(share.path.as_str(), session.owner())).copied().unwrap_or_default()
                });
                Some(Connection {
                    id: status.tcon_id.parse().ok()?,
                    share: status.service.clone(),
                    user: session.map(|session| session.username.clone()).unwrap_or_default(),
                    client: status.machine.clone(),
                    age: age(status.connected_at.as_deref().and_then(time), now),
                    open_files,
                })
            })
            .collect();
        connections.sort_unstable_by_key(|connection| connection.id);
        connections
    }

    fn list_open_files(&self) -> Vec<OpenFile> {
        // A process with two sessions of one user does not report which of them opened a file.
        let mut sessions: HashMap<Owner<'_>, Option<&SessionStatus>> = HashMap::new();
        for session in self.sessions.values() {
            sessions.entry(session.owner()).and_modify(|only| *only = None).or_insert(Some(session));
        }
        let mut files: Vec<OpenFile> = self
            .opens()
            .filter_map(|(file, open)| {
                let session = sessions.get(&open.owner()).copied().flatten();
                open_file(file, open, session)
            })
            .collect();
        files.sort_unstable_by(|one, other| (&one.path, one.id).cmp(&(&other.path, other.id)));
        files
    }
}

fn open_file(file: &FileStatus, open: &OpenStatus, session: Option<&SessionStatus>) -> Option<OpenFile> {
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

/// Returns how often each key occurs.
fn counted<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, u32> {
    let mut counts = HashMap::new();
    for key in keys {
        let count: &mut u32 = counts.entry(key).or_default();
        *count = count.saturating_add(1);
    }
    counts
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
        let status = parse(STATUS).expect("valid");
        let session = &status.list_sessions()[0];
        assert_eq!((session.id, session.age, session.open_files), (1_551_675_617, Some(7), 1));
        assert!(session.is_signed && !session.is_encrypted);
        let connection = &status.list_connections(&[share()])[0];
        assert_eq!((connection.id, connection.age, connection.open_files), (2_151_758_581, Some(7), Some(1)));
        assert_eq!((connection.user.as_str(), connection.client.as_str()), ("root", "127.0.0.1"));
        let file = &status.list_open_files()[0];
        assert_eq!((file.id, file.access, file.session), ((10_040 << 32) | 3, 0x12_0089, Some(session.id)));
        assert_eq!((file.path.as_str(), file.relative_path.as_str()), ("/srv/pub/a/big", "a\\big"));
        assert_eq!(status.list_connections(&[])[0].open_files, None);
    }

    #[test]
    fn the_output_without_clients_is_empty() {
        let none = r#"{"timestamp": "2026-03-01T10:00:09.084268+0000", "sessions": {}, "tcons": {}}"#;
        let status = parse(none).expect("valid");
        assert_eq!(status.list_sessions(), []);
        assert_eq!(status.list_connections(&[share()]), []);
        assert_eq!(status.list_open_files(), []);
        assert!(parse("[]").is_err());
    }
}
