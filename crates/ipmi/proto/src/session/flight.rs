//! Outstanding requests: matching of responses, timeouts, retransmission and the limit of requests in flight.
//!
//! [`Flight`] neither seals nor sends packets. It decides which requests must be sent again, and the session does it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::RequestId;
use super::request_limit::RequestLimit;
use super::round_trip::RoundTrip;
use crate::message::{Answer, SEND_MESSAGE, SequenceNumber};
use crate::{CompletionCode, Destination, NetFn, ProtoError, Request, Response};

/// Queue of outstanding requests.
#[derive(Debug)]
pub(super) struct Flight {
    /// INVARIANT: in the order of their last transmission, which is mostly the order of responses.
    queue: VecDeque<Open>,
    round_trip: RoundTrip,
    limit: RequestLimit,
    /// Sequence number of the last request.
    number: SequenceNumber,
    /// Number of transmissions.
    transmissions: u64,
    /// Highest order of a request that was answered after being sent only once.
    newest_answered: u64,
}

/// Outstanding request.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) purpose: Purpose,
    pub(super) destination: Destination,
    pub(super) request: Request,
    pub(super) number: SequenceNumber,
    /// Lowest packet sequence number in which it was sent.
    pub(super) packet: u32,
    /// Whether it was sent before the privilege level was set.
    pub(super) is_early: bool,
    /// Packet that must be resent unchanged, for a request that must not be executed twice.
    pub(super) frame: Option<Box<[u8]>>,
    /// Number of times it was due to be resent.
    pub(super) retries: u32,
    /// Position of its last transmission in the order of all transmissions.
    order: u64,
    first_sent_at: Instant,
    sent_at: Instant,
    give_up_at: Instant,
    state: State,
    /// Last response that asked to retry.
    postponement: Option<Box<Postponement>>,
}

/// State of an outstanding request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for its response, and is resent after the timeout.
    Sent { resend_at: Instant },
    /// Considered lost, and waits until the limit allows to resend it.
    Parked,
    /// Waits because the controller asked to retry later.
    Deferred { until: Instant },
}

/// Response that asked to retry.
#[derive(Debug)]
struct Postponement {
    response: Response,
    /// Number of such responses.
    count: u32,
}

/// Request to be added to the queue when it is sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) purpose: Purpose,
    pub(super) destination: Destination,
    pub(super) request: Request,
    pub(super) number: SequenceNumber,
    pub(super) packet: u32,
    pub(super) is_early: bool,
    pub(super) frame: Option<Box<[u8]>>,
    pub(super) give_up_at: Instant,
}

/// Origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Caller(RequestId),
    SetPrivilege,
    KeepAlive,
    Close,
}

/// Requests that left the queue because of their deadlines.
#[derive(Debug)]
pub(super) struct Due {
    /// Requests without a response at their time limit.
    pub(super) expired: Vec<Open>,
    /// Requests to send again, in order; each must be passed to [`Flight::resend`].
    pub(super) resend: Vec<Open>,
    /// Whether no packet has arrived since the oldest of the lost requests was sent.
    pub(super) is_quiet: bool,
}

impl Flight {
    pub(super) fn new(round_trip: RoundTrip) -> Self {
        Self {
            queue: VecDeque::new(),
            round_trip,
            limit: RequestLimit::new(None),
            number: SequenceNumber::FIRST,
            transmissions: 0,
            newest_answered: 0,
        }
    }

    /// Resets the limit of requests in flight to an initial value.
    pub(super) fn set_initial_limit(&mut self, known: Option<usize>) {
        self.limit = RequestLimit::new(known);
    }

    /// Reserves memory for this number of further requests.
    pub(super) fn reserve(&mut self, requests: usize) {
        self.queue.reserve(requests);
    }

    /// Returns the current limit of requests in flight.
    pub(super) fn limit(&self) -> usize {
        self.limit.current()
    }

    /// Returns whether another request may be sent; `limit` is an additional limit of the caller.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        self.limit.has_room(self.in_flight(), limit)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns the number of requests that are not parked.
    fn in_flight(&self) -> usize {
        self.queue.iter().filter(|open| open.state != State::Parked).count()
    }

