//! IPMI 2.0 login: Open Session and RAKP; restarts from the beginning whenever a response is lost.

use std::time::{Duration, Instant};

use super::Login;
use super::established::Established;
use super::round_trip::RoundTrip;
use crate::entropy::Entropy;
use crate::keys::{Exchange, SessionKeys, same};
use crate::login_status::{Stage, Status};
use crate::packet::{self, Packet, Payload};
use crate::rakp::{self, OpenSessionResponse, Rakp2, StepHead};
use crate::wire::Wire;
use crate::{CipherSuite, Protection, ProtoError};

/// A login attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Cipher suites not rejected so far, in order of preference.
    suites: Vec<CipherSuite>,
    suite: CipherSuite,
    tag: u8,
    console_id: u32,
    step: Step,
    /// Number of unanswered messages.
    unanswered: u32,
    sent_at: Instant,
    resend_at: Instant,
    give_up_at: Instant,
    round_trip: RoundTrip,
    /// Last rejection that may be temporary.
    refused: Option<(Stage, Status)>,
}

/// Response that is awaited.
#[derive(Debug)]
enum Step {
    OpenSession,
    Rakp2 {
        controller_id: u32,
        random: [u8; 16],
    },
    Rakp4 {
        exchange: Exchange,
        keys: Box<SessionKeys>,
    },
    /// A pause before the next attempt.
    Pause,
}

/// Result of a response or of a timeout.
pub(super) enum Outcome {
    Waiting,
    Send(Vec<u8>),
    Proven(Box<Established>),
    Failed {
        error: ProtoError,
        /// Packet that cancels the login, so that the controller does not keep a slot for it.
        goodbye: Option<Vec<u8>>,
    },
}

impl Attempt {
    pub(super) fn first(
        suites: Vec<CipherSuite>,
        entropy: &mut Entropy,
        give_up_at: Instant,
        now: Instant,
    ) -> Self {
        let mut attempt = Self {
            suite: suites.first().copied().unwrap_or(CipherSuite::SHA256),
            suites,
            tag: 0,
            console_id: 0,
            step: Step::Pause,
            unanswered: 0,
            sent_at: now,
            resend_at: now,
            give_up_at,
            round_trip: RoundTrip::default(),
            refused: None,
        };
        attempt.open(entropy, now);
        attempt
    }

    /// Starts a new attempt with a new session id, so that late responses to earlier attempts do not match.
    fn open(&mut self, entropy: &mut Entropy, now: Instant) {
        self.tag = self.tag.wrapping_add(1);
        self.console_id = entropy.number();
        self.step = Step::OpenSession;
        self.sent(now);
    }

    fn sent(&mut self, now: Instant) {
        self.sent_at = now;
        self.resend_at = now + self.round_trip.timeout(self.unanswered);
    }

    /// Returns the Open Session Request of this attempt.
    pub(super) fn frame(&self) -> Vec<u8> {
        // Requests the highest level the user may have; the needed level is requested in RAKP 1.
        let request = rakp::open_session_request(
            self.tag,
            crate::Privilege::Administrator,
            self.console_id,
            self.suite,
        );
        packet::in_clear(Payload::OpenSessionRequest, &request)
    }

    /// Returns whether several Open Session Requests got no response, as from an IPMI 1.5 controller.
    pub(super) fn is_silent(&self) -> bool {
        self.unanswered >= 2 && matches!(self.step, Step::OpenSession)
    }

    /// Returns whether the controller may already have opened the session and only its response is missing.
    pub(super) fn may_be_open(&self) -> bool {
        matches!(self.step, Step::Rakp4 { .. })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.resend_at.min(self.give_up_at)
    }

    pub(super) fn tick(&mut self, login: &Login, entropy: &mut Entropy, now: Instant) -> Outcome {
        if now >= self.give_up_at {
            let error = match self.refused {
                Some((stage, status)) => ProtoError::Refused { stage, status },
                None => ProtoError::NoAnswer,
            };
            return failed(error);
        }
        if now < self.resend_at {
            return Outcome::Waiting;
        }
        if !matches!(self.step, Step::Pause) {
            self.unanswered += 1;
        }
        // Some controllers do not respond at all to an unknown suite, so the next one is tried.
        if matches!(self.step, Step::OpenSession) && self.unanswered.is_multiple_of(2) {
            let turn = usize::try_from(self.unanswered / 2).unwrap_or_default();
            let allowed = if self.suites.is_empty() { &login.suites } else { &self.suites };
            self.suite =
                allowed.iter().cycle().nth(turn % allowed.len().max(1)).copied().unwrap_or(self.suite);
        }
        self.open(entropy, now);
        Outcome::Send(self.frame())
    }

