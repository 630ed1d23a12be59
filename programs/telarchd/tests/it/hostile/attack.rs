//! Hostile network clients. Each kind has a fixed number of connections and a fixed rate.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::message;
use crate::service_process::PASSWORD;

/// Beginning of a line that only a client could have written.
pub(super) const FORGED: &str = "FORGED";

/// Number of source addresses of the attackers.
const SOURCES: u16 = 100;

/// Timeout of a connection or response.
const PATIENCE: Duration = Duration::from_secs(30);

/// The attacked service, and the accounts known to the attackers.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    /// Account without administrator rights, whose password the attackers know.
    pub(super) user: String,
    /// Account without any rights, whose password the attackers know.
    pub(super) outsider: String,
    /// Accounts whose passwords are guessed.
    pub(super) guessed: Vec<String>,
}

/// All attackers, which run on their own threads.
pub(super) struct Attackers {
    runtime: Runtime,
    tallies: Vec<Arc<Tally>>,
}

/// Counters of one kind of attack.
struct Tally {
    name: &'static str,
    tried: AtomicU64,
    answered: AtomicU64,
}

/// One of several attackers of the same kind.
#[derive(Clone)]
struct Attacker {
    target: Arc<Target>,
    tally: Arc<Tally>,
    number: u16,
}

impl Attackers {
    pub(super) fn start(target: &Target) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut attackers = Self { runtime, tallies: Vec::new() };
        let target = Arc::new(target.clone());
        attackers.forge_lines_once(&target);
        attackers.add(&target, "connections without a byte", 4, Attacker::flood);
        attackers.add(&target, "TLS handshakes never finished", 2, Attacker::half_handshakes);
        attackers.add(&target, "heads of one byte a second", 60, Attacker::slow_head);
        attackers.add(&target, "bodies of one byte a second", 60, Attacker::slow_body);
        attackers.add(&target, "bodies that are never sent", 300, Attacker::unfinished_body);
        attackers.add(&target, "idle connections of one account", 700, Attacker::idle);
        attackers.add(&target, "wrong passwords from 100 addresses", SOURCES, Attacker::guess);
        attackers.add(&target, "long names without an account", 2, Attacker::long_names);
        attackers.add(&target, "line feeds in every field", 2, Attacker::line_feeds);
        attackers.add(&target, "shells and commands left behind", 1, Attacker::abandon);
        attackers.add(&target, "malformed requests", 2, Attacker::malformed);
        attackers
    }

    /// Sends forged lines before the attack, during which the account may be unable to sign in.
    fn forge_lines_once(&mut self, target: &Arc<Target>) {
        let tally = Tally::new("line feeds before the other attacks");
        let attacker = Attacker { target: Arc::clone(target), tally: Arc::clone(&tally), number: 0 };
        for user in [&target.user, &target.outsider] {
            self.runtime.block_on(attacker.forge_lines(user));
        }
        assert!(tally.answered.load(Ordering::Relaxed) > 0, "no message of the plain account was answered");
        self.tallies.push(tally);
    }

    fn add<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        target: &Arc<Target>,
        name: &'static str,
        count: u16,
        attack: fn(Attacker) -> F,
    ) {
        let tally = Tally::new(name);
        for number in 0..count {
            let (target, tally) = (Arc::clone(target), Arc::clone(&tally));
            self.runtime.spawn(attack(Attacker { target, tally, number }));
        }
        self.tallies.push(tally);
    }

    /// Closes all connections and returns a line for each kind of attack.
    pub(super) fn stop(self) -> Vec<String> {
        self.runtime.shutdown_timeout(PATIENCE);
        self.tallies.iter().map(ToString::to_string).collect()
    }
}

impl Tally {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, tried: AtomicU64::new(0), answered: AtomicU64::new(0) })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (tried, answered) = (self.tried.load(Ordering::Relaxed), self.answered.load(Ordering::Relaxed));
        write!(f, "{:<44} {tried:>9} tried {answered:>9} answered", self.name)
    }
}

