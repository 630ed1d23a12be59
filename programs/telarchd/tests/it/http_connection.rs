//! A simple HTTP client connection for tests.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use auth::ntlm::{self, InitiatorFresh, Login, NtHash, Sealing};
use auth::{Initiator as _, Secret, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};
use tls::{ServerCertificate, ServerCertificateCheck};
use tokio::net::TcpSocket;

use crate::PATIENCE;
use crate::message;
use crate::service_process::{PASSWORD, user};

pub(crate) struct Connection<S> {
    stream: S,
}

/// Status and body of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Connection<TcpStream> {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self { stream: tcp(address) }
    }

    /// Connects from another address of the loopback network.
    pub(crate) async fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source, 0)).unwrap();
        let stream = socket.connect(address).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }
}

impl Connection<UnixStream> {
    pub(crate) fn open_local(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }
}

impl Connection<Tls> {
    /// Connects without verifying the certificate.
    pub(crate) fn open_tls(address: SocketAddr) -> Self {
        let config = tls::client(Anything).unwrap().with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = tcp(address);
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        Self { stream: StreamOwned::new(session, socket) }
    }

    /// Returns the certificates that the service has sent, its own first.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.stream.conn.peer_certificates().unwrap()
    }
}

impl<S: Read + Write> Connection<S> {
    /// Sends a request as the user who runs the test.
    pub(crate) fn ask(&mut self, path: &str, message: &str) -> Answer {
        self.ask_as(&user(), path, message)
    }

    pub(crate) fn ask_as(&mut self, user: &str, path: &str, message: &str) -> Answer {
        self.exchange(path, &basic(user), message).unwrap()
    }

    /// Signs in with NTLM, which is much faster than verifying a password hash.
    pub(crate) fn sign_in_by_ntlm(&mut self, user: &str) -> io::Result<()> {
        let hash = NtHash::of_password(&Secret::new(PASSWORD.to_owned()));
        let login = Login { domain: String::new(), user: user.to_owned(), hash };
        let fresh = InitiatorFresh {
            challenge: accounts::random().unwrap(),
            session_key: accounts::random::<16>().unwrap().into(),
            now: SystemTime::now(),
        };
        let mut initiator = ntlm::Initiator::new(login, Sealing::IfAgreed, fresh);
        let mut challenge = None;
        loop {
            let (token, is_last) = match initiator.step(challenge.as_deref()).unwrap() {
                Step::Continue(token) => (token, false),
                Step::Done { token, .. } => (token.unwrap(), true),
            };
            self.send(&format!(
                "POST /wsman HTTP/1.1\r\nHost: localhost\r\nAuthorization: Negotiate {}\r\nContent-Length: 0\r\n\r\n",
                STANDARD.encode(token)
            ))?;
            let head = self.head()?;
            if is_last {
                assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                return Ok(());
            }
            let token = head.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: Negotiate "));
            challenge = Some(STANDARD.decode(token.unwrap()).unwrap());
        }
    }

    /// Sends a request without credentials.
    pub(crate) fn ask_unnamed(&mut self, path: &str, message: &str) -> Answer {
        self.exchange(path, "", message).unwrap()
    }

    /// Returns whether a path exists, by an Identify request.
    pub(crate) fn finds(&mut self, path: &str) -> bool {
        match self.ask(path, &message::identify()).status {
            200 => true,
            404 => false,
            other => panic!("unexpected status {other} for {path}"),
        }
    }

    pub(crate) fn exchange(&mut self, path: &str, headers: &str, message: &str) -> io::Result<Answer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n{headers}Content-Length: {}\r\n\r\n{message}",
            message.len()
        );
        self.stream.write_all(request.as_bytes())?;
        self.stream.flush()?;
        self.answer()
    }

    /// Sends a part of a request.
    pub(crate) fn send(&mut self, part: &str) -> io::Result<()> {
        self.stream.write_all(part.as_bytes())?;
        self.stream.flush()
    }

    /// Sends the head of a request, and returns the status with which the service accepts or refuses the body.
    pub(crate) fn begin(&mut self, headers: &str, length: usize) -> io::Result<u16> {
        self.send(&format!(
            "POST /wsman HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
             {headers}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        ))?;
        let mut status = [0; 12];
        self.stream.read_exact(&mut status)?;
        Ok(String::from_utf8_lossy(&status[9..]).parse().unwrap())
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body: String::from_utf8(body).unwrap() })
    }

    fn head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            self.stream.read_exact(&mut octet)?;
            head.push(octet[0]);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// Waits until the service closes the connection; returns `false` if it sends data or the timeout expires.
    pub(crate) fn is_closed_by_the_service(&mut self) -> bool {
        let mut rest = [0; 1];
        match self.stream.read(&mut rest) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => {
                error.kind() != io::ErrorKind::WouldBlock && error.kind() != io::ErrorKind::TimedOut
            }
        }
    }
}

/// Returns the Basic authorization header of a user.
pub(crate) fn basic(user: &str) -> String {
    let password = Secret::new(PASSWORD.to_owned());
    format!("Authorization: {}\r\n", &*auth::basic::authorization(user, &password))
}

/// Returns whether a socket listens at an address.
pub(crate) fn is_open(address: impl Into<SocketAddr>) -> bool {
    TcpStream::connect_timeout(&address.into(), PATIENCE).is_ok()
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Accepts every certificate: the tests examine certificates but do not verify them.
#[derive(Debug)]
struct Anything;

impl ServerCertificateCheck for Anything {
    fn check(&self, _: &ServerCertificate<'_>) -> Result<(), rustls::Error> {
        Ok(())
    }
}