    pub(super) fn receive(
        &mut self,
        packet: &Packet<'_>,
        login: &Login,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Result<Outcome, ProtoError> {
        let expected = match self.step {
            Step::OpenSession => Payload::OpenSessionResponse,
            Step::Rakp2 { .. } => Payload::Rakp2,
            Step::Rakp4 { .. } => Payload::Rakp4,
            Step::Pause => return Err(ProtoError::OutOfWindow),
        };
        let head = StepHead::decode(packet.in_clear()?)?;
        if packet.payload != expected || head.tag != self.tag {
            return Err(ProtoError::OutOfWindow);
        }
        let (console_id, octets) = match head.outcome {
            Ok(accepted) => accepted,
            Err(status) => return Ok(self.refused(status, login, entropy, now)),
        };
        if console_id != self.console_id {
            return Err(ProtoError::OutOfWindow);
        }
        // The tag identifies the request that the response belongs to, so the round trip can be measured.
        self.round_trip.measure(now.saturating_duration_since(self.sent_at));
        match std::mem::replace(&mut self.step, Step::Pause) {
            Step::OpenSession => {
                let controller_id = match OpenSessionResponse::decode(octets, self.suite) {
                    Ok(OpenSessionResponse { controller_id }) => controller_id,
                    // A retry with the same suite would give the same result.
                    Err(error) => return Ok(self.other_suite(entropy, now).unwrap_or_else(|| failed(error))),
                };
                let random = entropy.draw();
                self.step = Step::Rakp2 { controller_id, random };
                self.sent(now);
                let message = rakp::rakp1(self.tag, controller_id, &random, login.privilege, &login.user);
                Ok(Outcome::Send(packet::in_clear(Payload::Rakp1, &message)))
            }
            Step::Rakp2 { controller_id, random } => {
                let answer = match Rakp2::decode(octets) {
                    Ok(answer) => answer,
                    Err(error) => return Ok(failed(error)),
                };
                let exchange = Exchange {
                    suite: self.suite,
                    console_id: self.console_id,
                    controller_id,
                    console_random: random,
                    controller_random: answer.random,
                    guid: answer.guid,
                    role: login.privilege.role(),
                    user: login.user.clone(),
                };
                Ok(self.rakp3(exchange, &answer.code, login, now))
            }
            Step::Rakp4 { exchange, keys } => {
                if !same(&exchange.rakp4(&keys), octets.rest()) {
                    return Ok(failed(ProtoError::WrongPassword));
                }
                let wire = Wire::rmcp_plus(keys, exchange.console_id, exchange.controller_id);
                let (protection, guid) = (Protection::RmcpPlus(exchange.suite), Some(exchange.guid));
                Ok(Outcome::Proven(Box::new(Established::new(wire, protection, guid, self.round_trip, now))))
            }
            Step::Pause => Ok(Outcome::Waiting),
        }
    }

    fn rakp3(&mut self, exchange: Exchange, code: &[u8], login: &Login, now: Instant) -> Outcome {
        let controller_id = exchange.controller_id;
        if !same(&exchange.rakp2(&login.password), code) {
            let mut message = rakp::rakp3(self.tag, controller_id, &[]);
            if let Some(status) = message.get_mut(1) {
                *status = INVALID_INTEGRITY_CHECK;
            }
            let goodbye = Some(packet::in_clear(Payload::Rakp3, &message));
            return Outcome::Failed { error: ProtoError::WrongPassword, goodbye };
        }
        let message = rakp::rakp3(self.tag, controller_id, &exchange.rakp3(&login.password));
        let keys = exchange.keys(&login.password, login.group_key.as_ref());
        self.step = Step::Rakp4 { exchange, keys };
        self.sent(now);
        Outcome::Send(packet::in_clear(Payload::Rakp3, &message))
    }

    fn refused(&mut self, status: Status, login: &Login, entropy: &mut Entropy, now: Instant) -> Outcome {
        let stage = match self.step {
            Step::OpenSession | Step::Pause => Stage::OpenSession,
            Step::Rakp2 { .. } => Stage::Rakp2,
            Step::Rakp4 { .. } => Stage::Rakp4,
        };
        if status.is_passing() {
            self.refused = Some((stage, status));
            self.step = Step::Pause;
            self.resend_at = now + PAUSE;
            return Outcome::Waiting;
        }
        if status.is_about_the_suite() && stage == Stage::OpenSession {
            if let Some(again) = self.other_suite(entropy, now) {
                return again;
            }
            if login.suites.len() > 1 {
                let tried: Vec<String> = login.suites.iter().map(CipherSuite::to_string).collect();
                return failed(ProtoError::NoSuite { tried: tried.join(", ") });
            }
        }
        failed(ProtoError::Refused { stage, status })
    }

    /// Restarts with the next suite that was not rejected, if there is one.
    fn other_suite(&mut self, entropy: &mut Entropy, now: Instant) -> Option<Outcome> {
        let refused = self.suite;
        self.suites.retain(|suite| *suite != refused);
        self.suite = *self.suites.first()?;
        self.open(entropy, now);
        Some(Outcome::Send(self.frame()))
    }
}

fn failed(error: ProtoError) -> Outcome {
    Outcome::Failed { error, goodbye: None }
}

/// Pause until a session may be free again.
const PAUSE: Duration = Duration::from_secs(1);
const INVALID_INTEGRITY_CHECK: u8 = 0x0f;