impl Attacker {
    /// Connects from one of the attackers' addresses.
    async fn connect(&self, source: u16, to: SocketAddr) -> io::Result<TcpStream> {
        self.tally.tried.fetch_add(1, Ordering::Relaxed);
        let [high, low] = (source % SOURCES).to_be_bytes();
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 66, high, low + 1), 0).into())?;
        timeout(PATIENCE, socket.connect(to)).await?
    }

    /// Sends a request, and returns status and body of the response.
    async fn ask(&self, stream: &mut TcpStream, request: &str) -> io::Result<(u16, String)> {
        stream.write_all(request.as_bytes()).await?;
        let answer = timeout(PATIENCE, read_answer(stream)).await??;
        self.tally.answered.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// Returns the head of a request by the account without administrator rights.
    fn head(&self, length: usize) -> String {
        head(&self.target.user, PASSWORD, length)
    }

    /// Opens 50 connections per second and holds 100 of them.
    async fn flood(self) {
        let mut held = VecDeque::new();
        for source in (0..u16::MAX).cycle() {
            held.extend(self.connect(source, self.target.http).await);
            if held.len() > 100 {
                held.pop_front();
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn half_handshakes(self) {
        let mut held = VecDeque::new();
        for source in (0..u16::MAX).cycle() {
            if let Ok(mut stream) = self.connect(source, self.target.https).await {
                // Header of a TLS record and the beginning of a ClientHello of 512 bytes.
                let _ = stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await;
                held.push_back(stream);
            }
            if held.len() > 150 {
                held.pop_front();
            }
            sleep(Duration::from_millis(40)).await;
        }
    }

    async fn slow_head(self) {
        loop {
            let begin = "POST /wsman HTTP/1.1\r\nHost: localhost\r\n".to_owned();
            self.drip(String::new(), &(begin + &"X-Slow: yes\r\n".repeat(50))).await;
        }
    }

    async fn slow_body(self) {
        self.begin_late(60).await;
        loop {
            self.drip(self.head(10_000), &" ".repeat(10_000)).await;
        }
    }

    /// Sends a part at once and the rest slowly, until the service closes the connection.
    async fn drip(&self, at_once: String, slowly: &str) {
        if let Ok(mut stream) = self.connect(self.number, self.target.http).await
            && stream.write_all(at_once.as_bytes()).await.is_ok()
        {
            for byte in slowly.bytes() {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(1)).await;
            }
        }
        sleep(Duration::from_secs(1)).await;
    }

    async fn unfinished_body(self) {
        self.begin_late(300).await;
        loop {
            if let Ok(mut stream) = self.connect(self.number, self.target.http).await
                && stream.write_all(self.head(100).as_bytes()).await.is_ok()
            {
                until_closed(&mut stream).await;
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    /// Signs in and keeps the connection open.
    async fn idle(self) {
        self.begin_late(700).await;
        loop {
            if let Ok(mut stream) = self.connect(self.number, self.target.http).await
                && self.ask(&mut stream, &self.head(0)).await.is_ok()
            {
                until_closed(&mut stream).await;
            }
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Guesses a password each second, alternating between existing and unknown names.
    async fn guess(self) {
        self.begin_late(SOURCES).await;
        for guess in 0_usize.. {
            let name = match guess % 2 {
                0 => format!("name{}x{guess}", self.number),
                _ => self.target.guessed[guess / 2 % self.target.guessed.len()].clone(),
            };
            if let Ok(mut stream) = self.connect(self.number, self.target.http).await {
                let _ = self.ask(&mut stream, &head(&name, "wrong", 0)).await;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Sends 100 requests per second over one connection.
    async fn long_names(self) {
        let request = head(&"n".repeat(1_400), "wrong", 0);
        loop {
            if let Ok(mut stream) = self.connect(self.number, self.target.http).await {
                while self.ask(&mut stream, &request).await.is_ok() {
                    sleep(Duration::from_millis(10)).await;
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn line_feeds(self) {
        let users = [&self.target.user, &self.target.outsider];
        for user in users.into_iter().cycle() {
            self.forge_lines(user).await;
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Sends messages with forged lines in each text field. The service may close the connection after each message.
    async fn forge_lines(&self, user: &str) {
        let lines = ["&#10;", "&#13;", "&#x85;", "&#x2028;"].map(|line| format!("urn:x{line}{FORGED} y"));
        let mut connection = None;
        for message in lines.iter().flat_map(|text| message::with_text_in_each_field(text)) {
            if connection.is_none() {
                connection = self.connect(self.number, self.target.http).await.ok();
            }
            if let Some(stream) = &mut connection
                && self.ask(stream, &(head(user, PASSWORD, message.len()) + &message)).await.is_err()
            {
                connection = None;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens a shell, starts a command in it and disconnects.
    async fn abandon(self) {
        loop {
            let _ = self.open_and_leave().await;
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn open_and_leave(&self) -> io::Result<()> {
        let mut stream = self.connect(self.number, self.target.http).await?;
        let message = message::create_shell();
        let (_, answer) = self.ask(&mut stream, &(self.head(message.len()) + &message)).await?;
        if let Some((_, rest)) = answer.split_once("Name=\"ShellId\">")
            && let Some((shell, _)) = rest.split_once('<')
        {
            let message = message::command(shell, "sleep 600");
            self.ask(&mut stream, &(self.head(message.len()) + &message)).await?;
        }
        Ok(())
    }

    async fn malformed(self) {
        let chunked =
            "POST /wsman HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
        let requests = [
            "\0\u{1}\u{2}\u{3}".repeat(500),
            "GET".repeat(2_000),
            chunked.to_owned() + "ffffffffffffffff\r\n",
            format!("POST /wsman HTTP/1.1\r\nHost: localhost\r\n{}", "A: b\r\n".repeat(300)),
            format!("{}{}", self.head(6_000), "<a>".repeat(2_000)),
            format!("{}<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>          ", self.head(50)),
            "POST /wsman HTTP/1.1\r\nHost: localhost\r\nAuthorization: Negotiate !!!!\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
        ];
        for number in (0..u16::MAX).cycle() {
            if let Ok(mut stream) = self.connect(number, self.target.http).await {
                let _ = self.ask(&mut stream, &requests[usize::from(number) % requests.len()]).await;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Spreads the start of the attackers over some seconds.
    async fn begin_late(&self, of: u16) {
        sleep(Duration::from_secs(5) * u32::from(self.number) / u32::from(of)).await;
    }
}

fn head(user: &str, password: &str, length: usize) -> String {
    let authorization = auth::basic::authorization(user, &Secret::new(password.to_owned()));
    format!(
        "POST /wsman HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
         Authorization: {}\r\nContent-Length: {length}\r\n\r\n",
        &*authorization
    )
}

async fn read_answer(stream: &mut TcpStream) -> io::Result<(u16, String)> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
            if body.len() >= field("Content-Length: ").unwrap_or(0) {
                let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
                return Ok((status, body.to_owned()));
            }
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn until_closed(stream: &mut TcpStream) {
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}
