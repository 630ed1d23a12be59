//! The client's end of a connection, byte by byte.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use wsman::{Fault, Response, ResponseError, Uuid};
use xml::{Bounds, Document};

use crate::TIMEOUT;

/// A request. Exactly its contents are written.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Returns a request of an administrator that is valid HTTP.
pub(crate) fn post(body: impl Into<Vec<u8>>) -> Post {
    Post { start: "POST /wsman HTTP/1.1".to_owned(), headers: Vec::new(), body: body.into() }
        .header("Host", "node7:5985")
        .header("Content-Type", "application/soap+xml;charset=UTF-8")
        .signed_in("ada", ADA)
}

/// Password of ada, an administrator.
pub(crate) const ADA: &str = "Correct:horse&<7>";
/// Password of ben, an ordinary user.
pub(crate) const BEN: &str = "battery staple";
/// Password of eve, whose account does not exist on the machine.
pub(crate) const EVE: &str = "left last year";

impl Post {
    /// Sets a header, replacing those with the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.also(name, value)
    }

    /// Adds a header in addition to those with the same name.
    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn signed_in(self, user: &str, password: &str) -> Self {
        self.header("Authorization", &basic(user, password))
    }

    pub(crate) fn anonymous(self) -> Self {
        self.without("Authorization")
    }

    pub(crate) fn starting(mut self, start: &str) -> Self {
        start.clone_into(&mut self.start);
        self
    }

    /// Returns the head without a length and without its final empty line.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    /// Returns the complete request with `Content-Length`.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head(), self.body.len());
        [head.as_bytes(), &self.body].concat()
    }

    /// Returns the complete request with its body in chunks of this size.
    pub(crate) fn chunked(&self, size: usize) -> Vec<u8> {
        let mut octets = format!("{}Transfer-Encoding: chunked\r\n\r\n", self.head()).into_bytes();
        for chunk in self.body.chunks(size) {
            octets.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            octets.extend(chunk);
            octets.extend(b"\r\n");
        }
        octets.extend(b"0\r\n\r\n");
        octets
    }
}

/// Returns the value of `Authorization` for Basic.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Certificate chain and key of a client.
pub(crate) struct ClientIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// A connection to the service.
pub(crate) struct Wire {
    io: Box<dyn Duplex>,
    received: Vec<u8>,
    /// Certificate that the service presented in the TLS handshake.
    certificate: Vec<u8>,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Opens a connection that is reset when it is dropped, like one whose network fails.
    pub(crate) async fn connect_abruptly(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_zero_linger().unwrap();
        Self::over(stream)
    }

    /// Opens a TLS connection that is reset when it is dropped.
    pub(crate) async fn connect_tls_abruptly(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_zero_linger().unwrap();
        Self::secured(stream, &[], None).await.unwrap()
    }

    /// Connects with TLS and accepts any certificate.
    pub(crate) async fn connect_tls(address: SocketAddr, alpn: &[&str]) -> std::io::Result<Self> {
        Self::secured(TcpStream::connect(address).await?, alpn, None).await
    }

    /// Connects with TLS and presents a client certificate if the service requests one.
    pub(crate) async fn connect_tls_as(address: SocketAddr, shown: &ClientIdentity) -> std::io::Result<Self> {
        Self::secured(TcpStream::connect(address).await?, &[], Some(shown)).await
    }

    /// Connects to a Unix socket.
    pub(crate) async fn connect_local(path: &Path) -> Self {
        Self::over(UnixStream::connect(path).await.unwrap())
    }

