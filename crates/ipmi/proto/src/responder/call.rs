//! Commands that need no session.

use std::time::Instant;

use super::admission::Source;
use super::{Responder, Settings};
use crate::capabilities::{self, SUITES_PIECE};
use crate::message::{Call, Response};
use crate::{NetFn, ProtoError};

impl Responder {
    /// Answers a command outside a session; commands that need a session get no response.
    pub(super) fn answer_outside(
        &mut self,
        call: &Call<'_>,
        from: Source,
        now: Instant,
    ) -> Result<Response, ProtoError> {
        if (call.net_fn, call.command) == (NetFn::APP, GET_SESSION_CHALLENGE) {
            return self.challenge(call.data, from, now);
        }
        self.settings.public_answer(call).ok_or(ProtoError::Unauthentic)
    }
}

impl Settings {
    /// Returns the response to a command that needs no session; `None` for other commands.
    pub(super) fn public_answer(&self, call: &Call<'_>) -> Option<Response> {
        match (call.net_fn, call.command) {
            (NetFn::APP, GET_SYSTEM_GUID) => Some(Response::done(self.guid.to_vec())),
            (NetFn::APP, GET_AUTHENTICATION_CAPABILITIES) => Some(self.capabilities(call.data)),
            (NetFn::APP, GET_CIPHER_SUITES) => Some(self.piece_of_suites(call.data)),
            _ => None,
        }
    }

    fn capabilities(&self, data: &[u8]) -> Response {
        let [channel, _level, ..] = data else { return Response::refusal(WRONG_LENGTH) };
        let mut types = self.lan15.iter().fold(0, |bits, kind| bits | 1 << kind.number());
        let named = self.accounts.iter().any(|account| !account.name.octets().is_empty());
        let anonymous = self
            .accounts
            .iter()
            .filter(|account| account.name.octets().is_empty())
            .map(|account| if account.password.is_empty() { 0x01 } else { 0x02 });
        let mut status = anonymous.fold(u8::from(named) << 2, |bits, bit| bits | bit);
        let mut versions = u8::from(!self.lan15.is_empty());
        // A request in IPMI 1.5 format gets IPMI 1.5 data only.
        if channel & 0x80 != 0 && !self.suites.is_empty() {
            types |= 0x80;
            versions |= 0x02;
            let has_key = self.group_key.as_ref().is_some_and(|key| !key.is_unset());
            status |= u8::from(has_key) << 5;
        }
        Response::done(vec![LAN_CHANNEL, types, status, versions, 0, 0, 0, 0])
    }

    fn piece_of_suites(&self, data: &[u8]) -> Response {
        let [_channel, _payload, index, ..] = data else { return Response::refusal(WRONG_LENGTH) };
        let list = capabilities::list(&self.suites);
        let piece = list.chunks(SUITES_PIECE).nth(usize::from(index & 0x3f)).unwrap_or_default();
        Response::done([&[LAN_CHANNEL], piece].concat())
    }
}

const LAN_CHANNEL: u8 = 1;
const GET_SYSTEM_GUID: u8 = 0x37;
const GET_AUTHENTICATION_CAPABILITIES: u8 = 0x38;
const GET_SESSION_CHALLENGE: u8 = 0x39;
const GET_CIPHER_SUITES: u8 = 0x54;
const WRONG_LENGTH: u8 = 0xc7;
