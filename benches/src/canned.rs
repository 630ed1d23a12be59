//! A simulated service that replays answers recorded from the real service.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memchr::memmem;

use crate::Result;
use crate::connection::Connection;
use crate::messages::{self, ReadBy, Shell};
use crate::process;

/// Recorded answers, keyed by the last segment of the request action.
pub(crate) struct Canned {
    answers: HashMap<&'static str, Answer>,
}

/// The answer before and after the message identifier of the request.
struct Answer {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Canned {
    /// Records the answers of a service to every request of one command run.
    pub(crate) fn record(connection: &mut Connection) -> Result<Self> {
        let mut answers = HashMap::new();
        let mut ask = |verb, request: &[u8]| -> Result<Vec<u8>> {
            let answer = connection.exchange(request)?.to_vec();
            answers.insert(verb, Answer::of(&answer)?);
            Ok(answer)
        };
        let created = ask("Create", &messages::create_shell())?;
        let shell = Shell::created(&created)?;
        let started = ask("Command", &shell.command("cat", ReadBy::Nobody))?;
        let command = messages::command_id(&started)?;
        ask("Send", &shell.send_end(command))?;
        while !messages::is_done(&ask("Receive", &shell.receive(command))?) {}
        ask("Signal", &shell.terminate(command))?;
        ask("Delete", &shell.delete())?;
        Ok(Self { answers })
    }

    /// Returns the answer to the body of a request.
    ///
    /// # Errors
    /// Fails for a request that is not among the recorded ones.
    pub(crate) fn answer(&self, body: &[u8]) -> Result<Vec<u8>> {
        let action = action(body)?;
        let answer = self.answers.get(verb(action)).ok_or_else(|| format!("no answer to {action}"))?;
        let id = messages::between(body, b"MessageID>", b"<")?;
        Ok(answer.write(id.as_bytes()))
    }

    /// Serves the recorded answers from a thread that runs until this process ends.
    pub(crate) fn serve(self) -> Result<CannedService> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let watched = Arc::new(Watched::default());
        let (canned, watching) = (Arc::new(self), Arc::clone(&watched));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (canned, watching) = (Arc::clone(&canned), Arc::clone(&watching));
                // A client that closes its connection ends only that connection.
                std::thread::spawn(move || drop(answer_all(stream, &canned, &watching)));
            }
        });
        Ok(CannedService { address, watched })
    }
}

/// A listening simulated service.
pub(crate) struct CannedService {
    address: SocketAddr,
    watched: Arc<Watched>,
}

/// Process id of the watched client, and its peak memory: it is read when the client deletes its shell, which is its
/// last request.
#[derive(Default)]
struct Watched {
    process: AtomicU32,
    peak: AtomicU64,
}

impl CannedService {
    pub(crate) fn url(&self) -> String {
        format!("http://{}/wsman", self.address)
    }

    /// Watches this process from now on.
    pub(crate) fn watch(&self, process: u32) {
        self.watched.peak.store(0, Ordering::SeqCst);
        self.watched.process.store(process, Ordering::SeqCst);
    }

    /// Returns the peak memory of the watched process in bytes, or zero if it sent no request.
    pub(crate) fn peak(&self) -> u64 {
        self.watched.process.store(0, Ordering::SeqCst);
        self.watched.peak.load(Ordering::SeqCst)
    }
}

impl Answer {
    fn of(answer: &[u8]) -> Result<Self> {
        let id = messages::MESSAGE_ID.as_bytes();
        let at = memmem::find(answer, id).ok_or("an answer relates to nothing")?;
        Ok(Self { before: answer[..at].to_vec(), after: answer[at + id.len()..].to_vec() })
    }

    fn write(&self, id: &[u8]) -> Vec<u8> {
        let length = self.before.len() + id.len() + self.after.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), &self.before, id, &self.after].concat()
    }
}

fn answer_all(stream: TcpStream, canned: &Canned, watched: &Watched) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(body) = request_body(&mut reader)? {
        if verb(action(&body)?) == "Delete"
            && let process @ 1.. = watched.process.load(Ordering::SeqCst)
        {
            watched.peak.store(process::peak(process)?, Ordering::SeqCst);
        }
        writer.write_all(&canned.answer(&body)?)?;
    }
    Ok(())
}

fn action(body: &[u8]) -> Result<&str> {
    messages::between(body, b"Action", b"</")
}

/// Returns the last segment of an action.
fn verb(action: &str) -> &str {
    action.rsplit('/').next().unwrap_or_default()
}

/// Returns the body of the next request, or `None` after the client has closed the connection.
fn request_body(reader: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}
