//! Request log in the W3C extended format, with the fields and sub-statuses of WMSVC.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use locks::Mutex;

use crate::Timestamp;

/// A request for the log.
#[derive(Clone, Debug)]
pub struct LoggedRequest<'a> {
    /// Time of the response.
    pub time: Timestamp,
    /// Address and port of the listener.
    pub server: SocketAddr,
    /// Method.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Query without the question mark.
    pub query: &'a str,
    /// Name of the signed-in user.
    pub user: &'a str,
    /// Address of the client.
    pub client: SocketAddr,
    /// Header `User-Agent`.
    pub agent: &'a str,
    /// Status of the response.
    pub status: u16,
    /// Reason in more detail, such as 6 in 403.6: refused address.
    pub substatus: u16,
    /// Error code of Windows; 0 for success.
    pub win32: u32,
    /// Time between request and response.
    pub taken: Duration,
}

/// Writes `u_exYYMMDD.log`, a new file every day (UTC).
#[derive(Debug)]
pub struct RequestLog {
    directory: PathBuf,
    open: Mutex<Option<OpenFile>>,
}

#[derive(Debug)]
struct OpenFile {
    date: (i64, u32, u32),
    file: File,
}

impl RequestLog {
    /// Makes a log in a directory, which is created with the first request.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, open: Mutex::new(None) }
    }

    /// Directory of the files.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Appends a request. If that fails, the reason is logged.
    pub fn append(&self, request: &LoggedRequest<'_>) {
        if let Err(error) = self.write(request) {
            tracing::error!(directory = %self.directory.display(), %error, "Cannot write the request log");
        }
    }

    fn write(&self, request: &LoggedRequest<'_>) -> std::io::Result<()> {
        let mut open = self.open.lock();
        let date = request.time.date();
        let mut text = line(request);
        if open.as_ref().is_none_or(|open| open.date != date) {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let name = format!("u_ex{:02}{:02}{:02}.log", date.0.rem_euclid(100), date.1, date.2);
            let path = self.directory.join(name);
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            let now = format!("{} {}", request.time.date_text(), request.time.time_text());
            text = format!("{HEADER}#Date: {now}\n{FIELDS}{text}");
            *open = Some(OpenFile { date, file });
        }
        match open.as_mut() {
            Some(open) => open.file.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }
}

fn line(request: &LoggedRequest<'_>) -> String {
    let LoggedRequest { time, server, client, status, substatus, win32, taken, .. } = request;
    format!(
        "{} {} {} {} {} {} {} {} {} {} {status} {substatus} {win32} {}\n",
        time.date_text(),
        time.time_text(),
        server.ip().to_canonical(),
        field(request.method),
        field(request.path),
        field(request.query),
        server.port(),
        field(request.user),
        client.ip().to_canonical(),
        field(request.agent),
        taken.as_millis(),
    )
}

/// Returns a text as one field: `-` if empty, `+` for spaces, and `%XX` for control and other special characters.
fn field(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut field = String::new();
    for byte in text.bytes().take(MAX_FIELD) {
        match byte {
            b' ' => field.push('+'),
            0x21..=0x7E if byte != b'"' => field.push(char::from(byte)),
            _ => field.push_str(&format!("%{byte:02X}")),
        }
    }
    field
}

const HEADER: &str = "#Software: Telarch Web Management Service\n#Version: 1.0\n";
const FIELDS: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
                      cs(User-Agent) sc-status sc-substatus sc-win32-status time-taken\n";
/// Maximum number of bytes of a text that are logged.
const MAX_FIELD: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_fields_of_iis_and_no_injected_ones() {
        let folder = tempfile::tempdir().unwrap();
        let log = RequestLog::new(folder.path().join("logs"));
        let mut request = LoggedRequest {
            time: Timestamp::from_seconds(1_307_037_545),
            server: "192.168.0.211:8172".parse().unwrap(),
            method: "POST",
            path: "/api/v1/session",
            query: "",
            user: "",
            client: "192.168.0.203:4711".parse().unwrap(),
            agent: "curl 8\r\n2011",
            status: 403,
            substatus: 6,
            win32: 5,
            taken: Duration::from_millis(1_669),
        };
        log.append(&request);
        log.append(&request);
        request.time = Timestamp::from_seconds(1_307_037_545 + 86_400);
        log.append(&request);
        let text = std::fs::read_to_string(folder.path().join("logs/u_ex110602.log")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = "2011-06-02 17:59:05 192.168.0.211 POST /api/v1/session - 8172 - 192.168.0.203 \
                        curl+8%0D%0A2011 403 6 5 1669";
        assert_eq!(lines, [expected, expected]);
        let fields = text.lines().find(|line| line.starts_with("#Fields:")).unwrap();
        assert_eq!(fields.split(' ').count() - 1, expected.split(' ').count());
        assert!(folder.path().join("logs/u_ex110603.log").is_file());
    }
}
