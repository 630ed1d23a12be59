//! A session at the controller's end: what it is asked, and what it may ask for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Asked, Device, Settings, required};
use crate::destination::{SEND_MESSAGE, TRACK_REQUEST};
use crate::entropy::Entropy;
use crate::keys::same;
use crate::message::{CONTROLLER, Call, Response};
use crate::packet::Payload;
use crate::wire::{Frame, Wire};
use crate::{Destination, NetFn, Privilege, ProtoError};

#[derive(Debug)]
pub(super) struct Established {
    wire: Wire,
    /// The number of the user.
    user: u8,
    limit: Privilege,
    privilege: Privilege,
    /// RAKP 3's code and the answer to it, until something else arrives.
    rakp4: Option<(Vec<u8>, Vec<u8>)>,
    /// The last answers to what must not be done twice.
    answered: VecDeque<(Call, Vec<Vec<u8>>, Instant)>,
    is_closed: bool,
}

impl Established {
    pub(super) fn new(wire: Wire, (user, limit): (u8, Privilege), rakp4: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let (privilege, answered) = (Privilege::User, VecDeque::new());
        Self { wire, user, limit, privilege, rakp4, answered, is_closed: false }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The answer to RAKP 3 that was lost, under another tag perhaps.
    pub(super) fn rakp4_again(&self, tag: u8, code: &[u8]) -> Option<Vec<u8>> {
        let (_, answer) = self.rakp4.as_ref().filter(|(proven, _)| same(proven, code))?;
        let mut answer = answer.clone();
        if let Some(first) = answer.first_mut() {
            *first = tag;
        }
        Some(answer)
    }

    pub(super) fn open(&mut self, frame: &Frame<'_>) -> Result<Call, ProtoError> {
        let (payload, content) = self.wire.open(frame)?;
        self.rakp4 = None;
        if payload != Payload::Ipmi {
            let value = payload.number().into();
            return Err(ProtoError::Unexpected { what: "the type of a payload", value });
        }
        Call::decode(&content)
    }

    pub(super) fn seal(&mut self, message: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        self.wire.seal(Payload::Ipmi, message, entropy.draw())
    }

    /// The answer to a request that has come again under the same number, if it must not be done again.
    pub(super) fn answered_before(&self, call: &Call, now: Instant) -> Option<Vec<Vec<u8>>> {
        let is_same = |(before, _, at): &&(Call, _, Instant)| before == call && now < *at + REMEMBERED;
        self.answered.iter().find(is_same).map(|(_, answers, _)| answers.clone())
    }

    /// The messages that answer it.
    pub(super) fn answer<D: Device + ?Sized>(
        &mut self,
        call: &Call,
        device: &mut D,
        settings: &Settings,
        active: usize,
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let request = &call.request;
        let answers = if (request.net_fn, request.command) == (NetFn::APP, SEND_MESSAGE) {
            self.bridge(call, device)
        } else {
            vec![call.answered(&self.response(call, device, settings, active))]
        };
        if !request.is_repeatable() {
            self.answered.truncate(MOST_REMEMBERED - 1);
            self.answered.push_front((call.clone(), answers.clone(), now));
        }
        answers
    }

    fn response<D: Device + ?Sized>(
        &mut self,
        call: &Call,
        device: &mut D,
        settings: &Settings,
        active: usize,
    ) -> Response {
        let request = &call.request;
        if let Some(public) = settings.public_answer(call) {
            public
        } else if required::privilege(request) > self.privilege {
            Response::refusal(INSUFFICIENT_PRIVILEGE)
        } else if let Some(own) = self.own(call, settings, active) {
            own
        } else {
            let destination = Destination::unit(call.unit).unwrap_or_default();
            device.answer(&Asked { destination, request: request.clone(), privilege: self.privilege })
        }
    }

    /// What is about the session itself.
    fn own(&mut self, call: &Call, settings: &Settings, active: usize) -> Option<Response> {
        let request = &call.request;
        if request.net_fn != NetFn::APP {
            return None;
        }
        match (request.command, request.data.as_slice()) {
            (SET_PRIVILEGE, [level]) => Some(self.set_privilege(level & 0x0f)),
            (CLOSE_SESSION, [a, b, c, d]) => {
                let is_this = u32::from_le_bytes([*a, *b, *c, *d]) == self.wire.inbound_id;
                self.is_closed = is_this;
                Some(if is_this { Response::done(Vec::new()) } else { Response::refusal(INVALID_SESSION) })
            }
            // Of this session only: whoever asks for another one is told that there is none.
            (GET_SESSION, [0, ..]) => {
                let most = u8::try_from(settings.most_sessions).unwrap_or(0x3f).min(0x3f);
                let active = u8::try_from(active).unwrap_or(0x3f).min(0x3f);
                let rmcp_plus = 0x10;
                Some(Response::done(vec![1, most, active, self.user, self.privilege.number(), rmcp_plus | 1]))
            }
            (SET_PRIVILEGE | CLOSE_SESSION | GET_SESSION, _) => Some(Response::refusal(WRONG_LENGTH)),
            _ => None,
        }
    }

    fn set_privilege(&mut self, level: u8) -> Response {
        match level {
            0 => {}
            2..=4 if Privilege::at_most(level) <= self.limit => self.privilege = Privilege::at_most(level),
            2..=4 => return Response::refusal(LEVEL_ABOVE_LIMIT),
            _ => return Response::refusal(LEVEL_NOT_AVAILABLE),
        }
        Response::done(vec![self.privilege.number()])
    }

    /// Send Message: that it was sent, and then what came back (IPMI 2.0, 6.13).
    fn bridge<D: Device + ?Sized>(&self, call: &Call, device: &mut D) -> Vec<Vec<u8>> {
        let refused = |code| vec![call.answered(&Response::refusal(code))];
        let Some((flags, message)) = call.request.data.split_first() else { return refused(WRONG_LENGTH) };
        let Ok(inner) = Call::decode(message) else { return refused(WRONG_LENGTH) };
        let channel = flags & 0x0f;
        if flags & 0xc0 != TRACK_REQUEST {
            return refused(INVALID_FIELD);
        }
        if inner.address != CONTROLLER && !device.is_there(channel, inner.address) {
            return refused(NOT_ACKNOWLEDGED);
        }
        let Ok(destination) = Destination::on_channel(channel, inner.address, inner.unit) else {
            return refused(INVALID_FIELD);
        };
        let sent = call.answered(&Response::done(Vec::new()));
        if destination.bridged().is_some()
            && (inner.request.net_fn, inner.request.command) == (NetFn::APP, SEND_MESSAGE)
        {
            return std::iter::once(sent).chain(self.passed_on(call, &inner, channel, device)).collect();
        }
        vec![sent, call.tracked(&inner, &self.answer_there(destination, &inner, device))]
    }

    /// What another controller has passed on: that it did, and then what came back.
    fn passed_on<D: Device + ?Sized>(
        &self,
        call: &Call,
        transit: &Call,
        channel: u8,
        device: &mut D,
    ) -> Vec<Vec<u8>> {
        let refused = |code| vec![call.tracked(transit, &Response::refusal(code))];
        let Some((flags, message)) = transit.request.data.split_first() else { return refused(WRONG_LENGTH) };
        let Ok(inner) = Call::decode(message) else { return refused(WRONG_LENGTH) };
        let there = Destination::on_channel(flags & 0x0f, inner.address, inner.unit)
            .and_then(|there| there.through(channel, transit.address));
        let Ok(there) = there else { return refused(INVALID_FIELD) };
        if !device.is_there_behind(there) {
            return refused(NOT_ACKNOWLEDGED);
        }
        let response = self.answer_there(there, &inner, device);
        vec![call.tracked(transit, &Response::done(Vec::new())), call.tracked(&inner, &response)]
    }

    fn answer_there<D: Device + ?Sized>(
        &self,
        destination: Destination,
        call: &Call,
        device: &mut D,
    ) -> Response {
        if required::privilege(&call.request) > self.privilege {
            return Response::refusal(INSUFFICIENT_PRIVILEGE);
        }
        device.answer(&Asked { destination, request: call.request.clone(), privilege: self.privilege })
    }
}

const SET_PRIVILEGE: u8 = 0x3b;
const CLOSE_SESSION: u8 = 0x3c;
const GET_SESSION: u8 = 0x3d;
const LEVEL_NOT_AVAILABLE: u8 = 0x80;
const LEVEL_ABOVE_LIMIT: u8 = 0x81;
/// Of Send Message.
const NOT_ACKNOWLEDGED: u8 = 0x83;
const INVALID_SESSION: u8 = 0x87;
const WRONG_LENGTH: u8 = 0xc7;
const INVALID_FIELD: u8 = 0xcc;
const INSUFFICIENT_PRIVILEGE: u8 = 0xd4;
const MOST_REMEMBERED: usize = 8;
/// Longer than any console goes on to send the same again; numbers come again after 64 requests.
const REMEMBERED: Duration = Duration::from_secs(20);
