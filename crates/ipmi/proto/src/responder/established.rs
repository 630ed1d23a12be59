//! An established session at the controller: commands and access control.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Device, DeviceCommand, Settings, required};
use crate::destination::TRACK_REQUEST;
use crate::entropy::Entropy;
use crate::keys::same;
use crate::message::{CONTROLLER, Call, CompletionCode, Response, SEND_MESSAGE};
use crate::packet::Payload;
use crate::wire::{Frame, Sealing, Wire};
use crate::{Destination, Frames, NetFn, Privilege, ProtoError};

#[derive(Debug)]
pub(super) struct Established {
    wire: Wire,
    /// User id.
    user: u8,
    limit: Privilege,
    privilege: Privilege,
    /// Code of RAKP 3 and the response to it, kept until the next packet arrives.
    rakp4: Option<(Vec<u8>, Vec<u8>)>,
    /// Latest responses to requests that must not be executed twice.
    answered: VecDeque<Answered>,
    is_closed: bool,
}

/// Properties of the whole responder that responses in a session depend on.
#[derive(Clone, Copy)]
pub(super) struct Context<'s> {
    pub(super) settings: &'s Settings,
    pub(super) active_sessions: usize,
}

/// A request that must not be executed twice, with its response messages.
#[derive(Debug)]
struct Answered {
    call: Zeroizing<Vec<u8>>,
    messages: Frames,
    at: Instant,
}

