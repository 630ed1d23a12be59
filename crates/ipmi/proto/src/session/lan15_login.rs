//! IPMI 1.5 login: Get Session Challenge and Activate Session (IPMI 2.0, 6.11.6).

use std::time::{Duration, Instant};

use super::Login;
use super::established::Established;
use super::login::Outcome;
use super::round_trip::RoundTrip;
use crate::entropy::Entropy;
use crate::lan15::{self, Lan15Packet, Lan15Sealing};
use crate::message::{Answer, SequenceNumber};
use crate::octets::Octets;
use crate::window::Window;
use crate::wire::{Sealing, Wire};
use crate::{AuthenticationType, CompletionCode, NetFn, Protection, ProtoError, Request};

/// A login attempt; restarts from the beginning whenever a response is lost.
#[derive(Debug)]
pub(super) struct Lan15Attempt {
    kind: AuthenticationType,
    number: SequenceNumber,
    step: Step,
    unanswered: u32,
    /// Number of unanswered Activate Session requests: controllers do not respond to a wrong password.
    unproven: u32,
    sent_at: Instant,
    resend_at: Instant,
    give_up_at: Instant,
    round_trip: RoundTrip,
    refused: Option<ProtoError>,
}

/// Response that is awaited.
#[derive(Debug)]
enum Step {
    Challenge,
    Activate {
        session_id: u32,
    },
    /// A pause before the next attempt.
    Pause,
}

impl Lan15Attempt {
    pub(super) fn first(kind: AuthenticationType, give_up_at: Instant, now: Instant) -> Self {
        let round_trip = RoundTrip::default();
        Self {
            kind,
            number: SequenceNumber::FIRST,
            step: Step::Challenge,
            unanswered: 0,
            unproven: 0,
            sent_at: now,
            resend_at: now + round_trip.timeout(0),
            give_up_at,
            round_trip,
            refused: None,
        }
    }

    /// Returns the packet of Get Session Challenge, outside a session (IPMI 2.0, 22.16).
    pub(super) fn challenge(&self, login: &Login) -> Vec<u8> {
        let mut data = vec![self.kind.number()];
        data.extend(login.user.octets());
        data.resize(17, 0);
        lan15::in_clear(&Request::new(NetFn::APP, GET_SESSION_CHALLENGE, &data).encode(self.number))
    }

    /// Returns whether the controller may already have opened the session and only its response is missing.
    pub(super) fn may_be_open(&self) -> bool {
        matches!(self.step, Step::Activate { .. })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.resend_at.min(self.give_up_at)
    }

    pub(super) fn tick(&mut self, login: &Login, now: Instant) -> Outcome {
        if now >= self.give_up_at {
            let silent = if self.unproven > 1 { ProtoError::WrongPassword } else { ProtoError::NoAnswer };
            return Outcome::Failed { error: self.refused.take().unwrap_or(silent), goodbye: None };
        }
        if now < self.resend_at {
            return Outcome::Waiting;
        }
        match self.step {
            Step::Challenge => self.unanswered += 1,
            Step::Activate { .. } => {
                self.unanswered += 1;
                self.unproven += 1;
            }
            Step::Pause => {}
        }
        // After this many attempts it is not packet loss.
        if self.unproven >= MOST_UNPROVEN {
            return Outcome::Failed { error: ProtoError::WrongPassword, goodbye: None };
        }
        self.step = Step::Challenge;
        self.number = self.number.next();
        self.sent(now);
        Outcome::Send(self.challenge(login))
    }