    /// Returns the callers' outstanding requests.
    pub(super) fn callers(&self) -> Vec<RequestId> {
        let purposes = self.queue.iter().map(|open| open.purpose);
        purposes
            .filter_map(|purpose| if let Purpose::Caller(id) = purpose { Some(id) } else { None })
            .collect()
    }

    pub(super) fn contains(&self, purpose: Purpose) -> bool {
        self.queue.iter().any(|open| open.purpose == purpose)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Open> {
        self.queue.get(index)
    }

    /// Returns the time at which [`take_due`](Self::take_due) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queue.iter().map(Open::deadline).min()
    }

    /// Returns a sequence number that no outstanding request has. There are 64, and fewer outstanding requests.
    pub(super) fn unused_number(&mut self) -> SequenceNumber {
        for _ in 0..64 {
            self.number = self.number.next();
            if self.queue.iter().all(|open| open.number != self.number) {
                break;
            }
        }
        self.number
    }

    /// Adds a request that is sent now for the first time.
    pub(super) fn add(&mut self, sent: Sent, now: Instant) {
        let Sent { purpose, destination, request, number, packet, is_early, frame, give_up_at } = sent;
        let minimum = if request.takes_its_time() { SLOW } else { Duration::ZERO };
        self.transmissions += 1;
        self.queue.push_back(Open {
            purpose,
            destination,
            request,
            number,
            packet,
            is_early,
            frame,
            retries: 0,
            order: self.transmissions,
            first_sent_at: now,
            sent_at: now,
            give_up_at,
            state: State::Sent { resend_at: now + self.round_trip.timeout(0).max(minimum) },
            postponement: None,
        });
        self.limit.record_sent(self.in_flight());
    }

    /// Adds a request that is sent again now.
    pub(super) fn resend(&mut self, mut open: Open, now: Instant) {
        self.transmissions += 1;
        (open.order, open.sent_at) = (self.transmissions, now);
        open.state = State::Sent { resend_at: now + self.round_trip.timeout(open.retries) };
        self.queue.push_back(open);
    }

    /// Removes the oldest parked request, which the caller sends again.
    pub(super) fn take_parked(&mut self) -> Option<Open> {
        let index = self.queue.iter().position(|open| open.state == State::Parked)?;
        self.queue.remove(index)
    }

    /// Returns the index of the request that a response belongs to, and the response without its envelopes. A bridged
    /// request gets two responses, or one inside the other.
    pub(super) fn find(&self, answer: Answer) -> Option<(usize, Response)> {
        if let Some(index) = self.queue.iter().position(|open| open.is_answered_by(&answer)) {
            return Some((index, answer.response));
        }
        let Answer { net_fn, command, number, response } = answer;
        if (net_fn, command) != (NetFn::APP, SEND_MESSAGE) {
            return None;
        }
        let mut all = self.queue.iter();
        let index = all.position(|open| open.number == number && open.destination.bridged().is_some())?;
        if response.code != CompletionCode::OK {
            return Some((index, response));
        }
        let mut inside = Answer::inside(&response.data)?;
        // With two hops, the response may be nested in two others.
        if (inside.net_fn, inside.command) == (NetFn::APP, SEND_MESSAGE)
            && inside.response.code == CompletionCode::OK
        {
            inside = Answer::inside(&inside.response.data)?;
        }
        if (inside.net_fn, inside.command) == (NetFn::APP, SEND_MESSAGE) {
            return Some((index, inside.response));
        }
        let open = self.queue.get(index)?;
        let is_command = (inside.net_fn, inside.command) == (open.request.net_fn, open.request.command);
        is_command.then_some((index, inside.response))
    }

    /// Schedules a retry because a response asked for one.
    pub(super) fn defer(&mut self, index: usize, response: Response, now: Instant) {
        let number = self.unused_number();
        let Some(open) = self.queue.get_mut(index) else { return };
        if response.code.0 == DUPLICATE {
            // The controller is still executing the first request, so fewer requests are sent.
            self.limit.back_off();
        } else {
            open.number = number;
            open.frame = None;
        }
        let count = open.postponement.as_ref().map_or(0, |earlier| earlier.count);
        open.state =
            State::Deferred { until: now + (SHORTEST_PAUSE * (1 << count.min(6))).min(LONGEST_PAUSE) };
        open.postponement = Some(Box::new(Postponement { response, count: count + 1 }));
    }

