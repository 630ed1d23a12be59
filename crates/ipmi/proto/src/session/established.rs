//! An established session: requests, responses and retransmission.

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
    /// Outstanding requests in the order in which they were last sent, which is mostly the order of
    /// responses.
    open: VecDeque<Open>,
    /// Number of parked requests in `open`.
    parked: usize,
    round_trip: RoundTrip,
    /// Limit of outstanding requests.
    room: Room,
    sent_at: Instant,
    /// Number of requests sent, and the highest order of a request that was answered after being sent only
    /// once.
    asked: u64,
    answered: u64,
    /// The controller has accepted a packet with this sequence number or a higher one.
    taken: u32,
    /// Whether the privilege level was set; a session begins at level User.
    is_level_set: bool,
    /// Time of the last authenticated packet from the controller.
    heard_at: Instant,
    stage: Stage,
    /// Reused buffers for received plain text and for messages to send.
    plain: Scratch,
    message: Scratch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The privilege level is not set yet.
    Entering,
    Ready,
    Closing,
}

/// An outstanding request.
#[derive(Debug)]
struct Open {
    purpose: Purpose,
    destination: Destination,
    request: Request,
    number: SequenceNumber,
    /// Position of its last transmission in the order of all transmissions.
    order: u64,
    /// Lowest packet sequence number in which it was sent.
    packet: u32,
    /// Whether it was lost and waits to be resent.
    is_parked: bool,
    /// Whether it was sent before the privilege level was set.
    is_early: bool,
    /// The identical packet to resend, for a request that must not be executed twice.
    once: Option<Box<[u8]>>,
    first_sent_at: Instant,
    sent_at: Instant,
    resend_at: Instant,
    give_up_at: Instant,
    unanswered: u32,
    /// The last response that asked to retry, and the number of such responses.
    later: Option<Box<(Response, u32)>>,
}

/// Origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Caller(RequestId),
    SetPrivilege,
    KeepAlive,
    Close,
}

/// Completed requests, and whether the controller still responds.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) answered: Option<(Purpose, Response)>,
    pub(super) given_up: Vec<(Purpose, Result<Response, ProtoError>)>,
    pub(super) is_silent: bool,
    /// Whether the privilege level has to be set.
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

    /// Marks the session as ready at level User, with which sessions begin (IPMI 2.0, 22.18). The level is
    /// set only if a controller starts lower.
    pub(super) fn enter_as_user(&mut self) -> Event {
        self.stage = Stage::Ready;
        self.is_there()
    }

    /// Sets the initial number of outstanding requests.
    pub(super) fn begin_with(&mut self, open_requests: Option<usize>) {
        self.room = Room::new(open_requests);
    }

    /// Reserves memory for this number of further requests.
    pub(super) fn reserve(&mut self, requests: usize) {
        self.open.reserve(requests);
    }

    /// Returns the current limit of outstanding requests.
    pub(super) fn pace(&self) -> usize {
        self.room.now()
    }

    /// Returns whether another request may be sent. In IPMI 1.5 sessions only one is outstanding at a time,
    /// because controllers have narrow windows and small buffers.
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

    /// Returns the callers' requests that are outstanding.
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

    /// Returns the packet of Set Session Privilege Level (IPMI 2.0, 22.18): a new session has level User.
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

    /// Returns the packet of a cheap request if the session has been idle for so long that the controller may
    /// end it (IPMI 2.0, 6.12.15).
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

    /// Returns the packet of Close Session (IPMI 2.0, 22.19).
    pub(super) fn close(&mut self, until: Instant, entropy: &mut Entropy, now: Instant) -> Vec<u8> {
        self.stage = Stage::Closing;
        let request = Request::new(NetFn::APP, 0x3c, &self.wire.outbound_id.to_le_bytes());
        self.send(Purpose::Close, (Destination::CONTROLLER, request), until, entropy, now)
    }

    /// Returns the packet of a request.
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

    /// Appends the packet of a request.
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
        // The controller starts sessions at a lower level, or the packets arrived in a different order.
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

    /// Shortens the timeout of requests sent before one that was answered. They were probably lost by chance
    /// rather than by overload, so they are resent after about one round trip.
    fn hasten(&mut self) {
        let wait = self.round_trip.wait_overtaken();
        for open in self.open.iter_mut().take_while(|open| open.order < self.answered) {
            if !open.request.takes_its_time() && !open.is_parked && open.later.is_none() {
                let wait = wait.saturating_mul(1 << open.unanswered.min(8));
                open.resend_at = open.resend_at.min(open.sent_at + wait);
            }
        }
    }

    /// Returns the index of the request that a response belongs to. A bridged request gets two responses, or
    /// one inside the other.
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
        // With two hops, the response may be nested in two others.
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

    /// Schedules a retry because the controller asked for one.
    fn is_later(&mut self, place: usize, response: Response, now: Instant) {
        let number = self.unused_number();
        let Some(open) = self.open.get_mut(place) else { return };
        let times = open.later.as_ref().map_or(0, |later| later.1);
        if response.code.0 == DUPLICATE {
            // The controller is still executing the first request: sending less helps.
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
            // Usually the session is closed and only the response was lost.
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
                // Resend only every second time, because the controller may process only one packet at a
                // time.
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

    /// Returns packets that bring the sequence number back within the controller's window. A controller
    /// accepts a packet only if its number is not too far ahead of the last one it accepted (IPMI 2.0,
    /// 6.12.13). If that last number is unknown, because too many packets may have been lost, the request is also
    /// sent with several lower numbers, one window apart: the controller accepts one of them, and then all
    /// that follow.
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

    /// Resends a parked request.
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

    /// Resends a request in a new packet, because packet sequence numbers must not repeat. A request that
    /// must not be executed twice is resent in the identical packet.
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
        // There are 64 numbers, and fewer outstanding requests.
        for _ in 0..64 {
            self.next = self.next.next();
            if self.open.iter().all(|open| open.number != self.next) {
                break;
            }
        }
        self.next
    }

    /// Returns a packet of the serial console.
    pub(super) fn seal_serial(&mut self, payload: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        let mut frame = Vec::new();
        self.wire.seal(Payload::SerialOverLan, payload, entropy.draw(), &mut frame);
        frame
    }

    /// Returns the request in a packet with this sequence number.
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

/// Number of times Close Session is resent.
const MOST_GOODBYES: u32 = 2;
/// Maximum distance, in windows of the controller, that is bridged by packets with lower numbers.
const MOST_STEPS: u32 = 4;
const GET_DEVICE_ID: u8 = 0x01;
const DUPLICATE: u8 = 0xcf;
/// Minimum timeout of requests that take long.
const SLOW: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
