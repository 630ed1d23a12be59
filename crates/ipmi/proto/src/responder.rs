//! The controller's side of sessions. The caller passes received datagrams and the current time and gets the
//! datagrams to send back.
//!
//! For simulated controllers. A [`Device`] answers the commands inside a session; [`Settings`] hold the
//! accounts and the allowed protection.

mod admission;
mod call;
mod established;
mod lan15_login;
mod login;
mod required;
mod settings;

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use zeroize::Zeroize as _;

use self::admission::Source;
use self::established::{Context, Established};
use self::lan15_login::Challenged15;
use self::login::{Challenged, Opened};
use crate::entropy::Entropy;
use crate::message::Call;
use crate::octets::Scratch;
use crate::packet::{self, Packet, Payload};
use crate::rmcp::{self, Class, unwrap_frame};
use crate::wire::Frame;
use crate::{CompletionCode, Destination, Frames, NetFn, Privilege, ProtoError, Request, Response, lan15};

pub use self::settings::{Account, Settings};

/// Answers the commands of sessions: the controller itself, and controllers behind it.
pub trait Device {
    /// Answers a command whose privilege level has been checked. Appends the data after the completion code
    /// to `data`, which is empty.
    fn answer(&mut self, command: &DeviceCommand<'_>, data: &mut Vec<u8>) -> CompletionCode;

    /// Returns whether there is a controller at this address on this channel. Messages for other addresses
    /// are not forwarded.
    fn is_there(&self, channel: u8, address: u8) -> bool {
        let _ = (channel, address);
        false
    }

    /// Returns whether the destination behind an intermediate controller exists.
    fn is_there_behind(&self, destination: Destination) -> bool {
        let _ = destination;
        false
    }
}

/// A command of a session, as passed to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceCommand<'o> {
    /// Destination of the command.
    pub destination: Destination,
    /// Network function of the command.
    pub net_fn: NetFn,
    /// Number of the command within its network function.
    pub command: u8,
    /// Data of the command.
    pub data: &'o [u8],
    /// Current privilege level of the session.
    pub privilege: Privilege,
}

impl DeviceCommand<'_> {
    /// Returns the command as a [`Request`].
    #[must_use]
    pub fn request(&self) -> Request {
        Request::new(self.net_fn, self.command, self.data)
    }
}

/// Shows the command as [`Request`] does, which hides secrets.
impl fmt::Debug for DeviceCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DeviceCommand");
        shown.field("destination", &self.destination).field("request", &self.request());
        shown.field("privilege", &self.privilege).finish()
    }
}

/// The controller's side of any number of sessions.
#[derive(Debug)]
pub struct Responder {
    settings: Settings,
    entropy: Entropy,
    /// Sessions and logins in progress, each up to its limit.
    slots: Vec<Slot>,
    buffers: Buffers,
}

/// Buffers reused for every datagram.
#[derive(Debug, Default)]
struct Buffers {
    /// Decrypted request.
    plain: Scratch,
    /// Data of the response from the device.
    data: Scratch,
    /// Response messages before encryption.
    messages: Frames,
}

/// A session or a login in progress.
#[derive(Debug)]
struct Slot {
    /// Session id that the console sends in its packets.
    id: u32,
    /// Source address of the login.
    from: Source,
    /// Time of the last authenticated packet; for a login, time of its start.
    heard_at: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Opened(Opened),
    Challenged(Box<Challenged>),
    Challenged15(Challenged15),
    Established(Box<Established>),
}

