//! A session whose keys are proven: requests, their answers, and what is sent again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroize as _;

use super::room::Room;
use super::round_trip::RoundTrip;
use super::{Event, RequestId};
use crate::destination::SEND_MESSAGE;
use crate::entropy::Entropy;
use crate::message::{Answer, SequenceNumber};
use crate::packet::Payload;
use crate::wire::{Frame, Wire};
use crate::{CompletionCode, Destination, NetFn, Privilege, Protection, ProtoError, Request, Response};

#[derive(Debug)]
pub(super) struct Established {
    wire: Wire,
    protection: Protection,
    guid: Option<[u8; 16]>,
    next: SequenceNumber,
    open: Vec<Open>,
    round_trip: RoundTrip,
    /// How many may be open.
    room: Room,
    sent_at: Instant,
    /// When the controller last said something that was proven.
    heard_at: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The level of privilege is not set yet.
    Entering,
    /// It is that of a user, which a session begins with, so that requests need not wait until it is set.
    EnteringAsUser,
    Ready,
    Closing,
}

/// A request whose answer is waited for.
#[derive(Debug)]
struct Open {
    purpose: Purpose,
    destination: Destination,
    request: Request,
    number: SequenceNumber,
    /// Whether it was sent before the level of privilege was set.
    is_early: bool,
    /// The packet that is sent again as it is, because the request must not be done twice.
    once: Option<Vec<u8>>,
    first_sent_at: Instant,
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
    KeepAlive,
    Close,
}

/// What has come of requests, and whether the controller is still there.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) requests: Vec<(Purpose, Result<Response, ProtoError>)>,
    pub(super) is_silent: bool,
    /// A packet of the serial console.
    pub(super) serial: Option<Vec<u8>>,
}

impl Established {
    pub(super) fn new(
        wire: Wire,
        (protection, guid): (Protection, Option<[u8; 16]>),
        round_trip: RoundTrip,
        now: Instant,
    ) -> Self {
        Self {
            wire,
            protection,
            guid,
            next: SequenceNumber::FIRST,
            open: Vec::new(),
            round_trip,
            room: Room::new(),
            sent_at: now,
            heard_at: now,
            stage: Stage::Entering,
        }
    }

