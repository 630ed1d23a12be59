//! Debian's `nats-server` with JetStream, and a minimal client of its management interface.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

/// Time limit for a peer that does not answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A server with its files. It is killed when this is dropped.
pub(crate) struct NatsServer {
    folder: PathBuf,
    settings: String,
    child: Option<Child>,
    pub(crate) port: u16,
}

impl NatsServer {
    /// Starts a server with these settings; records a skip and returns `None` if there is none.
    pub(crate) fn start(folder: &Path, settings: &str) -> Option<Self> {
        if Command::new(program()).arg("--version").output().is_err() {
            skips::skip!("nats-server is missing; install it: apt-get install nats-server");
            return None;
        }
        let folder = folder.join("nats");
        fs::create_dir(&folder).unwrap();
        let mut server = Self { folder, settings: settings.to_owned(), child: None, port: 0 };
        server.run();
        Some(server)
    }

    /// Starts the server again after it was killed, on the same port.
    pub(crate) fn run(&mut self) {
        let ports = self.folder.join("ports");
        let _ = fs::remove_dir_all(&ports);
        fs::create_dir(&ports).unwrap();
        // The port -1 is a free one.
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let file = self.folder.join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\nports_file_dir: \"{}\"\n{}\n",
            self.folder.join("store").display(),
            ports.display(),
            self.settings
        );
        fs::write(&file, text).unwrap();
        let log = fs::OpenOptions::new().append(true).create(true).open(self.folder.join("log")).unwrap();
        let mut command = Command::new(program());
        let mut child = command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        self.port = loop {
            if let Some(port) = listed_port(&ports) {
                break port;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.child = Some(child);
    }

    /// Kills the server at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Replaces the settings for the next start.
    pub(crate) fn configure(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
    }

    /// Waits until the log has a text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "{text} is missing in {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Creates the stream of the tests.
    pub(crate) fn create_stream(&self, more: &Value) {
        let mut stream = json!({"name": "WEF", "subjects": ["wef.>"], "storage": "file", "duplicate_window": 120_000_000_000_u64});
        stream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.request("STREAM.CREATE.WEF", &stream);
        assert!(answer.get("error").is_none(), "{answer}");
    }

    /// Waits until the stream has a number of messages, and returns their subjects and contents.
    pub(crate) fn messages(&self, count: u64) -> Vec<(String, Value)> {
        let until = Instant::now() + PATIENCE;
        loop {
            let info = self.request("STREAM.INFO.WEF", &Value::Null);
            let found = info["state"]["messages"].as_u64().expect("a stream");
            if found >= count {
                assert_eq!(found, count, "the stream has duplicates");
                return (1..=count).map(|number| self.message(number)).collect();
            }
            assert!(Instant::now() < until, "only {found} of {count} messages arrived; {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn message(&self, number: u64) -> (String, Value) {
        let answer = self.request("STREAM.MSG.GET.WEF", &json!({"seq": number}));
        let message = &answer["message"];
        let data = message["data"].as_str().expect("a message");
        let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        (message["subject"].as_str().unwrap().to_owned(), serde_json::from_slice(&data).unwrap())
    }

    /// Sends a request to JetStream. The connection is neither encrypted nor authenticated.
    fn request(&self, subject: &str, content: &Value) -> Value {
        let content = if content.is_null() { String::new() } else { content.to_string() };
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB $JS.API.{subject} answer {}\r\n{content}\r\n",
            content.len()
        );
        socket.write_all(lines.as_bytes()).unwrap();
        let mut reader = BufReader::new(socket);
        let mut line = String::new();
        while !line.starts_with("MSG ") {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the server has closed the connection");
            assert!(!line.starts_with("-ERR"), "{line}");
        }
        let size = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let mut answer = vec![0; size];
        reader.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Programs of the system are not in the search path of ordinary users.
fn program() -> &'static str {
    if Path::new("/usr/sbin/nats-server").exists() { "/usr/sbin/nats-server" } else { "nats-server" }
}

/// Returns the port in the file that the server writes once it listens.
fn listed_port(folder: &Path) -> Option<u16> {
    let file = fs::read_dir(folder).unwrap().next()?.unwrap().path();
    let ports: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let address = ports["nats"][0].as_str()?;
    address.rsplit(':').next()?.trim_end_matches('/').parse().ok()
}