impl Responder {
    /// Returns a responder without sessions. The seed must come from a cryptographically secure source.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        Self { settings, entropy: Entropy::new(seed), slots: Vec::new(), buffers: Buffers::default() }
    }

    /// Returns the number of sessions and logins in progress.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.slots.len()
    }

    /// Processes a datagram from a console at this address and appends the datagrams to send back; a bridged
    /// command has two or three.
    ///
    /// # Errors
    /// If the datagram is not authentic or not valid; it was dropped.
    pub fn receive<D: Device + ?Sized>(
        &mut self,
        datagram: &[u8],
        from: IpAddr,
        device: &mut D,
        now: Instant,
        answers: &mut Frames,
    ) -> Result<(), ProtoError> {
        let from = Source::new(from);
        let body = match unwrap_frame(datagram)? {
            (Class::Asf, body) => {
                answers.push(&rmcp::answer_ping(body)?);
                return Ok(());
            }
            (Class::Ipmi, body) => body,
        };
        self.slots.retain(|slot| now < slot.ends_at());
        let frame = Frame::inside(body)?;
        match (frame.session_id(), &frame) {
            (0, Frame::RmcpPlus(packet)) => self.outside(packet, from, now, answers),
            (0, Frame::Lan15(packet)) => {
                let answer = self.message_outside(packet.in_clear()?, from, now)?;
                answers.push(&lan15::in_clear(&answer));
                Ok(())
            }
            (id, frame) => self.inside(id, frame, device, now, answers),
        }
    }

    /// Handles a packet outside a session: steps of a login, and commands that need no session.
    fn outside(
        &mut self,
        packet: &Packet<'_>,
        from: Source,
        now: Instant,
        answers: &mut Frames,
    ) -> Result<(), ProtoError> {
        let content = packet.in_clear()?;
        let (payload, answer) = match packet.payload {
            Payload::OpenSessionRequest => {
                (Payload::OpenSessionResponse, self.open_session(content, from, now)?)
            }
            Payload::Rakp1 => (Payload::Rakp2, self.rakp1(content)?),
            Payload::Rakp3 => match self.rakp3(content, now)? {
                Some(answer) => (Payload::Rakp4, answer),
                None => return Ok(()),
            },
            Payload::Ipmi => (Payload::Ipmi, self.message_outside(content, from, now)?),
            other => {
                return Err(ProtoError::Unexpected {
                    what: "the type of a payload outside of a session",
                    value: other.number().into(),
                });
            }
        };
        answers.push(&packet::in_clear(payload, &answer));
        Ok(())
    }

    /// Returns the response to a message outside a session.
    fn message_outside(&mut self, message: &[u8], from: Source, now: Instant) -> Result<Vec<u8>, ProtoError> {
        let call = Call::decode(message)?;
        let Response { code, data } = self.answer_outside(&call, from, now)?;
        let mut answer = Vec::new();
        call.answered(code, &data, &mut answer);
        Ok(answer)
    }

    fn inside<D: Device + ?Sized>(
        &mut self,
        id: u32,
        frame: &Frame<'_>,
        device: &mut D,
        now: Instant,
        answers: &mut Frames,
    ) -> Result<(), ProtoError> {
        let (active_sessions, is_full) = (self.established(), self.is_full());
        let Self { settings, entropy, slots, buffers } = self;
        let Buffers { plain: Scratch(plain), data: Scratch(data), messages } = buffers;
        let place = slots.iter().position(|slot| slot.id == id).ok_or(ProtoError::Unauthentic)?;
        let Some(slot) = slots.get_mut(place) else { return Err(ProtoError::Unauthentic) };
        if let State::Challenged15(challenged) = &slot.state {
            let Frame::Lan15(packet) = frame else { return Err(ProtoError::Unauthentic) };
            if let Some(session) = challenged.activate(packet, is_full, entropy, answers)? {
                (slot.heard_at, slot.state) = (now, State::Established(Box::new(session)));
            }
            return Ok(());
        }
        let State::Established(session) = &mut slot.state else { return Err(ProtoError::Unauthentic) };
        let call = session.open(frame, plain)?;
        slot.heard_at = now;
        messages.clear();
        if !session.repeat_answer(&call, messages, now) {
            let context = Context { settings, active_sessions };
            session.answer(&call, device, context, now, data, messages);
        }
        let is_secret = call.is_secret();
        messages.iter().for_each(|message| session.seal(message, entropy, answers));
        if session.is_closed() {
            slots.swap_remove(place);
        }
        if is_secret {
            plain.zeroize();
            data.zeroize();
            messages.wipe();
        }
        Ok(())
    }

    fn established(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.is_login()).count()
    }

    /// Returns whether the maximum number of sessions is reached.
    fn is_full(&self) -> bool {
        self.established() >= self.settings.most_sessions
    }

    fn slot(&mut self, id: u32) -> Result<&mut Slot, ProtoError> {
        self.slots.iter_mut().find(|slot| slot.id == id).ok_or(ProtoError::Unauthentic)
    }
}

impl Slot {
    /// Returns whether the slot is a login that is not complete.
    fn is_login(&self) -> bool {
        !matches!(self.state, State::Established(_))
    }

    fn ends_at(&self) -> Instant {
        let limit = match self.state {
            State::Established(_) => IDLE_LIMIT,
            _ => LOGIN_LIMIT,
        };
        self.heard_at + limit
    }
}

/// Time after which an idle session ends (IPMI 2.0, 6.12.15).
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// Maximum duration of a login.
const LOGIN_LIMIT: Duration = Duration::from_secs(5);
