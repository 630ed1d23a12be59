//! The controller's side of an IPMI 1.5 login (IPMI 2.0, 22.16 and 22.17).

use std::time::Instant;

use super::admission::Source;
use super::established::Established;
use super::{Account, Responder, Slot, State};
use crate::entropy::Entropy;
use crate::keys::same;
use crate::lan15::{self, Lan15Packet, Lan15Sealing};
use crate::message::{Call, CompletionCode, Response};
use crate::octets::Octets;
use crate::window::Window;
use crate::wire::{Sealing, Wire};
use crate::{AuthenticationType, Frames, NetFn, Privilege, ProtoError, UserName};

/// A login whose challenge has been sent.
#[derive(Debug)]
pub(super) struct Challenged15 {
    id: u32,
    kind: AuthenticationType,
    challenge: [u8; 16],
    number: u8,
    account: Account,
}

impl Responder {
    /// Handles Get Session Challenge.
    pub(super) fn challenge(
        &mut self,
        data: &[u8],
        from: Source,
        now: Instant,
    ) -> Result<Response, ProtoError> {
        let mut octets = Octets::new("Get Session Challenge", data);
        let kind = octets.u8()?;
        let name: [u8; 16] = octets.array()?;
        let length = name.iter().position(|octet| *octet == 0).unwrap_or(name.len());
        let name = UserName::from_octets(name.get(..length).unwrap_or_default())?;
        let kind =
            AuthenticationType::parse(kind & 0x0f).ok().filter(|kind| self.settings.lan15.contains(kind));
        let Some(kind) = kind else { return Ok(Response::refusal(INVALID_FIELD)) };
        let Some((number, account)) = self.settings.find(&name) else {
            let code = if length == 0 { NULL_USER_DISABLED } else { INVALID_USER };
            return Ok(Response::refusal(code));
        };
        let account = account.clone();
        let Some(id) = self.admit(from) else { return Ok(Response::refusal(BUSY)) };
        let challenge = self.entropy.draw();
        let state = State::Challenged15(Challenged15 { id, kind, challenge, number, account });
        self.slots.push(Slot { id, from, heard_at: now, state });
        Ok(Response::done([&id.to_le_bytes()[..], &challenge].concat()))
    }
}

impl Challenged15 {
    /// Handles Activate Session. Returns the session, or `None` if it was rejected; `is_full` means that all
    /// sessions are in use.
    pub(super) fn activate(
        &self,
        packet: &Lan15Packet<'_>,
        is_full: bool,
        entropy: &mut Entropy,
        answers: &mut Frames,
    ) -> Result<Option<Established>, ProtoError> {
        let sealing =
            Lan15Sealing { kind: self.kind, password: self.account.password.clone(), is_first_only: false };
        let call = Call::decode(packet.open(&sealing)?)?;
        if packet.number != 0 || (call.net_fn, call.command) != (NetFn::APP, ACTIVATE_SESSION) {
            return Err(ProtoError::OutOfWindow);
        }
        let mut octets = Octets::new("Activate Session", call.data);
        let [kind, level] = octets.array()?;
        let (challenge, outbound): ([u8; 16], u32) = (octets.array()?, octets.u32()?);
        // Consoles treat the number of this packet as the one before the first of the session.
        let mut answer = |code: CompletionCode, data: &[u8]| {
            let mut message = Vec::new();
            call.answered(code, data, &mut message);
            answers.add(|out| lan15::seal(&sealing, self.id, outbound, &message, out));
        };
        if kind & 0x0f != self.kind.number() || !same(&self.challenge, &challenge) {
            answer(CompletionCode(INVALID_FIELD), &[]);
            return Ok(None);
        }
        if is_full {
            answer(CompletionCode(NO_SESSION), &[]);
            return Ok(None);
        }
        let limit = self.account.limit.min(Privilege::at_most(level & 0x0f));
        let inbound = entropy.number();
        let mut data = vec![self.kind.number()];
        data.extend(self.id.to_le_bytes());
        data.extend(inbound.to_le_bytes());
        data.push(limit.number());
        answer(CompletionCode::OK, &data);
        let wire = Wire {
            sealing: Sealing::Lan15(sealing),
            outbound_id: self.id,
            inbound_id: self.id,
            sent: outbound,
            received: Window::narrow(),
        };
        Ok(Some(Established::new(wire, self.number, limit, None)))
    }
}

const ACTIVATE_SESSION: u8 = 0x3a;
const BUSY: u8 = 0xc0;
/// Completion codes of Activate Session.
const NO_SESSION: u8 = 0x81;
const INVALID_USER: u8 = 0x81;
const NULL_USER_DISABLED: u8 = 0x82;
const INVALID_FIELD: u8 = 0xcc;