    /// Schedules a retry of a request that was rejected because the privilege level was not set yet. That happens only
    /// once per request.
    pub(super) fn defer_early(&mut self, index: usize, response: Response, now: Instant) {
        if let Some(open) = self.queue.get_mut(index) {
            open.is_early = false;
        }
        self.defer(index, response, now);
    }

    /// Removes an answered request.
    pub(super) fn complete(&mut self, index: usize, now: Instant) -> Option<Open> {
        let open = self.queue.remove(index)?;
        if open.retries == 0 && open.postponement.is_none() {
            self.round_trip.measure(now.saturating_duration_since(open.sent_at));
            self.newest_answered = self.newest_answered.max(open.order);
            self.hasten();
        }
        self.limit.record_answer();
        Some(open)
    }

    /// Shortens the timeout of requests sent before one that was answered. They were probably lost by chance
    /// rather than by overload, so they are resent after about one round trip.
    fn hasten(&mut self) {
        let timeout = self.round_trip.overtaken_timeout();
        for open in self.queue.iter_mut().take_while(|open| open.order < self.newest_answered) {
            if let State::Sent { resend_at } = &mut open.state
                && open.postponement.is_none()
                && !open.request.takes_its_time()
            {
                let timeout = timeout.saturating_mul(1 << open.retries.min(8));
                *resend_at = (*resend_at).min(open.sent_at + timeout);
            }
        }
    }

    /// Removes the requests that have expired or must be sent again, adapts the limit to the losses, and parks requests
    /// above the limit. `heard_at` is the time of the last packet from the controller.
    pub(super) fn take_due(&mut self, now: Instant, heard_at: Instant) -> Due {
        let (expired, open): (VecDeque<Open>, _) =
            std::mem::take(&mut self.queue).into_iter().partition(|open| open.is_expired(now));
        self.queue = open;
        let is_quiet = self.record_losses(now, heard_at);
        let waiting =
            self.queue.iter().filter(|open| open.state != State::Parked && !open.is_due(now)).count();
        let mut room = self.limit.current().saturating_sub(waiting);
        let mut resend = Vec::new();
        for mut open in std::mem::take(&mut self.queue) {
            if !open.is_due(now) {
                self.queue.push_back(open);
                continue;
            }
            open.retries += 1;
            if room > 0 || !matches!(open.purpose, Purpose::Caller(_)) {
                room = room.saturating_sub(1);
                resend.push(open);
            } else {
                open.state = State::Parked;
                self.queue.push_back(open);
            }
        }
        Due { expired: expired.into(), resend, is_quiet }
    }

    /// Adapts timeout and limit to the requests that are considered lost. Returns whether no packet has arrived since
    /// the oldest of the latest lost requests was sent.
    fn record_losses(&mut self, now: Instant, heard_at: Instant) -> bool {
        let in_flight = self.in_flight();
        let lost = || self.queue.iter().filter(|open| open.is_due(now) && open.postponement.is_none());
        let latest = lost().filter(|open| open.order > self.newest_answered);
        let (count, oldest) = (lost().count(), latest.map(|open| open.sent_at).min());
        match oldest {
            Some(sent_at) => {
                self.round_trip.record_timeout();
                let is_quiet = heard_at <= sent_at;
                if is_quiet {
                    self.limit.record_silence(in_flight);
                } else {
                    self.limit.record_loss(in_flight);
                }
                is_quiet
            }
            None if count > 0 => {
                self.limit.record_random_loss(count, in_flight);
                false
            }
            None => false,
        }
    }
}