    /// Connects from another address of the loopback network.
    pub(crate) async fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        Self::over(stream_from(source, address).await)
    }

    /// Connects with TLS from another address of the loopback network.
    pub(crate) async fn connect_tls_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        Self::secured(stream_from(source, address).await, &[], None).await.unwrap()
    }

    /// Returns a TLS client without a socket.
    pub(crate) fn trusting_client() -> rustls::ClientConnection {
        let name = ServerName::try_from("localhost").unwrap();
        rustls::ClientConnection::new(std::sync::Arc::new(trusting_config(None)), name).unwrap()
    }

    /// Returns the certificate of the service, as DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    async fn secured(
        stream: TcpStream,
        alpn: &[&str],
        shown: Option<&ClientIdentity>,
    ) -> std::io::Result<Self> {
        let mut config = trusting_config(shown);
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connector = TlsConnector::from(std::sync::Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = timeout(TIMEOUT, connector.connect(name, stream)).await.unwrap()?;
        // With TLS 1.3, the client finishes the handshake before the service has verified it.
        stream.flush().await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|shown| shown.to_vec()).unwrap_or_default();
        Ok(Self { certificate, ..Self::over(stream) })
    }

    fn over(io: impl Duplex + 'static) -> Self {
        Self { io: Box::new(io), received: Vec::new(), certificate: Vec::new() }
    }

    /// Sends bytes, which the service must accept.
    pub(crate) async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.try_send(octets).await.unwrap();
    }

    /// Sends bytes if the service accepts them.
    pub(crate) async fn try_send(&mut self, octets: impl AsRef<[u8]>) -> std::io::Result<()> {
        let writing = async {
            self.io.write_all(octets.as_ref()).await?;
            self.io.flush().await
        };
        timeout(TIMEOUT, writing).await.expect("the service takes what it is sent")
    }

    /// Sends a request and waits for the response.
    pub(crate) async fn ask(&mut self, post: &Post) -> Answer {
        self.send(post.octets()).await;
        self.answer().await
    }

    /// Closes the sending direction.
    pub(crate) async fn finish_sending(&mut self) {
        self.io.shutdown().await.unwrap();
    }

    /// Waits for the next response, with a body of its `Content-Length`.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_or_end().await.expect("an answer before the connection ends")
    }

    /// Waits for the next response, or for the end of the connection between two responses.
    pub(crate) async fn answer_or_end(&mut self) -> Option<Answer> {
        timeout(TIMEOUT, self.read_answer()).await.expect("an answer, or the end, in time")
    }

    /// Waits for the head of a response, reads nothing beyond it, and returns the length of the body.
    pub(crate) async fn beginning(&mut self) -> usize {
        let head = timeout(TIMEOUT, self.read_head()).await.expect("an answer in time").expect("an answer");
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        length.expect("a length").parse().unwrap()
    }

    async fn read_head(&mut self) -> Option<String> {
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break self.received.drain(..end + 4).collect::<Vec<u8>>();
            }
            // Read small pieces, so that the following bytes stay in the socket.
            self.received.reserve_exact(512);
            if self.io.read_buf(&mut self.received).await.expect("no reset inside an answer") == 0 {
                assert!(self.received.is_empty(), "half a head: {:?}", self.received);
                return None;
            }
        };
        Some(String::from_utf8(head).expect("a head of ASCII"))
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let head = self.read_head().await?;
        let (start, _) = head.split_once("\r\n").unwrap();
        let status = start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a start line: {start:?}"));
        let mut answer = Answer { status, head, body: Vec::new() };
        if status != 100 {
            let lengths = answer.headers("Content-Length");
            assert_eq!(lengths.len(), 1, "one Content-Length in {:?}", answer.head);
            answer.body = self.read_body(lengths[0].parse().expect("a length")).await;
        }
        Some(answer)
    }

    /// Reads the body of a response whose head was read.
    pub(crate) async fn rest(&mut self, length: usize) -> Vec<u8> {
        timeout(TIMEOUT, self.read_body(length)).await.expect("the rest of an answer in time")
    }

    async fn read_body(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            let read = self.io.read_buf(&mut self.received).await.expect("no reset inside an answer");
            assert_ne!(read, 0, "the body was promised {length} octets");
        }
        self.received.drain(..length).collect()
    }

    /// Waits until the service closes the connection without sending anything else.
    pub(crate) async fn ends(&mut self) {
        self.end().await.unwrap();
    }

    /// Waits until the service closes the connection. The error describes what happened instead.
    pub(crate) async fn end(&mut self) -> Result<(), String> {
        let read = timeout(TIMEOUT, self.io.read_buf(&mut self.received)).await;
        match read.expect("the end of the connection") {
            Ok(0) if self.received.is_empty() => Ok(()),
            Ok(_) => Err(format!("unasked: {}", self.shown())),
            Err(error) => Err(format!("the connection was not ended but torn: {error}")),
        }
    }

    /// Waits until the connection is closed or reset, and ignores everything that is received before.
    pub(crate) async fn is_over(&mut self) {
        let ending = async { while matches!(self.io.read_buf(&mut self.received).await, Ok(1..)) {} };
        timeout(TIMEOUT, ending).await.expect("the end of the connection");
    }

    /// Reads until the connection is closed or reset, and returns the number of received bytes.
    pub(crate) async fn read_to_end(&mut self) -> usize {
        self.is_over().await;
        self.received.len()
    }

    /// Waits until the connection is closed, without a time limit, for tests that pause the clock.
    pub(crate) async fn is_closed_without_timeout(&mut self) {
        while matches!(self.io.read_buf(&mut self.received).await, Ok(1..)) {}
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.received).chars().take(2_000).collect()
    }
}

