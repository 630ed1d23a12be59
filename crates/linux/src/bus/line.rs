//! D-Bus connection for many requests at once.
//!
//! Requests are sent in few writes and responses received in few reads, on the thread that waits for all of
//! them, so neither side is woken for each one. The connection leads to the bus or directly to a service: in
//! the latter case systemd uses a name for itself that zbus rejects.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::SocketAddrUnix;
use serde::de::DeserializeOwned;
use zbus::Message;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, LE, Signature, Type, Variant};

use super::Object;
use crate::socket::connected;

/// A connection (D-Bus Specification, "Message Protocol").
#[derive(Debug)]
pub struct Line {
    stream: BufReader<Patient>,
    /// The last message received.
    message: Vec<u8>,
}

/// Header of a response: serial number of the request, signature and offset of the body, and byte order.
struct Answer {
    serial: u32,
    is_error: bool,
    signature: Signature,
    body: usize,
    context: Context,
}

impl Line {
    /// Connects to a service with its own socket. `patience` limits connecting as well as each batch of
    /// requests.
    ///
    /// # Errors
    /// If the socket does not exist or rejects this user; [`io::ErrorKind::TimedOut`] if it takes too long.
    pub fn to_service(place: &SocketAddrUnix, patience: Duration) -> io::Result<Self> {
        let stream = connected(place, patience).map_err(late)?;
        let stream = Patient { stream, patience, until: Instant::now() + patience };
        let stream = BufReader::with_capacity(READ_AT_ONCE, stream);
        let mut line = Self { stream, message: Vec::new() };
        line.sign_in()?;
        Ok(line)
    }