    pub(super) fn receive(
        &mut self,
        packet: &Lan15Packet<'_>,
        login: &Login,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Result<Outcome, ProtoError> {
        let sealing =
            |is_first_only| Lan15Sealing { kind: self.kind, password: login.password.clone(), is_first_only };
        let (message, command) = match self.step {
            Step::Challenge => (packet.in_clear()?, GET_SESSION_CHALLENGE),
            // An error response need not be authenticated, because there is no session then.
            Step::Activate { session_id } if packet.session_id == session_id => (
                packet.open(&sealing(false)).or_else(|error| refusal(packet).ok_or(error))?,
                ACTIVATE_SESSION,
            ),
            Step::Activate { .. } => (refusal(packet).ok_or(ProtoError::Unauthentic)?, ACTIVATE_SESSION),
            Step::Pause => return Err(ProtoError::OutOfWindow),
        };
        let Answer { net_fn, command: answered, number, response } = Answer::decode(message)?;
        if (net_fn, answered, number) != (NetFn::APP, command, self.number) {
            return Err(ProtoError::OutOfWindow);
        }
        if response.code != CompletionCode::OK {
            return Ok(self.refused(command, response.code.0, now));
        }
        if self.unanswered == 0 {
            self.round_trip.measure(now.saturating_duration_since(self.sent_at));
        }
        if command == GET_SESSION_CHALLENGE {
            let mut octets = Octets::new("the answer to Get Session Challenge", &response.data);
            let (session_id, challenge): (u32, [u8; 16]) = (octets.u32()?, octets.array()?);
            let mut data = vec![self.kind.number(), login.privilege.number()];
            data.extend(challenge);
            data.extend(entropy.number().to_le_bytes());
            self.number = self.number.next();
            let request = Request::new(NetFn::APP, ACTIVATE_SESSION, &data).encode(self.number);
            let mut frame = Vec::new();
            lan15::seal(&sealing(false), session_id, 0, &request, &mut frame);
            self.step = Step::Activate { session_id };
            self.sent(now);
            return Ok(Outcome::Send(frame));
        }
        let mut octets = Octets::new("the answer to Activate Session", &response.data);
        let (kind, session_id, first) = (octets.u8()?, octets.u32()?, octets.u32()?);
        // Authentication type of all further packets; a different type than requested could expose the
        // password.
        let is_first_only = match AuthenticationType::parse(kind & 0x0f) {
            Ok(AuthenticationType::None) => true,
            Ok(kind) if kind == self.kind => false,
            Err(error) => return Ok(Outcome::Failed { error, goodbye: None }),
            Ok(_) => {
                let what = "the type of authentication that the controller has chosen by itself";
                let error = ProtoError::Unexpected { what, value: kind.into() };
                return Ok(Outcome::Failed { error, goodbye: None });
            }
        };
        let wire = Wire {
            sealing: Sealing::Lan15(sealing(is_first_only)),
            outbound_id: session_id,
            inbound_id: session_id,
            sent: first.wrapping_sub(1),
            received: Window::narrow(),
        };
        let protection = Protection::Lan15(self.kind);
        Ok(Outcome::Proven(Box::new(Established::new(wire, protection, None, self.round_trip, now))))
    }

    fn refused(&mut self, command: u8, code: u8, now: Instant) -> Outcome {
        let (step, reason) = match (command, code) {
            (GET_SESSION_CHALLENGE, 0x81) => (CHALLENGE, "it does not know the user"),
            (GET_SESSION_CHALLENGE, 0x82) => (CHALLENGE, "the anonymous user is switched off"),
            (GET_SESSION_CHALLENGE, _) => {
                (CHALLENGE, "it does not take this type of authentication, perhaps")
            }
            (_, 0x81) => (ACTIVATE, "it has no free session"),
            (_, 0x82) => (ACTIVATE, "it has no free session for this user"),
            (_, 0x83) => (ACTIVATE, "it has no free session for this level"),
            (_, 0x86) => (ACTIVATE, "the user may not have this level of privilege"),
            _ => (ACTIVATE, CompletionCode(code).meaning()),
        };
        let error = ProtoError::Lan15Refused { step, reason, code };
        let is_full = command == ACTIVATE_SESSION && matches!(code, 0x81..=0x83);
        if !is_full && !CompletionCode(code).is_passing() {
            return Outcome::Failed { error, goodbye: None };
        }
        self.refused = Some(error);
        self.step = Step::Pause;
        self.resend_at = now + PAUSE;
        Outcome::Waiting
    }

    fn sent(&mut self, now: Instant) {
        self.sent_at = now;
        self.resend_at = now + self.round_trip.timeout(self.unanswered);
    }
}

/// Returns the message of an unauthenticated packet that contains an error response.
fn refusal<'o>(packet: &Lan15Packet<'o>) -> Option<&'o [u8]> {
    let is_one =
        Answer::decode(packet.message).is_ok_and(|answer| answer.response.code != CompletionCode::OK);
    is_one.then_some(packet.message)
}

const GET_SESSION_CHALLENGE: u8 = 0x39;
const ACTIVATE_SESSION: u8 = 0x3a;
const CHALLENGE: &str = "Get Session Challenge";
const ACTIVATE: &str = "Activate Session";
const MOST_UNPROVEN: u32 = 5;
/// Pause until a session may be free again.
const PAUSE: Duration = Duration::from_secs(1);
