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
use crate::octets::Scratch;
use crate::packet::Payload;
use crate::wire::{Frame, Wire};
use crate::{CompletionCode, Destination, NetFn, Privilege, Protection, ProtoError, Request, Response};

#[derive(Debug)]
pub(super) struct Established {
    wire: Wire,
    protection: Protection,
    guid: Option<[u8; 16]>,
    next: SequenceNumber,
    /// In the order of their last sendings, in which answers most often come.
    open: VecDeque<Open>,
    /// How many of those are parked.
    parked: usize,
    round_trip: RoundTrip,
    /// How many may be open.
    room: Room,
    sent_at: Instant,
    /// How many requests were sent, and the last of those that have been answered after they were sent once.
    asked: u64,
    answered: u64,
    /// The controller has taken a packet with this number, or a higher one.
    taken: u32,
    /// Whether the level of privilege was set: a session begins with that of a user.
    is_level_set: bool,
    /// When the controller last said something that was proven.
    heard_at: Instant,
    stage: Stage,
    /// What is used again for every datagram: what the controller has said, in clear, and what it is told.
    plain: Scratch,
    message: Scratch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The level of privilege is not set yet.
    Entering,
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
    /// The place of its last sending among those of all others.
    order: u64,
    /// The lowest number of a packet that it was sent in.
    packet: u32,
    /// Whether it was lost, and is sent again as soon as there is room.
    is_parked: bool,
    /// Whether it was sent before the level of privilege was set.
    is_early: bool,
    /// The packet that is sent again as it is, because the request must not be done twice.
    once: Option<Box<[u8]>>,
    first_sent_at: Instant,
    sent_at: Instant,
    resend_at: Instant,
    give_up_at: Instant,
    unanswered: u32,
    /// The last answer that said "later", and how many did.
    later: Option<Box<(Response, u32)>>,
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
    pub(super) answered: Option<(Purpose, Response)>,
    pub(super) given_up: Vec<(Purpose, Result<Response, ProtoError>)>,
    pub(super) is_silent: bool,
    /// Whether the level of privilege must be set after all.
    pub(super) needs_level: bool,
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
            open: VecDeque::new(),
            parked: 0,
            round_trip,
            room: Room::new(None),
            sent_at: now,
            asked: 0,
            answered: 0,
            taken: 0,
            is_level_set: false,
            heard_at: now,
            stage: Stage::Entering,
            plain: Scratch::default(),
            message: Scratch::default(),
        }
    }

    pub(super) fn is_there(&self) -> Event {
        Event::Established { protection: self.protection, guid: self.guid }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    /// The level is that of a user, with which sessions begin (IPMI 2.0, 22.18): it is set only where that is not so.
    pub(super) fn enter_as_user(&mut self) -> Event {
        self.stage = Stage::Ready;
        self.is_there()
    }

    /// Begins with as many open requests as the controller is known to keep up with.
    pub(super) fn begin_with(&mut self, open_requests: Option<usize>) {
        self.room = Room::new(open_requests);
    }

    /// Makes room for so many that are asked next.
    pub(super) fn reserve(&mut self, requests: usize) {
        self.open.reserve(requests);
    }

    /// How many may be open now.
    pub(super) fn pace(&self) -> usize {
        self.room.now()
    }

    /// Controllers of IPMI 1.5 are asked one thing at a time: their windows are narrow, and so are their buffers.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        let limit = match self.protection {
            Protection::RmcpPlus(_) => limit,
            Protection::Lan15(_) => 1,
        };
        self.stage == Stage::Ready && self.room.is_free(self.under_way(), limit)
    }

    fn under_way(&self) -> usize {
        self.open.len().saturating_sub(self.parked)
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
        let of =
            |open: &Open| if open.is_parked { open.give_up_at } else { open.resend_at.min(open.give_up_at) };
        self.open.iter().map(of).min()
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

    /// A packet with a request.
    pub(super) fn send(
        &mut self,
        purpose: Purpose,
        asked: (Destination, Request),
        until: Instant,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Vec<u8> {
        let mut packet = Vec::new();
        self.write(purpose, asked, until, (entropy, now), &mut packet);
        packet
    }

    /// Puts a packet with a request behind what is there.
    pub(super) fn write(
        &mut self,
        purpose: Purpose,
        (destination, request): (Destination, Request),
        until: Instant,
        (entropy, now): (&mut Entropy, Instant),
        out: &mut Vec<u8>,
    ) {
        let number = self.unused_number();
        let start = out.len();
        let packet = self.wire.next_number();
        self.seal_request(packet, destination, &request, number, entropy, out);
        let once = (!request.is_repeatable()).then(|| out.get(start..).unwrap_or_default().into());
        let least = if request.takes_its_time() { SLOW } else { Duration::ZERO };
        self.sent_at = now;
        self.asked += 1;
        self.open.push_back(Open {
            purpose,
            destination,
            request,
            number,
            order: self.asked,
            packet,
            is_parked: false,
            is_early: !self.is_level_set,
            once,
            first_sent_at: now,
            sent_at: now,
            resend_at: now + self.round_trip.wait(0).max(least),
            give_up_at: until,
            unanswered: 0,
            later: None,
        });
        self.room.asked(self.under_way());
    }

    pub(super) fn receive(&mut self, frame: &Frame<'_>, now: Instant) -> Result<Done, ProtoError> {
        let payload = self.wire.open(frame, &mut self.plain.0)?;
        self.heard_at = now;
        match payload {
            Payload::Ipmi => {}
            Payload::SerialOverLan => {
                return Ok(Done { serial: Some(self.plain.0.clone()), ..Done::default() });
            }
            other => {
                return Err(ProtoError::Unexpected {
                    what: "the type of a payload",
                    value: other.number().into(),
                });
            }
        }
        let answer = Answer::decode(&self.plain.0)?;
        let Some((place, response)) = self.asked_for(answer) else { return Ok(Done::default()) };
        self.taken = self.open.get(place).map_or(self.taken, |open| self.taken.max(open.packet));
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
            let is_asked = self.open.iter().any(|open| open.purpose == Purpose::SetPrivilege);
            return Ok(Done { needs_level: !is_asked && !self.is_level_set, ..Done::default() });
        }
        let Some(open) = self.open.remove(place) else { return Ok(Done::default()) };
        self.parked -= usize::from(open.is_parked);
        if open.unanswered == 0 && open.later.is_none() {
            self.round_trip.measure(now.saturating_duration_since(open.sent_at));
            self.answered = self.answered.max(open.order);
            self.hasten();
        }
        self.room.answered();
        let is_entered = open.purpose == Purpose::SetPrivilege && response.code == CompletionCode::OK;
        if is_entered && !self.is_closing() {
            self.stage = Stage::Ready;
            self.is_level_set = true;
        }
        Ok(Done { answered: Some((open.purpose, response)), ..Done::default() })
    }

    /// Those that were asked before one that has been answered are lost by chance, and not because they are too many:
    /// they are waited for as long as an answer takes and no longer.
    fn hasten(&mut self) {
        let wait = self.round_trip.wait_overtaken();
        for open in self.open.iter_mut().take_while(|open| open.order < self.answered) {
            if !open.request.takes_its_time() && !open.is_parked && open.later.is_none() {
                let wait = wait.saturating_mul(1 << open.unanswered.min(8));
                open.resend_at = open.resend_at.min(open.sent_at + wait);
            }
        }
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
        let times = open.later.as_ref().map_or(0, |later| later.1);
        if response.code.0 == DUPLICATE {
            // The first one is still being worked on: asking less is what helps.
            self.room.is_at_work();
        } else {
            open.number = number;
            open.once = None;
        }
        let pause = (SHORTEST_PAUSE * (1 << times.min(6))).min(LONGEST_PAUSE);
        open.resend_at = now + pause;
        open.later = Some(Box::new((response, times + 1)));
    }

    pub(super) fn tick(&mut self, entropy: &mut Entropy, out: &mut VecDeque<Vec<u8>>, now: Instant) -> Done {
        let is_late = |open: &Open| {
            // Most often the session is closed and only the answer was lost.
            let is_closed = open.purpose == Purpose::Close && open.unanswered >= MOST_GOODBYES;
            now >= open.give_up_at || is_closed && now >= open.resend_at
        };
        let (late, mut open): (Vec<Open>, Vec<Open>) =
            std::mem::take(&mut self.open).into_iter().partition(is_late);
        let is_due = |open: &Open| now >= open.resend_at && !open.is_parked;
        let answered = self.answered;
        let lost = || open.iter().filter(|open| is_due(open) && open.later.is_none());
        let under_way = open.iter().filter(|open| !open.is_parked).count();
        let mut is_quiet = false;
        if let Some(sent_at) = lost().filter(|open| open.order > answered).map(|open| open.sent_at).min() {
            self.round_trip.was_too_short();
            is_quiet = self.heard_at <= sent_at;
            if is_quiet { self.room.silent(under_way) } else { self.room.lost(under_way) }
        } else if lost().next().is_some() {
            self.room.lost_by_chance(lost().count(), under_way);
        }
        let waited_for = open.iter().filter(|open| !open.is_parked && !is_due(open)).count();
        let mut room = self.room.now().saturating_sub(waited_for);
        for open in open.iter_mut().filter(|open| is_due(open)) {
            open.unanswered += 1;
            if room > 0 || !matches!(open.purpose, Purpose::Caller(_)) {
                room = room.saturating_sub(1);
                // Every other time, because who is there may take one packet at a time only.
                if is_quiet && open.unanswered.is_multiple_of(2) {
                    out.extend(self.within_reach(open, entropy));
                }
                out.push_back(self.again(open, entropy, now));
            } else {
                open.is_parked = true;
            }
        }
        open.sort_unstable_by_key(|open| open.order);
        self.parked = open.iter().filter(|open| open.is_parked).count();
        self.open = open.into();
        let is_silent = late.iter().any(|open| open.later.is_none() && self.heard_at <= open.first_sent_at);
        let outcome = |open: Open| {
            let error =
                if open.request.is_repeatable() { ProtoError::NoAnswer } else { ProtoError::Undecided };
            (open.purpose, open.later.map(|later| later.0).ok_or(error))
        };
        Done { given_up: late.into_iter().map(outcome).collect(), is_silent, ..Done::default() }
    }

    /// A controller takes a packet only if its number is not too far ahead of the last that it has taken (IPMI 2.0,
    /// 6.12.13). Where so many were sent since that all of those in between may be lost, nobody knows which one was the
    /// last. So the request goes under several numbers as well that are that far apart: the controller takes one of
    /// them, whichever it was, and then all that follow.
    fn within_reach(&mut self, open: &mut Open, entropy: &mut Entropy) -> Vec<Vec<u8>> {
        let (sent, reach) = (self.wire.sent, self.wire.received.ahead());
        let unsure = sent.wrapping_sub(self.taken).min(reach * MOST_STEPS);
        if open.once.is_some() || unsure < reach {
            return Vec::new();
        }
        let first = sent.wrapping_sub(unsure);
        let steps = (1..=unsure / reach).map(|step| first.wrapping_add(step * reach).max(1));
        open.packet = open.packet.min(first.wrapping_add(reach));
        let seal = |packet| {
            let mut frame = Vec::new();
            self.seal_request(packet, open.destination, &open.request, open.number, entropy, &mut frame);
            frame
        };
        steps.map(seal).collect()
    }

    /// Sends one of those again that wait for room.
    pub(super) fn resume(&mut self, entropy: &mut Entropy, now: Instant) -> Option<Vec<u8>> {
        if self.parked == 0 {
            return None;
        }
        let place = self.open.iter().position(|open| open.is_parked)?;
        let mut open = self.open.remove(place)?;
        open.is_parked = false;
        self.parked -= 1;
        let frame = self.again(&mut open, entropy, now);
        self.open.push_back(open);
        Some(frame)
    }

    /// It is the same request in a new packet, as the numbers of packets never come twice; what must not be done twice
    /// is sent as it was.
    fn again(&mut self, open: &mut Open, entropy: &mut Entropy, now: Instant) -> Vec<u8> {
        self.asked += 1;
        (open.order, open.sent_at) = (self.asked, now);
        open.resend_at = now + self.round_trip.wait(open.unanswered);
        if let Some(frame) = &open.once {
            return frame.to_vec();
        }
        let mut frame = Vec::new();
        let packet = self.wire.next_number();
        self.seal_request(packet, open.destination, &open.request, open.number, entropy, &mut frame);
        open.once = (!open.request.is_repeatable()).then(|| frame.as_slice().into());
        frame
    }

    fn unused_number(&mut self) -> SequenceNumber {
        // There are 64 numbers, and fewer open requests.
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
        let mut frame = Vec::new();
        self.wire.seal(Payload::SerialOverLan, payload, entropy.draw(), &mut frame);
        frame
    }

    /// In a packet of this number.
    fn seal_request(
        &mut self,
        packet: u32,
        destination: Destination,
        request: &Request,
        number: SequenceNumber,
        entropy: &mut Entropy,
        out: &mut Vec<u8>,
    ) {
        let Self { wire, message: Scratch(message), .. } = self;
        message.clear();
        destination.encode(request, number, message);
        wire.seal_as(packet, (Payload::Ipmi, message.as_slice()), entropy.draw(), out);
        if request.is_secret() {
            message.zeroize();
        }
    }
}

/// How often Close Session is sent again.
const MOST_GOODBYES: u32 = 2;
/// So many times as far ahead as a controller takes packets the packets may be that it has not taken.
const MOST_STEPS: u32 = 4;
const GET_DEVICE_ID: u8 = 0x01;
const DUPLICATE: u8 = 0xcf;
/// How long what takes its time is waited for at least.
const SLOW: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
