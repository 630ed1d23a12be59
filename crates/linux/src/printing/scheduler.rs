//! Client of the CUPS scheduler on its Unix socket.

use std::borrow::Cow;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use http::{ChunkedDecoder, Limits, ResponseFraming, ResponseHead};
use rustix::net::SocketAddrUnix;

use super::ipp::{Attributes, Operation, Request, Response};
use crate::socket::connected;
use crate::{Error, Machine};

/// Path of the scheduler's socket.
const SOCKET: &str = "run/cups/cups.sock";

/// Time limits for an answer.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Maximum time without any data.
    silence: Duration,
    /// Maximum time for the whole answer.
    answer: Duration,
}

const PATIENCE: Patience = Patience { silence: Duration::from_secs(10), answer: Duration::from_secs(60) };

/// Maximum size of an answer in bytes; hundreds of printers take less.
const MAX_ANSWER: usize = 32 << 20;

/// The scheduler of a machine, used on behalf of the current user.
pub struct Scheduler<'a> {
    machine: &'a Machine,
    user: String,
    patience: Patience,
}

impl<'a> Scheduler<'a> {
    /// Returns the scheduler of a machine.
    pub fn of(machine: &'a Machine) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let user = machine.user(uid).map_or_else(|| uid.to_string(), |user| user.name);
        Self { machine, user, patience: PATIENCE }
    }

    /// Creates a request with the name of this user.
    pub fn request(&self, operation: Operation) -> Request {
        Request::new(operation, &self.user)
    }

    /// Sends a query and returns the groups of the answer; empty if there is no scheduler.
    ///
    /// # Errors
    /// If CUPS cannot be asked or refuses.
    pub fn list(&self, request: Vec<u8>) -> Result<Vec<Attributes>, Error> {
        match self.ask(request) {
            Ok(response) if response.is_done() => Ok(response.groups),
            // CUPS has no such objects.
            Ok(Response { status: NOT_FOUND, .. }) => Ok(Vec::new()),
            Ok(response) => Err(Error::Printing(format!("status {:#06x}", response.status))),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(Error::Printing(error.to_string())),
        }
    }

    /// Sends a command and returns the result as a Windows error code (MS-ERREF 2.2).
    pub fn order(&self, request: Vec<u8>) -> u32 {
        match self.ask(request) {
            Ok(response) if response.is_done() => 0,
            Ok(response) => match response.status {
                // Forbidden, not authenticated, or not authorized.
                0x0401..=0x0403 => 5,
                NOT_FOUND => 1801,
                // Not possible in the current state.
                0x0404 => 1906,
                // Unsupported document format or attribute.
                0x040a | 0x040b => 50,
                _ => 31,
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 5,
            Err(error) if is_absent(&error) => 1722,
            Err(error) => {
                tracing::debug!(%error, "CUPS request failed");
                31
            }
        }
    }

    fn ask(&self, request: Vec<u8>) -> io::Result<Response> {
        let place = SocketAddrUnix::new(self.machine.path(SOCKET))?;
        let mut stream = connected(&place, self.patience.silence)?;
        // The kernel tells the scheduler the user of the connection; the name must match (cupsd.conf(5),
        // PeerCred).
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\
             Authorization: PeerCred {}\r\nConnection: close\r\n\r\n",
            request.len(),
            self.user
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&request)?;
        let until = Instant::now() + self.patience.answer;
        let (mut answer, mut room) = (Answer::Head(Vec::new()), MAX_ANSWER);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left.min(self.patience.silence)))?;
            let mut more = [0; 16 << 10];
            let length = stream.read(&mut more)?;
            room = room.checked_sub(length).ok_or_else(|| wrong("too long"))?;
            // The server may leave the connection open although it is asked to close it.
            let body = answer.take(more.get(..length).unwrap_or_default())?;
            if let Some(body) = body.or_else(|| answer.end().filter(|_| length == 0)) {
                return Response::parse(&body).ok_or_else(|| wrong("not an IPP message"));
            }
            if length == 0 {
                return Err(wrong("connection closed early"));
            }
        }
    }
}

/// An HTTP response as far as received; parsed as data arrives.
enum Answer {
    Head(Vec<u8>),
    UntilClose(Vec<u8>),
    Counted(usize, Vec<u8>),
    Chunked(ChunkedDecoder, Vec<u8>),
}

