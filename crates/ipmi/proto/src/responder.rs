//! The controller's end of sessions: told what arrived and what time it is, it says what to send back.
//!
//! For simulated controllers, and for whatever wants to look like one. What is asked inside of a session is answered
//! by a [`Device`]; who may sign in, and how, is in [`Settings`].

mod call;
mod established;
mod lan15_login;
mod login;
mod required;
mod settings;

use std::time::{Duration, Instant};

use self::established::Established;
use self::lan15_login::Challenged15;
use self::login::{Challenged, Opened};
use crate::entropy::Entropy;
use crate::message::Call;
use crate::packet::{self, Packet, Payload};
use crate::rmcp::{self, Class, unwrap_frame};
use crate::wire::Frame;
use crate::{Destination, Privilege, ProtoError, Request, Response, lan15};

pub use self::settings::{Account, Settings};

/// What answers the commands of sessions: the controller itself, and those behind it.
pub trait Device {
    /// Answers a command; the level of privilege that it takes was checked already.
    fn answer(&mut self, asked: &Asked) -> Response;

    /// Whether a controller has this address on this channel, so that messages for it are passed on.
    fn is_there(&self, channel: u8, address: u8) -> bool {
        let _ = (channel, address);
        false
    }

    /// Whether the destination is there, which another controller passes messages on to.
    fn is_there_behind(&self, destination: Destination) -> bool {
        let _ = destination;
        false
    }
}

/// A command of a session, as the device sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who is asked.
    pub destination: Destination,
    /// What.
    pub request: Request,
    /// The level of the session that asks.
    pub privilege: Privilege,
}

/// The controller's end of any number of sessions.
#[derive(Debug)]
pub struct Responder {
    settings: Settings,
    entropy: Entropy,
    /// At most as many as the settings allow.
    slots: Vec<Slot>,
}

/// A session, or what may become one.
#[derive(Debug)]
struct Slot {
    /// What the console sends in its packets.
    id: u32,
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
    /// One without sessions. The seed must come from a source that nobody can foresee.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        Self { settings, entropy: Entropy::new(seed), slots: Vec::new() }
    }

    /// How many sessions there are, and logins that are under way.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.slots.len()
    }

    /// Takes a datagram from a console, and says what is to be sent back to it: a bridged command has two answers.
    ///
    /// # Errors
    /// When it is not genuine, or means nothing; it was dropped.
    pub fn receive<D: Device + ?Sized>(
        &mut self,
        datagram: &[u8],
        device: &mut D,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, ProtoError> {
        if let (Class::Asf, body) = unwrap_frame(datagram)? {
            return rmcp::answer_ping(body).map(|pong| vec![pong]);
        }
        self.slots.retain(|slot| now < slot.ends_at());
        let frame = Frame::decode(datagram)?;
        match (frame.session_id(), &frame) {
            (0, Frame::RmcpPlus(packet)) => self.outside(packet, now),
            (0, Frame::Lan15(packet)) => {
                let call = Call::decode(packet.in_clear()?)?;
                let response = self.answer_outside(&call, now)?;
                Ok(vec![lan15::in_clear(&call.answered(&response))])
            }
            (id, frame) => self.inside(id, frame, device, now),
        }
    }

    /// What belongs to no session: the steps of a login, and what everybody may ask.
    fn outside(&mut self, packet: &Packet<'_>, now: Instant) -> Result<Vec<Vec<u8>>, ProtoError> {
        let content = packet.in_clear()?;
        let (payload, answer) = match packet.payload {
            Payload::OpenSessionRequest => (Payload::OpenSessionResponse, self.open_session(content, now)?),
            Payload::Rakp1 => (Payload::Rakp2, self.rakp1(content, now)?),
            Payload::Rakp3 => match self.rakp3(content, now)? {
                Some(answer) => (Payload::Rakp4, answer),
                None => return Ok(Vec::new()),
            },
            Payload::Ipmi => {
                let call = Call::decode(content)?;
                let response = self.answer_outside(&call, now)?;
                (Payload::Ipmi, call.answered(&response))
            }
            other => {
                return Err(ProtoError::Unexpected {
                    what: "the type of a payload outside of a session",
                    value: other.number().into(),
                });
            }
        };
        Ok(vec![packet::in_clear(payload, &answer)])
    }

    fn inside<D: Device + ?Sized>(
        &mut self,
        id: u32,
        frame: &Frame<'_>,
        device: &mut D,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, ProtoError> {
        let place = self.slots.iter().position(|slot| slot.id == id).ok_or(ProtoError::Unauthentic)?;
        let Some(slot) = self.slots.get_mut(place) else { return Err(ProtoError::Unauthentic) };
        if let State::Challenged15(challenged) = &slot.state {
            let Frame::Lan15(packet) = frame else { return Err(ProtoError::Unauthentic) };
            let (answer, session) = challenged.activate(packet, &mut self.entropy)?;
            if let Some(session) = session {
                *slot = Slot { id, heard_at: now, state: State::Established(Box::new(session)) };
            }
            return Ok(vec![answer]);
        }
        let State::Established(session) = &mut slot.state else { return Err(ProtoError::Unauthentic) };
        let call = session.open(frame)?;
        slot.heard_at = now;
        if let Some(again) = session.answered_before(&call, now) {
            return Ok(again.iter().map(|answer| session.seal(answer, &mut self.entropy)).collect());
        }
        let active = self.established();
        let Some(State::Established(session)) = self.slots.get_mut(place).map(|slot| &mut slot.state) else {
            return Err(ProtoError::Unauthentic);
        };
        let answers = session.answer(&call, device, &self.settings, active, now);
        let frames = answers.iter().map(|answer| session.seal(answer, &mut self.entropy)).collect();
        if session.is_closed() {
            self.slots.swap_remove(place);
        }
        Ok(frames)
    }

    fn established(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.state, State::Established(_))).count()
    }

    /// A place for a new session; none if all are taken.
    fn free_id(&mut self) -> Option<u32> {
        if self.slots.len() >= self.settings.most_sessions {
            return None;
        }
        let entropy = &mut self.entropy;
        std::iter::repeat_with(|| entropy.number())
            .take(MOST_DRAWS)
            .find(|id| self.slots.iter().all(|slot| slot.id != *id))
    }

    fn slot(&mut self, id: u32) -> Result<&mut Slot, ProtoError> {
        self.slots.iter_mut().find(|slot| slot.id == id).ok_or(ProtoError::Unauthentic)
    }
}

impl Slot {
    fn ends_at(&self) -> Instant {
        let limit = match self.state {
            State::Established(_) => IDLE_LIMIT,
            _ => LOGIN_LIMIT,
        };
        self.heard_at + limit
    }
}

/// How long a session may be silent (IPMI 2.0, 6.12.15).
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How long a login may take, so that those that are never finished take no slots from others.
const LOGIN_LIMIT: Duration = Duration::from_secs(5);
/// Two numbers of four octets are hardly ever the same.
const MOST_DRAWS: usize = 4;
