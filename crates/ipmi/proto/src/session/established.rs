//! An established session: sealing of requests, opening of responses, and the stages of the session.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroize as _;

use super::flight::{Due, Flight, Open, Purpose, Sent};
use super::round_trip::RoundTrip;
use super::{Event, RequestId};
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
    flight: Flight,
    /// Time at which the last new request was sent.
    sent_at: Instant,
    /// The controller has accepted a packet with this sequence number or a higher one.
    accepted_packet: u32,
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

/// A request to send.
#[derive(Debug)]
pub(super) struct NewRequest {
    pub(super) purpose: Purpose,
    pub(super) destination: Destination,
    pub(super) request: Request,
    /// Time at which the request expires without a response.
    pub(super) give_up_at: Instant,
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

impl NewRequest {
    /// Returns a request of the session itself to the controller.
    fn own(purpose: Purpose, request: Request, give_up_at: Instant) -> Self {
        Self { purpose, destination: Destination::CONTROLLER, request, give_up_at }
    }
}

impl Established {
    pub(super) fn new(
        wire: Wire,
        protection: Protection,
        guid: Option<[u8; 16]>,
        round_trip: RoundTrip,
        now: Instant,
    ) -> Self {
        Self {
            wire,
            protection,
            guid,
            flight: Flight::new(round_trip),
            sent_at: now,
            accepted_packet: 0,
            is_level_set: false,
            heard_at: now,
            stage: Stage::Entering,
            plain: Scratch::default(),
            message: Scratch::default(),
        }
    }

    /// Returns the event that reports the session as established.
    pub(super) fn established_event(&self) -> Event {
        Event::Established { protection: self.protection, guid: self.guid }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    /// Marks the session as ready at level User, with which sessions begin (IPMI 2.0, 22.18). The level is
    /// set only if a controller starts lower.
    pub(super) fn enter_as_user(&mut self) -> Event {
        self.stage = Stage::Ready;
        self.established_event()
    }

    /// Sets the initial number of outstanding requests.
    pub(super) fn set_initial_limit(&mut self, open_requests: Option<usize>) {
        self.flight.set_initial_limit(open_requests);
    }

    /// Reserves memory for this number of further requests.
    pub(super) fn reserve(&mut self, requests: usize) {
        self.flight.reserve(requests);
    }

    /// Returns the current limit of outstanding requests.
    pub(super) fn request_limit(&self) -> usize {
        self.flight.limit()
    }

    /// Returns whether another request may be sent. In IPMI 1.5 sessions only one is outstanding at a time,
    /// because controllers have narrow windows and small buffers.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        let limit = match self.protection {
            Protection::RmcpPlus(_) => limit,
            Protection::Lan15(_) => 1,
        };
        self.stage == Stage::Ready && self.flight.has_room(limit)
    }

    /// Returns the callers' requests that are outstanding.
    pub(super) fn callers(&self) -> Vec<RequestId> {
        self.flight.callers()
    }

    pub(super) fn deadline(&self, keep_alive: Duration) -> Option<Instant> {
        if self.is_idle() { Some(self.sent_at + keep_alive) } else { self.flight.deadline() }
    }

    fn is_idle(&self) -> bool {
        self.flight.is_empty() && self.stage == Stage::Ready
    }

