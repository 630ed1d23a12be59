//! Loopback service with scripted responses.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::{Credentials, Endpoint, Secret, Session, SessionBuilder, Unencrypted};
use http::{BodyFraming, Limits, RequestHead, ResponseWriter};
use telarch_client as client;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use wsman::{Fault, Subcode, Uuid};

/// Runs until it is dropped; passes every request to the test.
pub struct Service {
    pub address: SocketAddr,
    pub requests: mpsc::UnboundedReceiver<Request>,
    accepting: JoinHandle<()>,
}

/// Received request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Number of the request, from zero, over all connections.
    pub number: usize,
    /// Number of the connection, from zero.
    pub connection: usize,
    pub head: Arc<RequestHead>,
    pub body: String,
    /// Number of reads in which it arrived.
    pub reads: usize,
}

/// Step of the service's reaction to a request.
pub type Reply = Vec<Step>;

pub enum Step {
    Send(Vec<u8>),
    /// Each byte in a separate write.
    SendSlowly(Vec<u8>),
    WaitFor(Arc<Notify>),
    Wait(Duration),
    /// Notifies the test.
    Tell(Arc<Notify>),
    Close,
    Hang,
}

pub type Stream = Box<dyn Duplex>;
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}
pub type Accepted = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

impl Service {
    pub async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub fn listening(
        listener: TcpListener,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let plain = |stream| Box::pin(async move { Ok(Box::new(stream) as Stream) }) as Accepted;
        Self::listening_with(listener, plain, answer)
    }

    /// `accept` performs the handshake of a new connection.
    pub async fn start_with(
        accept: impl Fn(tokio::net::TcpStream) -> Accepted + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listening_with(TcpListener::bind("127.0.0.1:0").await.unwrap(), accept, answer)
    }

    fn listening_with(
        listener: TcpListener,
        accept: impl Fn(tokio::net::TcpStream) -> Accepted + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (reported, requests) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let count = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let accepted = accept(stream);
                let (reported, answer, count) = (reported.clone(), Arc::clone(&answer), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(stream) = accepted.await else { return };
                    serve(stream, connection, &count, &reported, &*answer).await;
                });
            }
        });
        Self { address, requests, accepting }
    }

    /// Starts the service on a Unix socket; the address is a placeholder.
    pub async fn at(
        listener: std::os::unix::net::UnixListener,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::from_std(listener).unwrap();
        let (reported, requests) = mpsc::unbounded_channel();
        let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        let accepting = tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (reported, answer, count) = (reported.clone(), Arc::clone(&answer), Arc::clone(&count));
                tokio::spawn(async move {
                    serve(Box::new(stream), connection, &count, &reported, &*answer).await;
                });
            }
        });
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), requests, accepting }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&format!("http://{}/wsman", self.address)).unwrap()
    }

    pub fn builder(&self) -> SessionBuilder {
        Session::builder(self.endpoint())
            .credentials(Credentials { user: "ann".into(), password: Secret::new("pass word".into()) })
            .unencrypted(Unencrypted::Allowed)
    }

    pub fn session(&self) -> Session {
        self.builder().build().unwrap()
    }

    /// Returns the next request; fails the test if there is none.
    pub async fn request(&mut self) -> Request {
        self.requests.recv().await.expect("a request")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: Stream,
    connection: usize,
    count: &AtomicUsize,
    reported: &mpsc::UnboundedSender<Request>,
    answer: &(impl Fn(&Request) -> Reply + ?Sized),
) {
    let mut received = Vec::new();
    loop {
        let mut reads = 0;
        let (head, length) = loop {
            if let Some(found) = RequestHead::parse(&received, &Limits::default()).unwrap() {
                break found;
            }
            reads += 1;
            received.reserve(1 << 16);
            if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
                return;
            }
        };
        received.drain(..length);
        let BodyFraming::Length(length) = head.body() else { panic!("a request without Content-Length") };
        while received.len() < usize::try_from(length).unwrap() {
            reads += 1;
            received.reserve(1 << 16);
            if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
                return;
            }
        }
        let body = received.drain(..usize::try_from(length).unwrap()).collect();
        let request = Request {
            number: count.fetch_add(1, Ordering::SeqCst),
            connection,
            head: Arc::new(head),
            body: String::from_utf8(body).unwrap_or_default(),
            reads,
        };
        let _ = reported.send(request.clone());
        for step in answer(&request) {
            match step {
                Step::Send(octets) => {
                    if stream.write_all(&octets).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Step::SendSlowly(octets) => {
                    for octet in octets {
                        if stream.write_all(&[octet]).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                }
                Step::WaitFor(event) => event.notified().await,
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Tell(event) => event.notify_one(),
                Step::Close => return,
                Step::Hang => std::future::pending().await,
            }
        }
    }
}

impl Request {
    pub fn parsed(&self) -> wsman::Request {
        wsman::Request::parse(self.body.clone(), &xml::Bounds::default()).unwrap()
    }

    /// Last segment of the action URI.
    pub fn verb(&self) -> String {
        let uri = self.parsed().head().action.uri().into_owned();
        uri.rsplit('/').next().unwrap().to_owned()
    }

    /// Response message to this request.
    pub fn message(&self, body: impl FnOnce(&mut xml::Writer)) -> String {
        let request = self.parsed();
        let mut reply = wsman::Reply::to(request.head(), Uuid::from_random([1; 16]));
        body(reply.body());
        reply.finish(u32::MAX).unwrap()
    }

    pub fn answer(&self, body: impl FnOnce(&mut xml::Writer)) -> Reply {
        vec![Step::Send(response(200, &self.message(body)))]
    }

    pub fn fault_message(&self, code: u32) -> String {
        let request = self.parsed();
        let fault = Fault::new(Subcode::InternalError, code, format!("failed with {code}"));
        fault.envelope(Some(request.head()), None, Uuid::from_random([2; 16]))
    }

    pub fn fault(&self, code: u32) -> Reply {
        vec![Step::Send(response(500, &self.fault_message(code)))]
    }

    /// Response to Get.
    pub fn config(&self) -> Reply {
        self.answer(write_config)
    }
}

pub fn write_config(body: &mut xml::Writer) {
    body.start("cfg:Config").namespace("cfg", wsman::namespace::CONFIG).element("cfg:MaxTimeoutms", "60000");
    body.end();
}

pub const SOAP: &str = "application/soap+xml;charset=UTF-8";

pub fn response(status: u16, message: &str) -> Vec<u8> {
    response_with(status, &[("Content-Type", SOAP)], message.as_bytes())
}

pub fn response_with(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut writer = ResponseWriter::new(&mut octets, status).unwrap();
    for (name, value) in headers {
        writer.header(name, value).unwrap();
    }
    writer.end(u64::try_from(body.len()).unwrap()).unwrap();
    octets.extend_from_slice(body);
    octets
}

pub fn config() -> client::Locator {
    client::Locator::new(wsman::ResourceUri::parse(wsman::namespace::CONFIG).unwrap())
}