impl Established {
    pub(super) fn new(wire: Wire, user: u8, limit: Privilege, rakp4: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let (privilege, answered) = (Privilege::User, VecDeque::new());
        Self { wire, user, limit, privilege, rakp4, answered, is_closed: false }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns the response to a repeated RAKP 3, possibly with another tag.
    pub(super) fn rakp4_again(&self, tag: u8, code: &[u8]) -> Option<Vec<u8>> {
        let (_, answer) = self.rakp4.as_ref().filter(|(proven, _)| same(proven, code))?;
        let mut answer = answer.clone();
        if let Some(first) = answer.first_mut() {
            *first = tag;
        }
        Some(answer)
    }

    /// Decrypts a packet into `plain` and decodes the request.
    pub(super) fn open<'p>(
        &mut self,
        frame: &Frame<'_>,
        plain: &'p mut Vec<u8>,
    ) -> Result<Call<'p>, ProtoError> {
        let payload = self.wire.open(frame, plain)?;
        self.rakp4 = None;
        if payload != Payload::Ipmi {
            let value = payload.number().into();
            return Err(ProtoError::Unexpected { what: "the type of a payload", value });
        }
        Call::decode(plain)
    }

    pub(super) fn seal(&mut self, message: &[u8], entropy: &mut Entropy, answers: &mut Frames) {
        answers.add(|out| self.wire.seal(Payload::Ipmi, message, entropy.draw(), out));
    }

    /// Returns whether the request is a repetition that must not be executed again, and if so adds the stored
    /// response.
    pub(super) fn repeat_answer(&self, call: &Call<'_>, messages: &mut Frames, now: Instant) -> bool {
        let mut recent = self.answered.iter().filter(|answered| now < answered.at + REMEMBERED);
        let Some(repeated) = recent.find(|answered| *answered.call == call.message) else { return false };
        messages.clone_from(&repeated.messages);
        true
    }

    /// Appends the response messages.
    pub(super) fn answer<D: Device + ?Sized>(
        &mut self,
        call: &Call<'_>,
        device: &mut D,
        context: Context<'_>,
        now: Instant,
        data: &mut Vec<u8>,
        messages: &mut Frames,
    ) {
        if (call.net_fn, call.command) == (NetFn::APP, SEND_MESSAGE) {
            self.bridge(call, device, messages);
        } else {
            data.clear();
            let code = self.respond(call, device, context, data);
            messages.add(|out| call.answered(code, data, out));
        }
        if !call.is_repeatable() {
            self.answered.truncate(MAX_REMEMBERED - 1);
            let call = Zeroizing::new(call.message.to_vec());
            self.answered.push_front(Answered { call, messages: messages.clone(), at: now });
        }
    }

    fn respond<D: Device + ?Sized>(
        &mut self,
        call: &Call<'_>,
        device: &mut D,
        context: Context<'_>,
        data: &mut Vec<u8>,
    ) -> CompletionCode {
        let own = match context.settings.public_answer(call) {
            Some(public) => Some(public),
            None if required::privilege(call) > self.privilege => {
                return CompletionCode::PRIVILEGE;
            }
            None => self.own(call, context),
        };
        if let Some(Response { code, data: content }) = own {
            data.extend_from_slice(&content);
            return code;
        }
        device.answer(&self.device_command(Destination::unit(call.unit).unwrap_or_default(), call), data)
    }

    fn device_command<'o>(&self, destination: Destination, call: &Call<'o>) -> DeviceCommand<'o> {
        let Call { net_fn, command, data, .. } = *call;
        DeviceCommand { destination, net_fn, command, data, privilege: self.privilege }
    }

    /// Answers commands about the session itself.
    fn own(&mut self, call: &Call<'_>, context: Context<'_>) -> Option<Response> {
        if call.net_fn != NetFn::APP {
            return None;
        }
        match (call.command, call.data) {
            (SET_PRIVILEGE, [level]) => Some(self.set_privilege(level & 0x0f)),
            (CLOSE_SESSION, [a, b, c, d]) => {
                let is_this = u32::from_le_bytes([*a, *b, *c, *d]) == self.wire.inbound_id;
                self.is_closed = is_this;
                Some(if is_this { Response::done(Vec::new()) } else { Response::refusal(INVALID_SESSION) })
            }
            // Only this session is visible: a request for another one is answered as if it did not exist.
            (GET_SESSION, [index, ..]) => {
                let most = u8::try_from(context.settings.most_sessions).unwrap_or(0x3f).min(0x3f);
                let active = u8::try_from(context.active_sessions).unwrap_or(0x3f).min(0x3f);
                if *index != 0 {
                    return Some(Response::done(vec![0, most, active]));
                }
                let protocol = match self.wire.sealing {
                    Sealing::RmcpPlus(_) => 0x10,
                    Sealing::Lan15(_) => 0,
                };
                Some(Response::done(vec![1, most, active, self.user, self.privilege.number(), protocol | 1]))
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

    /// Handles Send Message: confirms it and adds the response of the addressed controller (IPMI 2.0, 6.13).
    fn bridge<D: Device + ?Sized>(&self, call: &Call<'_>, device: &mut D, messages: &mut Frames) {
        let Some((flags, message)) = call.data.split_first() else {
            return refuse(call, WRONG_LENGTH, messages);
        };
        let Ok(inner) = Call::decode(message) else { return refuse(call, WRONG_LENGTH, messages) };
        let channel = flags & 0x0f;
        if flags & 0xc0 != TRACK_REQUEST {
            return refuse(call, INVALID_FIELD, messages);
        }
        if inner.address != CONTROLLER && !device.is_there(channel, inner.address) {
            return refuse(call, NOT_ACKNOWLEDGED, messages);
        }
        let Ok(destination) = Destination::on_channel(channel, inner.address, inner.unit) else {
            return refuse(call, INVALID_FIELD, messages);
        };
        messages.add(|out| call.answered(CompletionCode::OK, &[], out));
        let tracked = call.tracks(inner);
        if destination.bridged().is_some() && (inner.net_fn, inner.command) == (NetFn::APP, SEND_MESSAGE) {
            self.pass_on(&tracked, channel, device, messages);
        } else {
            self.answer_there(destination, &tracked, device, messages);
        }
    }

    /// Handles Send Message at an intermediate controller: confirms it and adds the response of the next one.
    fn pass_on<D: Device + ?Sized>(
        &self,
        transit: &Call<'_>,
        channel: u8,
        device: &mut D,
        messages: &mut Frames,
    ) {
        let Some((flags, message)) = transit.data.split_first() else {
            return refuse(transit, WRONG_LENGTH, messages);
        };
        let Ok(inner) = Call::decode(message) else { return refuse(transit, WRONG_LENGTH, messages) };
        let there = Destination::on_channel(flags & 0x0f, inner.address, inner.unit)
            .and_then(|there| there.through(channel, transit.address));
        let Ok(there) = there else { return refuse(transit, INVALID_FIELD, messages) };
        if !device.is_there_behind(there) {
            return refuse(transit, NOT_ACKNOWLEDGED, messages);
        }
        messages.add(|out| transit.answered(CompletionCode::OK, &[], out));
        self.answer_there(there, &transit.tracks(inner), device, messages);
    }

    fn answer_there<D: Device + ?Sized>(
        &self,
        destination: Destination,
        call: &Call<'_>,
        device: &mut D,
        messages: &mut Frames,
    ) {
        let mut data = Vec::new();
        let code = if required::privilege(call) > self.privilege {
            CompletionCode::PRIVILEGE
        } else {
            device.answer(&self.device_command(destination, call), &mut data)
        };
        messages.add(|out| call.answered(code, &data, out));
    }
}

/// Adds an error response.
fn refuse(call: &Call<'_>, code: u8, messages: &mut Frames) {
    messages.add(|out| call.answered(CompletionCode(code), &[], out));
}

const SET_PRIVILEGE: u8 = 0x3b;
const CLOSE_SESSION: u8 = 0x3c;
const GET_SESSION: u8 = 0x3d;
const LEVEL_NOT_AVAILABLE: u8 = 0x80;
const LEVEL_ABOVE_LIMIT: u8 = 0x81;
/// Completion code of Send Message.
const NOT_ACKNOWLEDGED: u8 = 0x83;
const INVALID_SESSION: u8 = 0x87;
const WRONG_LENGTH: u8 = 0xc7;
const INVALID_FIELD: u8 = 0xcc;
const MAX_REMEMBERED: usize = 8;
/// Time for which responses are kept: longer than any console resends a request. Sequence numbers repeat
/// after 64 requests.
const REMEMBERED: Duration = Duration::from_secs(20);
