//! The scheduler of CUPS, through its socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cim::Status;
use http::{ChunkedDecoder, Limits, ResponseFraming, ResponseHead};
use wmi::ProviderError;

use super::ipp::{Operation, Request, Response};
use crate::Machine;

/// Where the scheduler listens.
const SOCKET: &str = "run/cups/cups.sock";

/// How long it may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many octets of an answer are read; hundreds of printers take less.
const MAX_ANSWER: usize = 32 << 20;

/// The scheduler of a machine, for the user this runs as.
pub(super) struct Scheduler<'a> {
    machine: &'a Machine,
    user: String,
}

impl<'a> Scheduler<'a> {
    pub(super) fn of(machine: &'a Machine) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let user = machine.user(uid).map_or_else(|| uid.to_string(), |user| user.name);
        Self { machine, user }
    }

    /// A request of this user.
    pub(super) fn request(&self, operation: Operation) -> Request {
        Request::new(operation, &self.user)
    }

    /// What there is of something; nothing if there is no scheduler.
    ///
    /// # Errors
    /// What kept the scheduler from telling.
    pub(super) fn list(&self, request: Vec<u8>) -> Result<Vec<super::ipp::Attributes>, ProviderError> {
        let failed = |problem: String| {
            ProviderError::failed(Status::ProviderFailure, format!("CUPS does not tell: {problem}"))
        };
        match self.ask(request) {
            Ok(response) if response.is_done() => Ok(response.groups),
            // It has none.
            Ok(Response { status: NOT_FOUND, .. }) => Ok(Vec::new()),
            Ok(response) => Err(failed(format!("status {:#06x}", response.status))),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Has something done, and says how it went, as Windows numbers it (MS-ERREF 2.2).
    pub(super) fn order(&self, request: Vec<u8>) -> u32 {
        match self.ask(request) {
            Ok(response) if response.is_done() => 0,
            Ok(response) => match response.status {
                // Forbidden, and the two that ask for another proof of who it is.
                0x0401..=0x0403 => 5,
                NOT_FOUND => 1801,
                // Not possible now.
                0x0404 => 1906,
                // A document or an attribute that it does not take.
                0x040a | 0x040b => 50,
                _ => 31,
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 5,
            Err(error) if is_absent(&error) => 1722,
            Err(error) => {
                tracing::debug!(%error, "CUPS did not do what it was told");
                31
            }
        }
    }

    fn ask(&self, request: Vec<u8>) -> io::Result<Response> {
        let mut stream = UnixStream::connect(self.machine.path(SOCKET))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // The kernel tells the scheduler who this is; the name must be that user's (cupsd.conf(5), PeerCred).
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\
             Authorization: PeerCred {}\r\nConnection: close\r\n\r\n",
            request.len(),
            self.user
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&request)?;
        let mut answer = Answer::Head(Vec::new());
        let mut stream = stream.take(u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX));
        let mut more = vec![0; 16 << 10];
        // It need not close the connection, though it is asked to.
        while !answer.is_whole() {
            let length = stream.read(&mut more)?;
            match more.get(..length) {
                Some(more) if length > 0 => answer.take(more)?,
                _ => break,
            }
        }
        let body = answer.at_end().ok_or_else(|| wrong("it ends too early"))?;
        Response::parse(&body).ok_or_else(|| wrong("it is no message of IPP"))
    }
}

/// An answer of HTTP, of which each octet is read once, when it comes.
enum Answer {
    /// What has come of the head.
    Head(Vec<u8>),
    Body {
        octets: Vec<u8>,
        rest: Rest,
    },
}

/// What still belongs to a body.
enum Rest {
    /// So many octets.
    Octets(usize),
    Chunks(ChunkedDecoder),
    /// All until the connection is closed.
    All,
    Nothing,
}

impl Answer {
    fn take(&mut self, more: &[u8]) -> io::Result<()> {
        match self {
            Self::Head(begun) => {
                begun.extend(more);
                let Some((head, length)) = ResponseHead::parse(begun, &Limits::default())
                    .map_err(|error| wrong(&error.to_string()))?
                else {
                    return Ok(());
                };
                let after = begun.split_off(length);
                // It may first say that it waits for the request.
                *self = match head.status() {
                    100..200 => Self::Head(Vec::new()),
                    _ => Self::Body { octets: Vec::new(), rest: Rest::of(&head)? },
                };
                if after.is_empty() { Ok(()) } else { self.take(&after) }
            }
            Self::Body { octets, rest } => match rest {
                Rest::Nothing => Ok(()),
                Rest::All => {
                    octets.extend(more);
                    Ok(())
                }
                Rest::Octets(left) => {
                    octets.extend(more.iter().take(*left));
                    *left = left.saturating_sub(more.len());
                    Ok(())
                }
                Rest::Chunks(decoder) => {
                    let progress = decoder.decode(more, octets).map_err(|error| wrong(&error.to_string()))?;
                    if progress.done {
                        *rest = Rest::Nothing;
                    }
                    Ok(())
                }
            },
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self, Self::Body { rest: Rest::Nothing | Rest::Octets(0), .. })
    }

