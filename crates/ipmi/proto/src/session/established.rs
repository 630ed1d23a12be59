//! A session whose keys are proven: requests, their answers, and what is sent again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::RequestId;
use super::round_trip::RoundTrip;
use crate::entropy::Entropy;
use crate::keys::SessionKeys;
use crate::message::{Answer, SequenceNumber};
use crate::packet::{self, Packet, Payload};
use crate::window::Window;
use crate::{CipherSuite, NetFn, Privilege, ProtoError, Request, Response};

#[derive(Debug)]
pub(super) struct Established {
    keys: SessionKeys,
    console_id: u32,
    controller_id: u32,
    /// Of the last packet that was sent.
    number: u32,
    received: Window,
    next: SequenceNumber,
    open: Vec<Open>,
    round_trip: RoundTrip,
    /// How many may be open; one after an answer was lost, then more again.
    room: usize,
    answered_in_a_row: usize,
    is_ready: bool,
    is_closing: bool,
}

/// A request whose answer is waited for.
#[derive(Debug)]
struct Open {
    purpose: Purpose,
    request: Request,
    number: SequenceNumber,
    sent_at: Instant,
    resend_at: Instant,
    give_up_at: Instant,
    unanswered: u32,
    /// The last answer that said "later", and how many did.
    later: Option<(Response, u32)>,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Caller(RequestId),
    SetPrivilege,
    Close,
}

type Done = Vec<(Purpose, Result<Response, ProtoError>)>;

impl Established {
    pub(super) fn new(
        keys: SessionKeys,
        (console_id, controller_id): (u32, u32),
        round_trip: RoundTrip,
    ) -> Self {
        Self {
            keys,
            console_id,
            controller_id,
            number: 0,
            received: Window::default(),
            next: SequenceNumber::FIRST,
            open: Vec::new(),
            round_trip,
            room: 2,
            answered_in_a_row: 0,
            is_ready: false,
            is_closing: false,
        }
    }

    pub(super) fn suite(&self) -> CipherSuite {
        self.keys.suite
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    pub(super) fn has_room(&self, limit: usize) -> bool {
        self.is_ready && !self.is_closing && self.open.len() < self.room.min(limit.clamp(1, MOST_OPEN))
    }

    /// Who still waits for an answer.
    pub(super) fn callers(&self) -> Vec<RequestId> {
        let caller = |open: &Open| match open.purpose {
            Purpose::Caller(id) => Some(id),
            _ => None,
        };
        self.open.iter().filter_map(caller).collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.resend_at.min(open.give_up_at)).min()
    }

    /// Set Session Privilege Level (IPMI 2.0, 22.18): a new session has that of a user only.
    pub(super) fn set_privilege(
        &mut self,
        privilege: Privilege,
        until: Instant,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Vec<u8> {
        let request = Request::new(NetFn::APP, 0x3b, &[privilege.number()]);
        self.send(Purpose::SetPrivilege, request, until, entropy, now)
    }

    /// Close Session (IPMI 2.0, 22.19).
    pub(super) fn close(&mut self, until: Instant, entropy: &mut Entropy, now: Instant) -> Vec<u8> {
        self.is_closing = true;
        let request = Request::new(NetFn::APP, 0x3c, &self.controller_id.to_le_bytes());
        self.send(Purpose::Close, request, until, entropy, now)
    }

    pub(super) fn send(
        &mut self,
        purpose: Purpose,
        request: Request,
        until: Instant,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Vec<u8> {
        let number = self.unused_number();
        let frame = self.seal(&request.encode(number), entropy);
        self.open.push(Open {
            purpose,
            request,
            number,
            sent_at: now,
            resend_at: now + self.round_trip.wait(0),
            give_up_at: until,
            unanswered: 0,
            later: None,
        });
        frame
    }

    pub(super) fn receive(&mut self, packet: &Packet<'_>, now: Instant) -> Result<Done, ProtoError> {
        if packet.session_id != self.console_id {
            return Err(ProtoError::Unauthentic);
        }
        let content = packet.open(&self.keys)?;
        self.received.accept(packet.number)?;
        if packet.payload != Payload::Ipmi {
            return Err(ProtoError::Unexpected { what: "the type of a payload", value: 1 });
        }
        let Answer { net_fn, command, number, response } = Answer::decode(&content)?;
        let is_it = |open: &Open| {
            (open.number, open.request.net_fn, open.request.command) == (number, net_fn, command)
        };
        let Some(place) = self.open.iter().position(is_it) else { return Ok(Vec::new()) };
        if response.code.is_passing() {
            self.is_later(place, response, now);
            return Ok(Vec::new());
        }
        let open = self.open.swap_remove(place);
        if open.unanswered == 0 && open.later.is_none() {
            self.round_trip.measure(now.saturating_duration_since(open.sent_at));
        }
        self.answered_in_a_row += 1;
        if self.answered_in_a_row.is_multiple_of(4) {
            self.room = (self.room + 1).min(MOST_OPEN);
        }
        if open.purpose == Purpose::SetPrivilege && response.code.0 == 0 {
            self.is_ready = true;
        }
        Ok(vec![(open.purpose, Ok(response))])
    }

    /// The controller asks to come again.
    fn is_later(&mut self, place: usize, response: Response, now: Instant) {
        let number = self.unused_number();
        let Some(open) = self.open.get_mut(place) else { return };
        let times = open.later.as_ref().map_or(0, |(_, times)| *times);
        if response.code.0 == DUPLICATE {
            // The first one is still being worked on: asking less is what helps.
            self.room = 1;
            self.answered_in_a_row = 0;
        } else {
            open.number = number;
        }
        let pause = (SHORTEST_PAUSE * (1 << times.min(6))).min(LONGEST_PAUSE);
        open.resend_at = now + pause;
        open.later = Some((response, times + 1));
    }

    pub(super) fn tick(&mut self, entropy: &mut Entropy, out: &mut VecDeque<Vec<u8>>, now: Instant) -> Done {
        let (late, open): (Vec<Open>, Vec<Open>) =
            std::mem::take(&mut self.open).into_iter().partition(|open| now >= open.give_up_at);
        self.open = open;
        for place in 0..self.open.len() {
            let Some(open) = self.open.get_mut(place).filter(|open| now >= open.resend_at) else { continue };
            if open.later.is_none() {
                self.room = 1;
                self.answered_in_a_row = 0;
            }
            open.unanswered += 1;
            open.resend_at = now + self.round_trip.wait(open.unanswered);
            let message = open.request.encode(open.number);
            // It is the same request in a new packet, as the numbers of packets never come twice.
            out.push_back(self.seal(&message, entropy));
        }
        let outcome =
            |open: Open| (open.purpose, open.later.map(|(response, _)| response).ok_or(ProtoError::NoAnswer));
        late.into_iter().map(outcome).collect()
    }

    fn unused_number(&mut self) -> SequenceNumber {
        // There are 64 numbers and at most ten open requests.
        for _ in 0..64 {
            self.next = self.next.next();
            if self.open.iter().all(|open| open.number != self.next) {
                break;
            }
        }
        self.next
    }

    fn seal(&mut self, message: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        self.number = self.number.wrapping_add(1).max(1);
        packet::seal(&self.keys, (self.controller_id, self.number), (Payload::Ipmi, message), entropy.draw())
    }
}

const MOST_OPEN: usize = 8;
const DUPLICATE: u8 = 0xcf;
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