impl Open {
    fn deadline(&self) -> Instant {
        match self.state {
            State::Sent { resend_at: at } | State::Deferred { until: at } => at.min(self.give_up_at),
            State::Parked => self.give_up_at,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        match self.state {
            State::Sent { resend_at: at } | State::Deferred { until: at } => now >= at,
            State::Parked => false,
        }
    }

    /// Returns whether the time limit has passed. Close Session is resent only a few times: usually the session is
    /// closed and only the response was lost.
    fn is_expired(&self, now: Instant) -> bool {
        let is_closed = self.purpose == Purpose::Close && self.retries >= MAX_CLOSE_RETRIES;
        now >= self.give_up_at || is_closed && self.is_due(now)
    }

    fn is_answered_by(&self, answer: &Answer) -> bool {
        (self.number, self.request.net_fn, self.request.command)
            == (answer.number, answer.net_fn, answer.command)
    }

    /// Returns whether nothing was received since the request was first sent.
    pub(super) fn is_unheard(&self, heard_at: Instant) -> bool {
        self.postponement.is_none() && heard_at <= self.first_sent_at
    }

    /// Returns the outcome of an expired request: the last response that asked to retry, if any, or an error.
    pub(super) fn into_outcome(self) -> (Purpose, Result<Response, ProtoError>) {
        let error = if self.request.is_repeatable() { ProtoError::NoAnswer } else { ProtoError::Undecided };
        (self.purpose, self.postponement.map(|postponement| postponement.response).ok_or(error))
    }
}

/// Number of times Close Session is resent.
const MAX_CLOSE_RETRIES: u32 = 2;
const DUPLICATE: u8 = 0xcf;
/// Minimum timeout of requests that take long.
const SLOW: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    /// Initial timeout, because nothing was measured yet.
    const TIMEOUT: Duration = Duration::from_millis(500);

    fn flight() -> Flight {
        Flight::new(RoundTrip::default())
    }

    /// Sends a request of a caller; returns its sequence number.
    fn send(flight: &mut Flight, id: u64, now: Instant) -> SequenceNumber {
        send_as(flight, Purpose::Caller(RequestId(id)), now)
    }

    fn send_as(flight: &mut Flight, purpose: Purpose, now: Instant) -> SequenceNumber {
        let number = flight.unused_number();
        let request = Request::new(NetFn::APP, 0x01, &[]);
        let destination = Destination::CONTROLLER;
        let (packet, is_early, give_up_at) = (1, false, now + LIMIT);
        let sent = Sent { purpose, destination, request, number, packet, is_early, frame: None, give_up_at };
        flight.add(sent, now);
        number
    }

    fn response(code: u8) -> Response {
        Response::refusal(code)
    }

    fn answer(number: SequenceNumber) -> Answer {
        Answer { net_fn: NetFn::APP, command: 0x01, number, response: response(0) }
    }

    fn ids(all: &[Open]) -> Vec<Purpose> {
        all.iter().map(|open| open.purpose).collect()
    }

    fn caller(id: u64) -> Purpose {
        Purpose::Caller(RequestId(id))
    }

    #[test]
    fn a_request_without_response_is_due_after_the_timeout() {
        let (mut flight, now) = (flight(), Instant::now());
        send(&mut flight, 1, now);
        assert_eq!(flight.deadline(), Some(now + TIMEOUT));
        assert!(flight.take_due(now + TIMEOUT / 2, now).resend.is_empty());
        let late = now + TIMEOUT;
        let Due { expired, mut resend, is_quiet } = flight.take_due(late, now);
        assert!(expired.is_empty() && is_quiet && flight.is_empty());
        let open = resend.pop().unwrap();
        assert_eq!((open.purpose, open.retries), (caller(1), 1));
        flight.resend(open, late);
        assert_eq!(flight.deadline(), Some(late + TIMEOUT * 2), "timeouts double");
    }

    #[test]
    fn requests_above_the_limit_are_parked_until_there_is_room() {
        let (mut flight, now) = (flight(), Instant::now());
        let numbers: Vec<_> = (0..4).map(|id| send(&mut flight, id, now)).collect();
        assert!(!flight.has_room(8));
        let late = now + TIMEOUT;
        // Nothing was received, so the limit is one.
        let due = flight.take_due(late, now);
        assert_eq!((ids(&due.resend), flight.limit(), flight.in_flight()), (vec![caller(0)], 1, 0));
        due.resend.into_iter().for_each(|open| flight.resend(open, late));
        assert!(!flight.has_room(8));
        assert_eq!(
            flight.deadline(),
            Some(late + TIMEOUT * 2),
            "parked requests are not resent by themselves"
        );
        let (index, _) = flight.find(answer(*numbers.first().unwrap())).unwrap();
        assert_eq!(flight.complete(index, late).unwrap().purpose, caller(0));
        assert!(flight.has_room(8));
        let parked = flight.take_parked().unwrap();
        assert_eq!(parked.purpose, caller(1), "the oldest is resent first");
        flight.resend(parked, late);
        assert_eq!(flight.in_flight(), 1);
    }