    /// Returns the packet of Set Session Privilege Level (IPMI 2.0, 22.18): a new session has level User.
    pub(super) fn set_privilege(
        &mut self,
        privilege: Privilege,
        give_up_at: Instant,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Vec<u8> {
        let request = Request::new(NetFn::APP, SET_SESSION_PRIVILEGE_LEVEL, &[privilege.number()]);
        self.send(NewRequest::own(Purpose::SetPrivilege, request, give_up_at), entropy, now)
    }

    /// Returns the packet of a cheap request if the session has been idle for `interval`, because the
    /// controller may end an idle session (IPMI 2.0, 6.12.15). The request expires after `limit`.
    pub(super) fn keep_alive(
        &mut self,
        interval: Duration,
        limit: Duration,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if !self.is_idle() || now < self.sent_at + interval {
            return None;
        }
        let request = Request::new(NetFn::APP, GET_DEVICE_ID, &[]);
        Some(self.send(NewRequest::own(Purpose::KeepAlive, request, now + limit), entropy, now))
    }

    /// Returns the packet of Close Session (IPMI 2.0, 22.19).
    pub(super) fn close(&mut self, give_up_at: Instant, entropy: &mut Entropy, now: Instant) -> Vec<u8> {
        self.stage = Stage::Closing;
        let request = Request::new(NetFn::APP, CLOSE_SESSION, &self.wire.outbound_id.to_le_bytes());
        self.send(NewRequest::own(Purpose::Close, request, give_up_at), entropy, now)
    }

    fn send(&mut self, new: NewRequest, entropy: &mut Entropy, now: Instant) -> Vec<u8> {
        let mut packet = Vec::new();
        self.write(new, entropy, now, &mut packet);
        packet
    }

    /// Appends the packet of a request.
    pub(super) fn write(&mut self, new: NewRequest, entropy: &mut Entropy, now: Instant, out: &mut Vec<u8>) {
        let NewRequest { purpose, destination, request, give_up_at } = new;
        let number = self.flight.unused_number();
        let start = out.len();
        let packet = self.wire.next_number();
        self.seal_request(packet, destination, &request, number, entropy, out);
        let frame = (!request.is_repeatable()).then(|| out.get(start..).unwrap_or_default().into());
        let is_early = !self.is_level_set;
        self.sent_at = now;
        let sent = Sent { purpose, destination, request, number, packet, is_early, frame, give_up_at };
        self.flight.add(sent, now);
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
        let Some((index, response)) = self.flight.find(answer) else { return Ok(Done::default()) };
        let Some(open) = self.flight.get(index) else { return Ok(Done::default()) };
        self.accepted_packet = self.accepted_packet.max(open.packet);
        let may_repeat = open.request.is_repeatable();
        if response.code.is_passing() && (may_repeat || response.code != CompletionCode::TIMEOUT) {
            self.flight.defer(index, response, now);
            return Ok(Done::default());
        }
        // The controller starts sessions at a lower level, or the packets arrived in a different order.
        let is_early = open.is_early && matches!(open.purpose, Purpose::Caller(_));
        if response.code == CompletionCode::PRIVILEGE && is_early {
            self.flight.defer_early(index, response, now);
            let needs_level = !self.is_level_set && !self.flight.contains(Purpose::SetPrivilege);
            return Ok(Done { needs_level, ..Done::default() });
        }
        let Some(open) = self.flight.complete(index, now) else { return Ok(Done::default()) };
        let is_entered = open.purpose == Purpose::SetPrivilege && response.code == CompletionCode::OK;
        if is_entered && !self.is_closing() {
            self.stage = Stage::Ready;
            self.is_level_set = true;
        }
        Ok(Done { answered: Some((open.purpose, response)), ..Done::default() })
    }

    /// Resends requests after their timeouts, and returns those that have expired.
    pub(super) fn tick(&mut self, entropy: &mut Entropy, out: &mut VecDeque<Vec<u8>>, now: Instant) -> Done {
        let Due { expired, resend, is_quiet } = self.flight.take_due(now, self.heard_at);
        for mut open in resend {
            // Only every second time, because the controller may process only one packet at a time.
            if is_quiet && open.retries.is_multiple_of(2) {
                out.extend(self.within_reach(&mut open, entropy));
            }
            out.push_back(self.seal_again(&mut open, entropy));
            self.flight.resend(open, now);
        }
        let is_silent = expired.iter().any(|open| open.is_unheard(self.heard_at));
        let given_up = expired.into_iter().map(Open::into_outcome).collect();
        Done { given_up, is_silent, ..Done::default() }
    }

    /// Resends a parked request.
    pub(super) fn resume(&mut self, entropy: &mut Entropy, now: Instant) -> Option<Vec<u8>> {
        let mut open = self.flight.take_parked()?;
        let frame = self.seal_again(&mut open, entropy);
        self.flight.resend(open, now);
        Some(frame)
    }

    /// Returns packets that bring the sequence number back within the controller's window. A controller
    /// accepts a packet only if its number is not too far ahead of the last one it accepted (IPMI 2.0,
    /// 6.12.13). If that last number is unknown, because too many packets may have been lost, the request is also
    /// sent with several lower numbers, one window apart: the controller accepts one of them, and then all
    /// that follow.
    fn within_reach(&mut self, open: &mut Open, entropy: &mut Entropy) -> Vec<Vec<u8>> {
        let (sent, reach) = (self.wire.sent, self.wire.received.ahead());
        let unsure = sent.wrapping_sub(self.accepted_packet).min(reach * MAX_STEPS);
        if open.frame.is_some() || unsure < reach {
            return Vec::new();
        }
        let first = sent.wrapping_sub(unsure);
        open.packet = open.packet.min(first.wrapping_add(reach));
        let mut frames = Vec::new();
        for step in 1..=unsure / reach {
            let (packet, mut frame) = (first.wrapping_add(step * reach).max(1), Vec::new());
            self.seal_request(packet, open.destination, &open.request, open.number, entropy, &mut frame);
            frames.push(frame);
        }
        frames
    }

    /// Seals a request in a new packet, because packet sequence numbers must not repeat. A request that
    /// must not be executed twice is resent in the identical packet.
    fn seal_again(&mut self, open: &mut Open, entropy: &mut Entropy) -> Vec<u8> {
        if let Some(frame) = &open.frame {
            return frame.to_vec();
        }
        let mut frame = Vec::new();
        let packet = self.wire.next_number();
        self.seal_request(packet, open.destination, &open.request, open.number, entropy, &mut frame);
        open.frame = (!open.request.is_repeatable()).then(|| frame.as_slice().into());
        frame
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
        wire.seal_as(packet, Payload::Ipmi, message.as_slice(), entropy.draw(), out);
        if request.is_secret() {
            message.zeroize();
        }
    }
}

/// Maximum distance, in windows of the controller, that is bridged by packets with lower numbers.
const MAX_STEPS: u32 = 4;
const GET_DEVICE_ID: u8 = 0x01;
const SET_SESSION_PRIVILEGE_LEVEL: u8 = 0x3b;
const CLOSE_SESSION: u8 = 0x3c;