    /// The body, if nothing more of it can come; the connection was closed, or it is whole.
    fn at_end(self) -> Option<Vec<u8>> {
        match self {
            Self::Body { octets, rest: Rest::Nothing | Rest::Octets(0) | Rest::All } => Some(octets),
            _ => None,
        }
    }
}

impl Rest {
    fn of(head: &ResponseHead) -> io::Result<Self> {
        match head.status() {
            200 => {}
            401 | 403 | 426 => return Err(io::ErrorKind::PermissionDenied.into()),
            status => return Err(wrong(&format!("its status is {status}"))),
        }
        Ok(match head.body() {
            ResponseFraming::Empty => Self::Nothing,
            ResponseFraming::UntilClose => Self::All,
            ResponseFraming::Length(length) => {
                Self::Octets(usize::try_from(length).map_err(|_| wrong("it is too long"))?)
            }
            ResponseFraming::Chunked => Self::Chunks(ChunkedDecoder::new(MAX_ANSWER)),
        })
    }
}

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its answer cannot be understood: {problem}"))
}

/// Whether there is no scheduler.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// `client-error-not-found`
const NOT_FOUND: u16 = 0x0406;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
        let mut answer = Answer::Head(Vec::new());
        for piece in pieces {
            answer.take(piece)?;
        }
        Ok(answer.at_end())
    }

    #[test]
    fn an_answer_is_the_same_however_it_comes() {
        let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n";
        for (rest, ends) in [
            ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", true),
            ("Content-Length: 5\r\n\r\nabcde", true),
            ("\r\nabcde", false),
        ] {
            let text = format!("{head}{rest}");
            for at in 0..=text.len() {
                let (before, after) = text.as_bytes().split_at(at);
                assert_eq!(
                    body(&[before, after]).expect("it is one").as_deref(),
                    Some(&b"abcde"[..]),
                    "{rest}"
                );
                if ends && at < text.len() {
                    assert_eq!(body(&[before]).expect("it begins as one"), None, "{at} octets of {rest}");
                }
            }
        }
        assert!(body(&[b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"]).is_err());
    }

    /// Whoever reads it from the start with each piece is not done in a day.
    #[test]
    fn an_answer_in_very_many_pieces_is_read_once() {
        let mut answer = Answer::Head(Vec::new());
        answer.take(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").expect("a head");
        for _ in 0..1_000_000 {
            answer.take(b"4\r\nabcd\r\n").expect("a chunk");
        }
        assert!(!answer.is_whole());
        answer.take(b"0\r\n\r\n").expect("the end");
        assert!(answer.is_whole());
        assert_eq!(answer.at_end().map(|body| body.len()), Some(4_000_000));
    }
}