    /// Connects to a bus.
    ///
    /// # Errors
    /// As for [`Self::to_service`].
    pub fn to_bus(place: &SocketAddrUnix, patience: Duration) -> io::Result<Self> {
        let mut line = Self::to_service(place, patience)?;
        let hello = BUS.question("Hello", &()).map_err(io::Error::other)?;
        match line.ask::<String>(&[hello])?.as_slice() {
            [Some(_)] => Ok(line),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Sends requests and returns the responses in the same order; `None` for errors and for responses of
    /// another type.
    ///
    /// # Errors
    /// If the connection is lost or a message is not valid; [`io::ErrorKind::TimedOut`] if not all responses
    /// arrive in time.
    pub fn ask<T: DeserializeOwned + Type>(&mut self, questions: &[Message]) -> io::Result<Vec<Option<T>>> {
        self.stream.get_mut().wait_anew();
        let mut places: HashMap<u32, usize> =
            questions.iter().map(|question| question.primary_header().serial_num().get()).zip(0..).collect();
        let mut answers: Vec<Option<T>> = questions.iter().map(|_| None).collect();
        let mut unsent = questions;
        while !places.is_empty() {
            let open = places.len().saturating_sub(unsent.len());
            if open <= MOST_OPEN / 2 {
                let (now, later) = unsent.split_at(unsent.len().min(MOST_OPEN - open));
                let octets: Vec<&[u8]> = now.iter().map(|question| question.data().bytes()).collect();
                self.stream.get_mut().write_all(&octets.concat())?;
                unsent = later;
            }
            // Messages other than responses, such as signals, are skipped.
            let Some(answer) = self.receive()? else { continue };
            let Some(place) = places.remove(&answer.serial) else { continue };
            let is_told = !answer.is_error && answer.signature == *T::SIGNATURE;
            if let (true, Some(slot)) = (is_told, answers.get_mut(place)) {
                let data = Data::new(self.message.as_slice(), answer.context);
                *slot = data.slice(answer.body..).deserialize().ok().map(|(value, _)| value);
            }
        }
        Ok(answers)
    }

    /// Authenticates with the uid, which the kernel confirms (D-Bus Specification, "Authentication Protocol",
    /// EXTERNAL).
    fn sign_in(&mut self) -> io::Result<()> {
        let user: String =
            rustix::process::geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        self.stream.get_mut().write_all(format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").as_bytes())?;
        let mut answer = Vec::new();
        (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut answer)?;
        let is_in = answer.starts_with(b"OK ") && answer.ends_with(b"\n");
        if is_in { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Waits for the next message; `None` if it is not a response.
    fn receive(&mut self) -> io::Result<Option<Answer>> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let [order, kind, _, version, b0, b1, b2, b3, _, _, _, _, f0, f1, f2, f3] = head;
        let (context, number): (_, fn([u8; 4]) -> u32) = match (order, version) {
            (b'l', 1) => (Context::new(LE, 0), u32::from_le_bytes),
            (b'B', 1) => (Context::new(BE, 0), u32::from_be_bytes),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let (body, fields) = (number([b0, b1, b2, b3]), number([f0, f1, f2, f3]));
        let begin = (u64::from(fields) + 16).next_multiple_of(8);
        let rest = begin - 16 + u64::from(body);
        // Any client of a bus can send signals of any length to others, so these are not stored.
        let is_answer = matches!(kind, METHOD_RETURN | ERROR);
        if rest > LONGEST_MESSAGE || is_answer && (fields > LONGEST_FIELDS || body > LONGEST_BODY) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut coming = (&mut self.stream).take(rest);
        self.message.clear();
        self.message.extend_from_slice(&head);
        let come = match is_answer {
            true => coming.read_to_end(&mut self.message)? as u64,
            false => io::copy(&mut coming, &mut io::sink())?,
        };
        if come != rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !is_answer {
            return Ok(None);
        }
        let data = Data::new(self.message.as_slice(), context);
        let (head, _): (Head<'_>, usize) = data.deserialize().map_err(io::Error::other)?;
        let (mut answered, mut signature) = (None, Signature::Unit);
        for field in head.6 {
            match field {
                (REPLY_SERIAL, Variant::U32(serial)) => answered = Some(serial),
                (SIGNATURE, Variant::Signature(reported)) => signature = reported,
                _ => {}
            }
        }
        let body = self.message.len() - body as usize;
        let is_error = kind == ERROR;
        Ok(answered.map(|serial| Answer { serial, is_error, signature, body, context }))
    }
}

/// A stream with a deadline for all reads and writes together.
#[derive(Debug)]
struct Patient {
    stream: UnixStream,
    patience: Duration,
    until: Instant,
}

impl Patient {
    fn wait_anew(&mut self) {
        self.until = Instant::now() + self.patience;
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Patient {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(octets).map_err(late)
    }
}

impl Write for Patient {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(octets).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Converts the error of an expired socket timeout, which is the same as that of a non-blocking socket.
fn late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// Byte order, type, flags, version, body length, serial number, and header fields with their codes.
type Head<'m> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'m>)>);

const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// Codes of the header fields for the reply serial number and for the body signature.
const REPLY_SERIAL: u8 = 5;
const SIGNATURE: u8 = 8;

/// Object that a new connection has to greet.
const BUS: Object<'_> = Object {
    service: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// Maximum number of outstanding requests: a bus responds with errors if there are too many; the default of
/// `max_replies_per_connection` (dbus-daemon(1)) for the system bus is 128.
const MOST_OPEN: usize = 120;

const READ_AT_ONCE: usize = 64 * 1_024;
/// Limit in the specification.
const LONGEST_MESSAGE: u64 = 128 << 20;
/// Maximum length in bytes of the header fields of a response: names of at most 255 bytes each, and numbers.
const LONGEST_FIELDS: u32 = 16 << 10;
/// Maximum length in bytes of the body of a response; no property is nearly as long.
const LONGEST_BODY: u32 = 16 << 20;
/// Maximum length in bytes of a line during authentication.
const LONGEST_LINE: u64 = 1_024;

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use serde::Serialize;
    use zbus::wire::Endian;

    use super::*;

    const SIGNAL: u8 = 4;
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Asks for two texts; the peer answers with bytes that depend on the serials of the questions.
    fn answered(octets: impl FnOnce(u32, u32) -> Vec<u8> + Send) -> io::Result<Vec<Option<String>>> {
        requested(PATIENCE, |peer, first, second| {
            peer.write_all(&octets(first, second))?;
            peer.shutdown(Shutdown::Write)?;
            // Waits until the other end closes the connection.
            peer.read_to_end(&mut Vec::new()).map(drop)
        })
    }

    /// Asks for two texts with this time limit; the peer answers by a function.
    fn requested(
        patience: Duration,
        answer: impl FnOnce(&mut UnixStream, u32, u32) -> io::Result<()> + Send,
    ) -> io::Result<Vec<Option<String>>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let place = SocketAddrUnix::new(&path)?;
        let questions = ["A", "B"].map(|method| BUS.question(method, &()).expect("a message"));
        let [first, second] =
            questions.each_ref().map(|question| question.primary_header().serial_num().get());
        let answer = || -> io::Result<()> {
            let (mut peer, _) = listener.accept()?;
            peer.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?;
            answer(&mut peer, first, second)
        };
        thread::scope(|scope| {
            scope.spawn(answer);
            Line::to_service(&place, patience)?.ask(&questions)
        })
    }

    /// Encodes a message with the sender that systemd uses on its own socket.
    fn message(kind: u8, serial: u32, text: &str) -> Vec<u8> {
        message_of(LE, kind, serial, &text)
    }

    fn message_of<T: Serialize + Type>(order: Endian, kind: u8, serial: u32, body: &T) -> Vec<u8> {
        let context = Context::new(order, 0);
        let body = zbus::wire::to_bytes(context, body).expect("a body");
        let fields = [
            (REPLY_SERIAL, Variant::from(serial)),
            (7, Variant::from("org.freedesktop.systemd1")),
            (SIGNATURE, Variant::from(T::SIGNATURE.clone())),
        ];
        let length = u32::try_from(body.len()).expect("a short body");
        let letter = if order == LE { b'l' } else { b'B' };
        let head: Head<'_> = (letter, kind, 1, 1, length, 1, fields.into());
        let mut octets = zbus::wire::to_bytes(context, &head).expect("a head").to_vec();
        octets.resize(octets.len().next_multiple_of(8), 0);
        octets.extend_from_slice(body.bytes());
        octets
    }

    #[test]
    fn responses_are_matched_to_requests_in_any_order() {
        let answers = answered(|first, second| {
            let signal = message(SIGNAL, first, "signal");
            let two = message_of(BE, METHOD_RETURN, second, &"two");
            [signal, two, message(METHOD_RETURN, first, "one")].concat()
        });
        assert_eq!(answers.expect("answers"), [Some("one".to_owned()), Some("two".to_owned())]);
    }

    #[test]
    fn refused_request_has_no_result() {
        let answers = answered(|first, second| {
            [message(ERROR, first, "no"), message(METHOD_RETURN, second, "two")].concat()
        });
        assert_eq!(answers.expect("answers"), [None, Some("two".to_owned())]);
    }

    #[test]
    fn response_of_another_type_is_rejected() {
        // Read as text, the bytes of this number would be `abc`.
        let lie = (3_u32, u32::from_le_bytes(*b"abc\0"));
        let answers = answered(|first, second| {
            [message_of(LE, METHOD_RETURN, first, &lie), message(METHOD_RETURN, second, "two")].concat()
        });
        assert_eq!(answers.expect("answers"), [None, Some("two".to_owned())]);
    }

    #[test]
    fn overlong_signal_does_not_block_responses() {
        let long = "x".repeat(17 << 20);
        let answers = answered(|first, second| {
            let answers = [message(METHOD_RETURN, first, "one"), message(METHOD_RETURN, second, "two")];
            [message(SIGNAL, first, &long), answers.concat()].concat()
        });
        assert_eq!(answers.expect("answers"), [Some("one".to_owned()), Some("two".to_owned())]);
    }

    #[test]
    fn closed_or_invalid_connection_fails_at_once() {
        assert_eq!(
            answered(|first, _| message(METHOD_RETURN, first, "one"))
                .expect_err("not all is answered")
                .kind(),
            io::ErrorKind::UnexpectedEof
        );
        // Byte order, version, and the lengths of body and fields.
        for (place, lie) in [(0, b'x'), (3, 2), (7, 2), (14, 1), (15, 255)] {
            let refused = answered(|first, _| {
                let mut octets = message_of(if place == 0 { BE } else { LE }, METHOD_RETURN, first, &"one");
                octets.splice(place..=place, [lie]);
                octets
            });
            let refused = refused.expect_err("not all is answered").kind();
            assert_eq!(refused, io::ErrorKind::InvalidData, "octet {place}");
        }
    }

    #[test]
    fn slow_sender_hits_the_time_limit() {
        let late = requested(Duration::from_millis(200), |peer, first, _| {
            let octets = message(METHOD_RETURN, first, &"x".repeat(1_000));
            // Each byte arrives well before a time limit for the next one.
            for octet in octets {
                peer.write_all(&[octet])?;
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        });
        assert_eq!(late.expect_err("not all is answered").kind(), io::ErrorKind::TimedOut);
    }
}
