//! A connection of one's own for many questions at once.
//!
//! Questions go in few writes and answers come in few reads, on the thread that waits for all of them, so neither end
//! is woken for each. It leads to the bus, or past it to a service itself: systemd gives there a name of itself that
//! zbus takes for none.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Instant;

use serde::de::DeserializeOwned;
use zbus::Message;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, LE, Type, Variant};

use super::{LONGEST_CALL, Object};

/// A connection (D-Bus Specification, "Message Protocol").
#[derive(Debug)]
pub(crate) struct Line {
    stream: BufReader<UnixStream>,
    /// The message that was received last.
    message: Vec<u8>,
}

/// What a message answers, where its body begins, and in which order its octets are.
struct Answer {
    serial: u32,
    is_error: bool,
    body: usize,
    context: Context,
}

impl Line {
    /// To a service that has a socket of its own.
    ///
    /// # Errors
    /// If nobody is there, or lets this user in.
    pub(crate) fn to_service(place: &SocketAddr) -> io::Result<Self> {
        let stream = UnixStream::connect_addr(place)?;
        stream.set_read_timeout(Some(LONGEST_CALL))?;
        stream.set_write_timeout(Some(LONGEST_CALL))?;
        let stream = BufReader::with_capacity(READ_AT_ONCE, stream);
        let mut line = Self { stream, message: Vec::new() };
        line.sign_in()?;
        Ok(line)
    }