impl Answer {
    /// Takes received data; returns the body once it is complete.
    fn take(&mut self, octets: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut octets = Cow::Borrowed(octets);
        while let Self::Head(before) = self {
            before.extend_from_slice(&octets);
            let parsed = ResponseHead::parse(before, &Limits::default());
            let Some((head, length)) = parsed.map_err(|error| wrong(&error.to_string()))? else {
                return Ok(None);
            };
            octets = before.split_off(length.min(before.len())).into();
            // An interim response such as 100 (Continue) may come first.
            *self = if head.status() < 200 { Self::Head(Vec::new()) } else { Self::behind(&head)? };
        }
        match self {
            Self::Head(_) => Ok(None),
            Self::UntilClose(body) => {
                body.extend_from_slice(&octets);
                Ok(None)
            }
            Self::Counted(length, body) => {
                body.extend_from_slice(&octets);
                Ok((body.len() >= *length).then(|| {
                    body.truncate(*length);
                    std::mem::take(body)
                }))
            }
            Self::Chunked(decoder, body) => {
                let progress = decoder.decode(&octets, body).map_err(|error| wrong(&error.to_string()))?;
                Ok(progress.done.then(|| std::mem::take(body)))
            }
        }
    }

    /// Returns the state for reading the body after a response head.
    fn behind(head: &ResponseHead) -> io::Result<Self> {
        match head.status() {
            200 => {}
            401 | 403 | 426 => return Err(io::ErrorKind::PermissionDenied.into()),
            status => return Err(wrong(&format!("HTTP status {status}"))),
        }
        Ok(match head.body() {
            ResponseFraming::Empty => Self::Counted(0, Vec::new()),
            ResponseFraming::UntilClose => Self::UntilClose(Vec::new()),
            ResponseFraming::Length(length) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ANSWER);
                Self::Counted(length.ok_or_else(|| wrong("too long"))?, Vec::new())
            }
            ResponseFraming::Chunked => Self::Chunked(ChunkedDecoder::new(MAX_ANSWER), Vec::new()),
        })
    }

    /// Returns the body at the end of the connection; `None` if it is incomplete.
    fn end(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::UntilClose(body) => Some(std::mem::take(body)),
            _ => None,
        }
    }
}

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("invalid response from CUPS: {problem}"))
}

/// Returns whether the error means that no scheduler is running.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// `client-error-not-found` of IPP.
const NOT_FOUND: u16 = 0x0406;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Returns an empty answer after an interim response 100 (Continue).
    fn answer(framing: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{framing}\r\n");
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn response_is_independent_of_chunk_boundaries() {
        for (whole, ends) in [
            (answer("Content-Length: 5\r\n", b"12345"), true),
            (answer("Transfer-Encoding: chunked\r\n", b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n"), true),
            (answer("Connection: close\r\n", b"12345"), false),
        ] {
            for length in [1, 2, 7, whole.len()] {
                let mut answer = Answer::Head(Vec::new());
                let reported: Vec<Vec<u8>> = whole
                    .chunks(length)
                    .filter_map(|piece| answer.take(piece).expect("it is right"))
                    .collect();
                let expected: &[&[u8]] = if ends { &[b"12345"] } else { &[] };
                assert_eq!(reported, expected, "{length} octets at once");
                assert_eq!(answer.end(), (!ends).then(|| b"12345".to_vec()));
            }
        }
        let mut empty = Answer::Head(Vec::new());
        assert_eq!(empty.take(&answer("Content-Length: 0\r\n", b"")).expect("it is right"), Some(Vec::new()));
    }

    /// Asks a misbehaving scheduler with a short time limit; returns the kind of the error.
    fn requested(misbehave: impl FnOnce(UnixListener) + Send + 'static) -> io::ErrorKind {
        let folder = tempfile::tempdir().expect("there is room");
        std::fs::create_dir_all(folder.path().join("run/cups")).expect("there is room");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let machine = Machine::at(folder.path());
        let short = Duration::from_millis(200);
        let patience = Patience { silence: short, answer: 3 * short };
        let scheduler = Scheduler { patience, ..Scheduler::of(&machine) };
        let other = std::thread::spawn(move || misbehave(listener));
        let error =
            scheduler.ask(scheduler.request(Operation::GetPrinters).end(&[])).expect_err("it is wrong");
        drop(folder);
        let _ = other.join();
        error.kind()
    }

    #[test]
    fn slow_cups_response_hits_the_total_time_limit() {
        let drip = |listener: UnixListener| {
            let (mut client, _) = listener.accept().expect("a client");
            let mut sends = |octets: &[u8]| client.write_all(octets).is_ok();
            let mut goes_on = sends(b"HTTP/1.1 200 OK\r\n\r\n");
            while goes_on {
                std::thread::sleep(Duration::from_millis(20));
                goes_on = sends(b"\0");
            }
        };
        assert!(matches!(requested(drip), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock));
    }
}
