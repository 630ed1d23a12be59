//! Servers at a port that are no service of WS-Management, or none that answers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use tempfile::TempDir;

use crate::python::python;
use crate::run::tail;

/// A port that accepts connections and says nothing, or that hangs up at once.
pub struct Sink {
    port: u16,
    _listener: TcpListener,
}

impl Sink {
    /// Opens a port whose connections the kernel accepts and no program reads.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn silent() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Self { port: listener.local_addr().expect("bound").port(), _listener: listener }
    }

    /// Whoever comes is hung up on.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn hanging_up() -> Self {
        let sink = Self::silent();
        let listener = sink._listener.try_clone().expect("a second descriptor");
        // The thread ends with the test program.
        std::thread::spawn(move || listener.incoming().for_each(drop));
        sink
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

/// A port whose queue of connections is full, so that the kernel drops what else comes, as a firewall does.
pub struct FullQueue {
    port: u16,
    _listener: rustix::fd::OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl FullQueue {
    /// # Panics
    /// When there is no port, or the queue cannot be filled.
    #[must_use]
    pub fn start() -> Self {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        listen(&listener, 0).expect("it is bound");
        let address = getsockname(&listener).expect("it is bound");
        let address = SocketAddr::try_from(address).expect("an address of IPv4");
        let mut waiting = Vec::new();
        // The kernel accepts one or two connections more than the backlog.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
            assert!(waiting.len() < 64, "the queue does not fill");
        }
        Self { port: address.port(), _listener: listener, _waiting: waiting }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// `openssl s_server` with a certificate; dropping it ends exactly the process it started.
pub struct OpensslServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl OpensslServer {
    /// Starts it with a certificate and its key in PEM.
    ///
    /// # Panics
    /// When `openssl` is not installed or does not listen.
    #[must_use]
    pub fn start(certificate: &str, key: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        for (name, text) in [("certificate.pem", certificate), ("key.pem", key)] {
            fs::write(folder.path().join(name), text).expect("a fresh folder");
        }
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-naccept", "64"]);
        command.args(["-cert", "certificate.pem", "-key", "key.pem"]).current_dir(folder.path());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}\n  install openssl"));
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        // openssl prints `ACCEPT 127.0.0.1:PORT` when it listens.
        let port = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.trim().parse().ok());
        Self { port: port.expect("openssl says where it listens"), child, folder }
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A switch by which its certificate is trusted.
    #[must_use]
    pub fn trusted(&self) -> String {
        format!("-ca:{}", self.folder.path().join("certificate.pem").display())
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A web server of Python that is no service of WS-Management; dropping it ends exactly the process it started.
pub struct WebServer {
    child: Child,
    port: u16,
}

impl WebServer {
    /// Starts a server of files (`http.server`).
    ///
    /// # Panics
    /// When Python is not installed, or it does not listen.
    #[must_use]
    pub fn of_files() -> Self {
        Self::start("http.server.SimpleHTTPRequestHandler")
    }

    /// Starts a server that redirects every request to a login page.
    ///
    /// # Panics
    /// As [`of_files`](Self::of_files).
    #[must_use]
    pub fn of_a_portal() -> Self {
        Self::start(
            "type('Portal', (http.server.BaseHTTPRequestHandler,), {'do_POST': lambda self: (\
             self.send_response(302), self.send_header('Location', 'http://login.example/'), \
             self.send_header('Content-Length', '0'), self.end_headers())})",
        )
    }

    fn start(class: &str) -> Self {
        let program = format!(
            "import http.server\nserver = http.server.HTTPServer(('127.0.0.1', 0), {class})\n\
             print(server.server_port, flush=True)\nserver.serve_forever()\n"
        );
        let mut command = python();
        let mut child = command
            .args(["-c", &program])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        stdout.read_line(&mut line).expect("it writes text");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("no port: {}", tail(line.as_bytes())));
        Self { child, port }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
