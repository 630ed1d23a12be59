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
        let mut octets = Vec::new();
        let mut stream = stream.take(u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX));
        loop {
            let mut more = [0; 16 << 10];
            let length = stream.read(&mut more)?;
            octets.extend(more.iter().take(length));
            // It need not close the connection, though it is asked to.
            match body(&octets, length == 0)? {
                Some(body) => return Response::parse(&body).ok_or_else(|| wrong("it is no message of IPP")),
                None if length == 0 => return Err(wrong("it ends too early")),
                None => {}
            }
        }
    }
}

/// What is in an answer of HTTP; `None` if more of it must come, which it cannot once it has ended.
fn body(octets: &[u8], has_ended: bool) -> io::Result<Option<Vec<u8>>> {
    let mut rest = octets;
    let (head, rest) = loop {
        let parsed =
            ResponseHead::parse(rest, &Limits::default()).map_err(|error| wrong(&error.to_string()))?;
        let Some((head, length)) = parsed else { return Ok(None) };
        rest = rest.get(length..).unwrap_or_default();
        // It may first say that it waits for the request.
        if head.status() >= 200 {
            break (head, rest);
        }
    };
    match head.status() {
        200 => {}
        401 | 403 | 426 => return Err(io::ErrorKind::PermissionDenied.into()),
        status => return Err(wrong(&format!("its status is {status}"))),
    }
    match head.body() {
        ResponseFraming::Empty => Ok(Some(Vec::new())),
        ResponseFraming::UntilClose => Ok(has_ended.then(|| rest.to_vec())),
        ResponseFraming::Length(length) => {
            let length = usize::try_from(length).map_err(|_| wrong("it is too long"))?;
            Ok(rest.get(..length).map(<[u8]>::to_vec))
        }
        ResponseFraming::Chunked => {
            let mut body = Vec::new();
            let progress = ChunkedDecoder::new(MAX_ANSWER).decode(rest, &mut body);
            let progress = progress.map_err(|error| wrong(&error.to_string()))?;
            Ok(progress.done.then_some(body))
        }
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