async fn stream_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

fn trusting_config(shown: Option<&ClientIdentity>) -> rustls::ClientConfig {
    let signing = shown.map(|shown| {
        let key = tls::provider().key_provider.load_private_key(shown.key.clone_key()).unwrap();
        // A test may combine a certificate with a wrong key.
        let pair = rustls::sign::CertifiedKey::new(shown.chain.clone(), key);
        std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(pair))
    });
    let builder = tls::client(TrustAny).unwrap();
    match signing {
        Some(signing) => builder.with_client_cert_resolver(signing),
        None => builder.with_no_client_auth(),
    }
}

/// A response of the service.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// Returns the body, decoded as its media type says.
    pub(crate) fn text(&self) -> String {
        match self.header("Content-Type") {
            Some("application/soap+xml;charset=UTF-8") => String::from_utf8(self.body.clone()).unwrap(),
            Some("application/soap+xml;charset=UTF-16") => {
                xml::Encoding::Utf16.decode(self.body.clone()).unwrap()
            }
            other => panic!("a body of {} octets with the type {other:?}", self.body.len()),
        }
    }

    /// Returns the fault of a response with status 500.
    pub(crate) fn fault(&self) -> Faulted {
        self.try_fault().unwrap_or_else(|reason| panic!("no fault but {reason}: {self:?}"))
    }

    pub(crate) fn try_fault(&self) -> Result<Faulted, String> {
        if self.status != 500 || self.body.is_empty() {
            return Err(format!("{} with {} octets", self.status, self.body.len()));
        }
        let text = self.text();
        let Err(ResponseError::Fault(fault)) = Response::parse(text.clone(), &Bounds::default()) else {
            return Err(format!("another body: {text}"));
        };
        let document = Document::parse(text, &Bounds::default()).unwrap();
        let header = document.root().child(wsman::namespace::SOAP, "Header").unwrap();
        let header_text = |name| {
            let element = header.child(wsman::namespace::ADDRESSING, name);
            element.map(|element| element.text().into_owned())
        };
        Ok(Faulted { fault, relates_to: header_text("RelatesTo"), action: header_text("Action") })
    }

    /// Returns the message of a response with status 200.
    pub(crate) fn response(&self) -> Response {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        Response::parse(self.text(), &Bounds::default()).unwrap()
    }
}

/// A fault with the headers around it.
#[derive(Clone, Debug)]
pub(crate) struct Faulted {
    pub(crate) fault: Fault,
    pub(crate) relates_to: Option<String>,
    pub(crate) action: Option<String>,
}

impl std::ops::Deref for Faulted {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.fault
    }
}

/// Returns a new identifier.
pub(crate) fn fresh() -> Uuid {
    random::uuid()
}

/// Accepts any certificate: these tests are not about server authentication.
#[derive(Debug)]
struct TrustAny;

impl tls::ServerCertificateCheck for TrustAny {
    fn check(&self, _: &tls::ServerCertificate<'_>) -> Result<(), rustls::Error> {
        Ok(())
    }
}