    #[test]
    fn a_parked_request_can_be_answered_and_expires() {
        let (mut flight, now) = (flight(), Instant::now());
        let numbers: Vec<_> = (0..3).map(|id| send(&mut flight, id, now)).collect();
        let due = flight.take_due(now + TIMEOUT, now);
        due.resend.into_iter().for_each(|open| flight.resend(open, now + TIMEOUT));
        let (index, _) = flight.find(answer(*numbers.last().unwrap())).unwrap();
        assert_eq!(flight.complete(index, now + TIMEOUT).unwrap().purpose, caller(2));
        let due = flight.take_due(now + LIMIT, now);
        assert_eq!(ids(&due.expired), [caller(1), caller(0)]);
        assert!(due.expired.iter().all(|open| open.is_unheard(now)) && flight.is_empty());
    }

    #[test]
    fn a_deferred_request_is_resent_with_a_new_number_and_is_no_loss() {
        let (mut flight, now) = (flight(), Instant::now());
        let number = send(&mut flight, 1, now);
        for pause in [SHORTEST_PAUSE, SHORTEST_PAUSE * 2] {
            flight.defer(0, response(0xc0), now);
            assert_eq!(flight.deadline(), Some(now + pause));
            assert_ne!(flight.get(0).unwrap().number, number);
        }
        let due = flight.take_due(now + SHORTEST_PAUSE * 2, now);
        assert_eq!((due.resend.len(), due.is_quiet, flight.limit()), (1, false, 4));
        due.resend.into_iter().for_each(|open| flight.resend(open, now));
        let expired = flight.take_due(now + LIMIT, now).expired.pop().unwrap();
        assert!(!expired.is_unheard(now));
        assert_eq!(expired.into_outcome().1.unwrap().code.0, 0xc0, "the last response is the outcome");
    }

    #[test]
    fn a_duplicate_keeps_its_number_and_reduces_the_limit() {
        let (mut flight, now) = (flight(), Instant::now());
        let number = send(&mut flight, 1, now);
        flight.defer(0, response(DUPLICATE), now);
        assert_eq!((flight.get(0).unwrap().number, flight.limit()), (number, 1));
    }

    #[test]
    fn a_request_that_was_overtaken_is_due_early() {
        let (mut flight, now) = (flight(), Instant::now());
        send(&mut flight, 1, now);
        let second = send(&mut flight, 2, now);
        let (index, _) = flight.find(answer(second)).unwrap();
        flight.complete(index, now + Duration::from_millis(20)).unwrap();
        // One round trip of 20 ms, and four times its variation of 10 ms.
        let early = now + Duration::from_millis(60);
        assert_eq!(flight.deadline(), Some(early));
        let due = flight.take_due(early, now + Duration::from_millis(20));
        assert_eq!((ids(&due.resend), due.is_quiet, flight.limit()), (vec![caller(1)], false, 4));
    }

    #[test]
    fn close_session_is_resent_twice() {
        let (mut flight, mut now) = (flight(), Instant::now());
        send_as(&mut flight, Purpose::Close, now);
        for _ in 0..MAX_CLOSE_RETRIES {
            now = flight.deadline().unwrap();
            let due = flight.take_due(now, now);
            due.resend.into_iter().for_each(|open| flight.resend(open, now));
        }
        now = flight.deadline().unwrap();
        let due = flight.take_due(now, now);
        assert_eq!((ids(&due.expired), due.resend.len()), (vec![Purpose::Close], 0));
    }

    #[test]
    fn sequence_numbers_of_outstanding_requests_are_not_reused() {
        let (mut flight, now) = (flight(), Instant::now());
        let first = send(&mut flight, 0, now);
        assert!((0..200).all(|_| flight.unused_number() != first));
    }
}