    /// To a bus.
    ///
    /// # Errors
    /// As [`Self::to_service`].
    pub(crate) fn to_bus(place: &SocketAddr) -> io::Result<Self> {
        let mut line = Self::to_service(place)?;
        let hello = BUS.question("Hello", &()).map_err(io::Error::other)?;
        match line.ask::<String>(&[hello])?.as_slice() {
            [Some(_)] => Ok(line),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// The answers to some questions, each in the place of its question; none where there is no such thing.
    ///
    /// # Errors
    /// If the connection is lost, or not all are answered in time.
    pub(crate) fn ask<T: DeserializeOwned + Type>(
        &mut self,
        questions: &[Message],
    ) -> io::Result<Vec<Option<T>>> {
        let until = Instant::now() + LONGEST_CALL;
        let serial = |question: &Message| question.primary_header().serial_num().get();
        let mut places: HashMap<u32, usize> = questions.iter().map(serial).zip(0..).collect();
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
            let received = self.receive()?;
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Signals come as well.
            let Some(answer) = received else { continue };
            let Some(place) = places.remove(&answer.serial) else { continue };
            if let (false, Some(slot)) = (answer.is_error, answers.get_mut(place)) {
                let data = Data::new(self.message.as_slice(), answer.context);
                *slot = data.slice(answer.body..).deserialize().ok().map(|(value, _)| value);
            }
        }
        Ok(answers)
    }

    /// Says who asks, which the kernel confirms (D-Bus Specification, "Authentication Protocol", EXTERNAL).
    fn sign_in(&mut self) -> io::Result<()> {
        let user: String =
            rustix::process::geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        self.stream.get_mut().write_all(format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").as_bytes())?;
        let mut answer = Vec::new();
        (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut answer)?;
        if answer.starts_with(b"OK ") { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Waits for the next message; none for one that answers nothing.
    fn receive(&mut self) -> io::Result<Option<Answer>> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let [order, kind, _, _, b0, b1, b2, b3, _, _, _, _, f0, f1, f2, f3] = head;
        let (context, number): (_, fn([u8; 4]) -> u32) = match order {
            b'l' => (Context::new(LE, 0), u32::from_le_bytes),
            _ => (Context::new(BE, 0), u32::from_be_bytes),
        };
        let (body, fields) = (number([b0, b1, b2, b3]), number([f0, f1, f2, f3]));
        if body.max(fields) > LONGEST_PART {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.message.clear();
        self.message.extend_from_slice(&head);
        let begin = (u64::from(fields) + 16).next_multiple_of(8);
        let rest = begin - 16 + u64::from(body);
        if (&mut self.stream).take(rest).read_to_end(&mut self.message)? as u64 != rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let data = Data::new(self.message.as_slice(), context);
        let (head, _): (Head<'_>, usize) = data.deserialize().map_err(io::Error::other)?;
        let serial = head.6.iter().find_map(|field| match field {
            (REPLY_SERIAL, Variant::U32(serial)) => Some(*serial),
            _ => None,
        });
        let is_answer = matches!(kind, METHOD_RETURN | ERROR);
        let body = self.message.len() - body as usize;
        Ok(serial.filter(|_| is_answer).map(|serial| Answer {
            serial,
            is_error: kind == ERROR,
            body,
            context,
        }))
    }
}

/// The order of octets, kind, flags, version, length of the body, serial, and fields with their codes.
type Head<'m> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'m>)>);

const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// The code of the field that says which message is answered.
const REPLY_SERIAL: u8 = 5;

/// Who a new connection has to greet.
const BUS: Object<'_> = Object {
    service: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// How many questions are open at the same time: a bus answers a connection that has too many with errors, and
/// `max_replies_per_connection` (dbus-daemon(1)) is 128 on that of a machine.
const MOST_OPEN: usize = 120;

const READ_AT_ONCE: usize = 64 * 1_024;
/// The specification says 64 MiB for fields and 128 MiB for all; no property is nearly as long.
const LONGEST_PART: u32 = 16 * 1_024 * 1_024;
/// What is said before there are messages.
const LONGEST_LINE: u64 = 1_024;

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What somebody gets who asks for two texts and is answered with some octets, which are told the serials.
    fn answered(octets: impl FnOnce(u32, u32) -> Vec<u8> + Send) -> io::Result<Vec<Option<String>>> {
        let folder = tempfile::tempdir()?;
        let place = SocketAddr::from_pathname(folder.path().join("socket"))?;
        let listener = UnixListener::bind_addr(&place)?;
        let questions = ["A", "B"].map(|method| BUS.question(method, &()).expect("a message"));
        let [first, second] =
            questions.each_ref().map(|question| question.primary_header().serial_num().get());
        let answer = || -> io::Result<()> {
            let (mut peer, _) = listener.accept()?;
            peer.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?;
            peer.write_all(&octets(first, second))?;
            peer.shutdown(Shutdown::Write)?;
            // Until it is hung up.
            peer.read_to_end(&mut Vec::new()).map(drop)
        };
        thread::scope(|scope| {
            scope.spawn(answer);
            Line::to_service(&place)?.ask(&questions)
        })
    }

    /// A message with the sender that systemd gives itself on its own socket.
    fn message(kind: u8, serial: u32, text: &str) -> Vec<u8> {
        let context = Context::new(LE, 0);
        let body = zbus::wire::to_bytes(context, text).expect("a text");
        let fields = [(REPLY_SERIAL, Variant::from(serial)), (7, Variant::from("org.freedesktop.systemd1"))];
        let length = u32::try_from(body.len()).expect("a short text");
        let head: Head<'_> = (b'l', kind, 1, 1, length, 1, fields.into());
        let mut octets = zbus::wire::to_bytes(context, &head).expect("a head").to_vec();
        octets.resize(octets.len().next_multiple_of(8), 0);
        octets.extend_from_slice(body.bytes());
        octets
    }

    #[test]
    fn answers_are_put_beside_their_questions_in_whatever_order_they_come() {
        let answers = answered(|first, second| {
            let signal = message(4, first, "signal");
            [signal, message(METHOD_RETURN, second, "two"), message(METHOD_RETURN, first, "one")].concat()
        });
        assert_eq!(answers.expect("answers"), [Some("one".to_owned()), Some("two".to_owned())]);
    }

    #[test]
    fn a_question_that_is_refused_has_no_answer() {
        let answers = answered(|first, second| {
            [message(ERROR, first, "no"), message(METHOD_RETURN, second, "two")].concat()
        });
        assert_eq!(answers.expect("answers"), [None, Some("two".to_owned())]);
    }

    #[test]
    fn who_ends_too_early_or_says_what_is_no_message_is_not_waited_for() {
        assert_eq!(
            answered(|first, _| message(METHOD_RETURN, first, "one"))
                .expect_err("not all is answered")
                .kind(),
            io::ErrorKind::UnexpectedEof
        );
        let endless = answered(|first, _| {
            let mut octets = message(METHOD_RETURN, first, "one");
            octets.splice(12..16, [255; 4]);
            octets
        });
        assert_eq!(endless.expect_err("not all is answered").kind(), io::ErrorKind::InvalidData);
    }
}