    pub(super) fn is_there(&self) -> Event {
        Event::Established { protection: self.protection, guid: self.guid }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    /// Controllers of IPMI 1.5 are asked one thing at a time: their windows are narrow, and so are their buffers.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        let limit = match self.protection {
            Protection::RmcpPlus(_) => limit,
            Protection::Lan15(_) => 1,
        };
        matches!(self.stage, Stage::Ready | Stage::EnteringAsUser)
            && self.room.is_free(self.open.len(), limit)
    }

    /// Who still waits for an answer.
    pub(super) fn callers(&self) -> Vec<RequestId> {
        let caller = |open: &Open| match open.purpose {
            Purpose::Caller(id) => Some(id),
            _ => None,
        };
        self.open.iter().filter_map(caller).collect()
    }

    pub(super) fn deadline(&self, keep_alive: Duration) -> Option<Instant> {
        if self.open.is_empty() && self.stage == Stage::Ready {
            return Some(self.sent_at + keep_alive);
        }
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
        if privilege == Privilege::User {
            self.stage = Stage::EnteringAsUser;
        }
        let request = Request::new(NetFn::APP, 0x3b, &[privilege.number()]);
        self.send(Purpose::SetPrivilege, (Destination::CONTROLLER, request), until, entropy, now)
    }

    /// Asks for something that costs little, if nothing was asked for so long that the controller may end the
    /// session (IPMI 2.0, 6.12.15).
    pub(super) fn keep_alive(
        &mut self,
        (after, limit): (Duration, Duration),
        entropy: &mut Entropy,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let is_due = self.open.is_empty() && self.stage == Stage::Ready && now >= self.sent_at + after;
        let request = (Destination::CONTROLLER, Request::new(NetFn::APP, GET_DEVICE_ID, &[]));
        is_due.then(|| self.send(Purpose::KeepAlive, request, now + limit, entropy, now))
    }

    /// Close Session (IPMI 2.0, 22.19).
    pub(super) fn close(&mut self, until: Instant, entropy: &mut Entropy, now: Instant) -> Vec<u8> {
        self.stage = Stage::Closing;
        let request = Request::new(NetFn::APP, 0x3c, &self.wire.outbound_id.to_le_bytes());
        self.send(Purpose::Close, (Destination::CONTROLLER, request), until, entropy, now)
    }

    pub(super) fn send(
        &mut self,
        purpose: Purpose,
        (destination, request): (Destination, Request),
        until: Instant,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Vec<u8> {
        let number = self.unused_number();
        let frame = self.seal_request(destination, &request, number, entropy);
        let once = (!request.is_repeatable()).then(|| frame.clone());
        self.sent_at = now;
        self.open.push(Open {
            purpose,
            destination,
            request,
            number,
            is_early: self.stage == Stage::EnteringAsUser,
            once,
            first_sent_at: now,
            sent_at: now,
            resend_at: now + self.round_trip.wait(0),
            give_up_at: until,
            unanswered: 0,
            later: None,
        });
        frame
    }

    pub(super) fn receive(&mut self, frame: &Frame<'_>, now: Instant) -> Result<Done, ProtoError> {
        let (payload, content) = self.wire.open(frame)?;
        self.heard_at = now;
        match payload {
            Payload::Ipmi => {}
            Payload::SerialOverLan => return Ok(Done { serial: Some(content), ..Done::default() }),
            other => {
                return Err(ProtoError::Unexpected {
                    what: "the type of a payload",
                    value: other.number().into(),
                });
            }
        }
        let answer = Answer::decode(&content)?;
        let Some((place, response)) = self.asked_for(answer) else { return Ok(Done::default()) };
        let may_repeat = self.open.get(place).is_some_and(|open| open.request.is_repeatable());
        if response.code.is_passing() && (may_repeat || response.code != CompletionCode::TIMEOUT) {
            self.is_later(place, response, now);
            return Ok(Done::default());
        }
        // This controller begins sessions at a lower level, or the packets came in another order.
        if response.code == CompletionCode::PRIVILEGE
            && let Some(open) = self.open.get_mut(place).filter(|open| open.is_early)
            && matches!(open.purpose, Purpose::Caller(_))
        {
            open.is_early = false;
            self.is_later(place, response, now);
            return Ok(Done::default());
        }
        let open = self.open.swap_remove(place);
        if open.unanswered == 0 && open.later.is_none() {
            self.round_trip.measure(now.saturating_duration_since(open.sent_at));
        }
        self.room.answered();
        let is_entered = open.purpose == Purpose::SetPrivilege && response.code == CompletionCode::OK;
        if is_entered && !self.is_closing() {
            self.stage = Stage::Ready;
        }
        Ok(Done { requests: vec![(open.purpose, Ok(response))], ..Done::default() })
    }

    /// Which request it answers. What bridges have to say is answered twice, or inside of the first answer.
    fn asked_for(&mut self, answer: Answer) -> Option<(usize, Response)> {
        let Answer { net_fn, command, number, response } = answer;
        let is_it = |open: &Open| {
            (open.number, open.request.net_fn, open.request.command) == (number, net_fn, command)
        };
        if let Some(place) = self.open.iter().position(is_it) {
            return Some((place, response));
        }
        if (net_fn, command) != (NetFn::APP, SEND_MESSAGE) {
            return None;
        }
        let is_bridged = |open: &Open| open.number == number && open.destination.bridged().is_some();
        let place = self.open.iter().position(is_bridged)?;
        if response.code != CompletionCode::OK {
            return Some((place, response));
        }
        let answered = |inside: &Answer, open: &Open| {
            (inside.net_fn, inside.command) == (open.request.net_fn, open.request.command)
        };
        let mut inside = Answer::inside(&response.data)?;
        // Through two others it may be inside of two answers.
        if (inside.net_fn, inside.command) == (NetFn::APP, SEND_MESSAGE)
            && inside.response.code == CompletionCode::OK
        {
            inside = Answer::inside(&inside.response.data)?;
        }
        if (inside.net_fn, inside.command) == (NetFn::APP, SEND_MESSAGE) {
            return Some((place, inside.response));
        }
        self.open.get(place).filter(|open| answered(&inside, open))?;
        Some((place, inside.response))
    }

    /// The controller asks to come again.
    fn is_later(&mut self, place: usize, response: Response, now: Instant) {
        let number = self.unused_number();
        let Some(open) = self.open.get_mut(place) else { return };
        let times = open.later.as_ref().map_or(0, |(_, times)| *times);
        if response.code.0 == DUPLICATE {
            // The first one is still being worked on: asking less is what helps.
            self.room.is_at_work();
        } else {
            open.number = number;
            open.once = None;
        }
        let pause = (SHORTEST_PAUSE * (1 << times.min(6))).min(LONGEST_PAUSE);
        open.resend_at = now + pause;
        open.later = Some((response, times + 1));
    }

    pub(super) fn tick(&mut self, entropy: &mut Entropy, out: &mut VecDeque<Vec<u8>>, now: Instant) -> Done {
        let is_late = |open: &Open| {
            // Most often the session is closed and only the answer was lost.
            let is_closed = open.purpose == Purpose::Close && open.unanswered >= MOST_GOODBYES;
            now >= open.give_up_at || is_closed && now >= open.resend_at
        };
        let (late, mut open): (Vec<Open>, Vec<Open>) =
            std::mem::take(&mut self.open).into_iter().partition(is_late);
        let is_lost = |open: &Open| now >= open.resend_at && open.later.is_none();
        if open.iter().any(is_lost) {
            self.round_trip.was_too_short();
            self.room.lost();
        }
        for open in open.iter_mut().filter(|open| now >= open.resend_at) {
            open.unanswered += 1;
            open.resend_at = now + self.round_trip.wait(open.unanswered);
            if let Some(datagram) = &open.once {
                out.push_back(datagram.clone());
                continue;
            }
            // It is the same request in a new packet, as the numbers of packets never come twice.
            let frame = self.seal_request(open.destination, &open.request, open.number, entropy);
            open.once = (!open.request.is_repeatable()).then(|| frame.clone());
            out.push_back(frame);
        }
        self.open = open;
        let is_silent = late.iter().any(|open| open.later.is_none() && self.heard_at <= open.first_sent_at);
        let outcome = |open: Open| {
            let error =
                if open.request.is_repeatable() { ProtoError::NoAnswer } else { ProtoError::Undecided };
            (open.purpose, open.later.map(|(response, _)| response).ok_or(error))
        };
        Done { requests: late.into_iter().map(outcome).collect(), is_silent, serial: None }
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

    /// A packet of the serial console.
    pub(super) fn seal_serial(&mut self, payload: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        self.wire.seal(Payload::SerialOverLan, payload, entropy.draw())
    }

    fn seal_request(
        &mut self,
        destination: Destination,
        request: &Request,
        number: SequenceNumber,
        entropy: &mut Entropy,
    ) -> Vec<u8> {
        let mut message = destination.encode(request, number);
        let frame = self.wire.seal(Payload::Ipmi, &message, entropy.draw());
        if request.is_secret() {
            message.zeroize();
        }
        frame
    }
}

/// How often Close Session is sent again.
const MOST_GOODBYES: u32 = 2;
const GET_DEVICE_ID: u8 = 0x01;
const DUPLICATE: u8 = 0xcf;
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
