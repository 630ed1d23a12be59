//! curl, for what only a bare HTTP client can see: status lines, headers, connections.

use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use crate::holder::Holder;
use crate::run::{Run, run};

/// POST request to a listener.
pub struct Curl {
    url: String,
    content_type: String,
    options: Vec<String>,
    body: Vec<u8>,
}

/// Response to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The interim statuses before the final one, such as 100.
    pub interim: Vec<u16>,
    /// The final status.
    pub status: u16,
    /// Header fields in order, with the names as received.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The values of every header field of this name, in the order they came.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl Curl {
    /// An empty POST with the content type of SOAP; the server's certificate is taken on trust.
    #[must_use]
    pub fn to(url: &str) -> Self {
        let content_type = "application/soap+xml;charset=UTF-8".to_owned();
        Self { url: url.to_owned(), content_type, options: Vec::new(), body: Vec::new() }
            .option(["--insecure"])
    }

    /// Signs in with Basic.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.option(["--basic", "--user", &format!("{user}:{password}")])
    }

    /// Shows a certificate in the handshake, of this version of TLS (`1.2`, `1.3`), and signs in with it.
    #[must_use]
    pub fn certificate(self, holder: &Holder, version: &str) -> Self {
        const CERTIFICATE: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
        let files = [holder.certificate(), holder.key()].map(|file| file.display().to_string());
        self.option(["--cert", files[0].as_str(), "--key", files[1].as_str()])
            .option([&format!("--tlsv{version}"), "--tls-max", version])
            .header(&format!("Authorization: {CERTIFICATE}"))
    }

    /// Signs in with another scheme, by its switch; see [`Curl::last_status`].
    #[must_use]
    pub fn scheme(self, switch: &str, credentials: &str) -> Self {
        self.option([switch, "--user", credentials])
    }

    /// Sends one more header field, `Name: value`.
    #[must_use]
    pub fn header(self, field: &str) -> Self {
        self.option(["--header", field])
    }

    /// Connects from another address of this machine, such as one of the loopback network.
    #[must_use]
    pub fn from_address(self, address: &str) -> Self {
        self.option(["--interface", address])
    }

    /// Sends another content type than that of SOAP in UTF-8.
    #[must_use]
    pub fn content_type(self, content_type: &str) -> Self {
        Self { content_type: content_type.to_owned(), ..self }
    }

    /// Sends this body.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Sends the request and returns what came back.
    ///
    /// # Panics
    ///
    /// When curl is not installed, reports an error of its own or does not end in time.
    #[must_use]
    pub fn send(&self) -> Reply {
        let ended = self.run(["--include", &self.url]);
        Reply::parse(&ended.stdout)
    }

    /// Sends the request and returns the last status: that after the sign-in, where one takes several.
    ///
    /// # Panics
    ///
    /// As [`Curl::send`].
    #[must_use]
    pub fn last_status(&self) -> u16 {
        let ended = self.run(["--output", "/dev/null", "--write-out", "%{http_code}", &self.url]);
        ended.text().0.parse().unwrap_or_else(|_| panic!("no status: {ended:?}"))
    }

    /// Sends the request twice, one after the other, and returns for each its status and how many connections had
    /// to be opened for it.
    ///
    /// # Panics
    ///
    /// As [`Curl::send`].
    #[must_use]
    pub fn send_twice(&self) -> [(u16, u32); 2] {
        let discard = ["--output", "/dev/null", "--output", "/dev/null"];
        let report = ["--write-out", "%{http_code} %{num_connects}\n"];
        let ended = self.run(discard.iter().chain(&report).chain(&[self.url.as_str(); 2]));
        let transfers: Vec<(u16, u32)> = ended.text().0.lines().filter_map(read_transfer).collect();
        transfers.try_into().unwrap_or_else(|_| panic!("not two transfers: {ended:?}"))
    }

    /// Sends the request and returns whether the server closed the connection without a response.
    ///
    /// # Panics
    ///
    /// When curl is not installed or does not end in time.
    #[must_use]
    pub fn fails(&self) -> bool {
        /// Exit codes of curl: an empty reply, and a connection that was reset while sending or receiving.
        const CLOSED: [i32; 3] = [52, 55, 56];
        CLOSED.contains(&self.end([&self.url]).code)
    }

    fn option<'a>(mut self, option: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.extend(option.into_iter().map(str::to_owned));
        self
    }

    fn run(&self, last: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Run {
        let ended = self.end(last);
        assert_eq!(ended.code, 0, "curl failed: {ended:?}");
        ended
    }

    fn end(&self, last: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Run {
        assert_installed();
        let mut command = Command::new("curl");
        // `-q` comes first, so that no .curlrc is read.
        command.args(["-q", "--silent", "--show-error", "--http1.1", "--noproxy", "*", "--max-time", "90"]);
        command.arg("--header").arg(format!("Content-Type: {}", self.content_type));
        command.args(&self.options).args(["--data-binary", "@-"]).args(last);
        run(&mut command, &self.body, LIMIT)
    }
}

impl Reply {
    fn parse(mut bytes: &[u8]) -> Self {
        let mut interim = Vec::new();
        loop {
            let (head, body) = split_head(bytes);
            let mut lines = head.split("\r\n");
            let status_line = lines.next().unwrap_or_default();
            let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.unwrap_or_else(|| panic!("not a status line: {status_line}"));
            if status < 200 {
                interim.push(status);
                bytes = body;
                continue;
            }
            let headers = lines.filter_map(|line| line.split_once(':'));
            let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
            return Self { interim, status, headers, body: body.to_vec() };
        }
    }
}

fn split_head(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let split = end.and_then(|end| Some((bytes.get(..end)?, bytes.get(end + 4..)?)));
    let (head, body) =
        split.unwrap_or_else(|| panic!("no end of headers: {}", String::from_utf8_lossy(bytes)));
    (String::from_utf8_lossy(head).into_owned(), body)
}

fn read_transfer(line: &str) -> Option<(u16, u32)> {
    let (status, connections) = line.split_once(' ')?;
    Some((status.parse().ok()?, connections.parse().ok()?))
}

fn assert_installed() {
    let version = Command::new("curl").arg("--version").output();
    let missing = version.is_err_and(|error| error.kind() == ErrorKind::NotFound);
    assert!(!missing, "curl is missing\n  install the peers with: ./test --install");
}

/// Longer than curl's own limit, so that its words are the ones that are shown.
const LIMIT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_statuses_repeated_headers_and_the_body_are_parsed() {
        let reply = Reply::parse(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 \r\nA: 1\r\nWWW-Authenticate: x\r\nwww-authenticate: y\r\n\r\n\xff\r\n\r\n",
        );
        assert_eq!((reply.interim.as_slice(), reply.status), ([100].as_slice(), 401));
        assert_eq!(reply.body, b"\xff\r\n\r\n");
        assert_eq!(reply.header("WWW-Authenticate"), ["x", "y"]);
    }
}
