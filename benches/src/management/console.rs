//! Runs `telarch mgmt serve` and sends requests to its API.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::any_certificate;
use crate::Result;
use crate::connection::{Answer, Connection};
use crate::telarchd::{PASSWORD, Started, USER, address, program};

/// A running Web Management Service with one signed-in administrator; dropping it ends the process.
pub(super) struct ManagementService {
    started: Started,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    session: Session,
    _folder: TempDir,
}

/// Credentials of the administrator's session.
#[derive(Clone, Default)]
struct Session {
    cookie: String,
    csrf: String,
}

impl ManagementService {
    /// Starts the service for the nginx in this directory and signs in.
    pub(super) fn start(nginx: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let accounts = folder.path().join("accounts");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&accounts)?;
        writeln!(file, "{USER}:{PASSWORD}")?;
        let mut command = Command::new(program("telarch"));
        command.args(["mgmt", "serve", "--ephemeral", "--listen", "127.0.0.1:0"]);
        command.arg("--accounts").arg(&accounts).arg("--nginx").arg(nginx);
        let started = Started::launch(command, folder.path())?;
        let url = started.announced.get("url").and_then(Value::as_str).ok_or("the ready file has no url")?;
        let address = address(url)?;
        let mut service = Self {
            started,
            address,
            tls: any_certificate::configuration()?,
            session: Session::default(),
            _folder: folder,
        };
        service.session = service.connect()?.sign_in()?;
        Ok(service)
    }

    pub(super) fn process(&self) -> u32 {
        self.started.process()
    }

    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    pub(super) fn connect(&self) -> Result<ApiConnection> {
        let connection = Connection::tls(self.address, &self.tls)?;
        Ok(ApiConnection { connection, address: self.address, session: self.session.clone() })
    }

    pub(super) fn connections(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| Connection::tls(self.address, &self.tls)).collect()
    }

    /// Returns a GET request of the administrator.
    pub(super) fn read_request(&self, path: &str) -> Vec<u8> {
        read_request(self.address, &self.session, path)
    }
}

/// A persistent connection to the API.
pub(super) struct ApiConnection {
    connection: Connection,
    address: SocketAddr,
    session: Session,
}

impl ApiConnection {
    /// Returns the body of a resource.
    pub(super) fn get(&mut self, path: &str) -> Result<&[u8]> {
        let request = read_request(self.address, &self.session, path);
        self.connection.exchange(&request)
    }

    /// Changes a resource whose revision is `revision`.
    pub(super) fn put(&mut self, path: &str, revision: &str, body: &Value) -> Result<()> {
        let fields = format!("X-CSRF-Token: {}\r\nIf-Match: \"{revision}\"\r\n", self.session.csrf);
        let request = write_request("PUT", self.address, &self.session, path, &fields, body);
        self.connection.exchange(&request).map(drop)
    }

    fn sign_in(&mut self) -> Result<Session> {
        let body = json!({ "username": USER, "password": PASSWORD });
        let request = write_request("POST", self.address, &self.session, "/session", "", &body);
        self.connection.send(&request)?;
        let Answer { status, head, body } = self.connection.receive_any()?;
        if status != 201 {
            return Err(
                format!("the sign-in was answered with {status}: {}", String::from_utf8_lossy(body)).into()
            );
        }
        let head = String::from_utf8_lossy(head);
        let cookie = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| value.split(';').next().unwrap_or_default().trim())
        });
        let answer: Value = serde_json::from_slice(body)?;
        let csrf = answer.get("csrf_token").and_then(Value::as_str);
        Ok(Session {
            cookie: cookie.ok_or("the sign-in set no cookie")?.to_owned(),
            csrf: csrf.ok_or("the sign-in returned no CSRF token")?.to_owned(),
        })
    }
}

fn read_request(address: SocketAddr, session: &Session, path: &str) -> Vec<u8> {
    format!("GET /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\n\r\n", session.cookie)
        .into_bytes()
}

fn write_request(
    method: &str,
    address: SocketAddr,
    session: &Session,
    path: &str,
    fields: &str,
    body: &Value,
) -> Vec<u8> {
    let body = body.to_string();
    let cookie =
        if session.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", session.cookie) };
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nOrigin: https://{address}\r\n{cookie}{fields}Content-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
