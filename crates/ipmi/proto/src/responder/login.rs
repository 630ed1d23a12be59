//! The controller's side of Open Session and RAKP (IPMI 2.0, 13.17 to 13.23).

use std::time::Instant;

use super::admission::Source;
use super::established::Established;
use super::{Account, Responder, Slot, State};
use crate::keys::{Exchange, same};
use crate::octets::Octets;
use crate::wire::Wire;
use crate::{CipherSuite, Password, Privilege, ProtoError, UserName};

/// A login after Open Session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    suite: CipherSuite,
    console_id: u32,
    /// `Rc`; the same for repeated RAKP 1 messages.
    random: [u8; 16],
}

/// A login after RAKP 2 was sent.
#[derive(Debug)]
pub(super) struct Challenged {
    opened: Opened,
    exchange: Exchange,
    account: Option<(u8, Account)>,
    /// Password of the account, or a random one if there is no such account.
    password: Password,
}

impl Responder {
    /// Handles Open Session Request and returns the response.
    pub(super) fn open_session(
        &mut self,
        request: &[u8],
        from: Source,
        now: Instant,
    ) -> Result<Vec<u8>, ProtoError> {
        let mut octets = Octets::new("an Open Session Request", request);
        let [tag, level, _, _] = octets.array()?;
        let console_id = octets.u32()?;
        if level & 0x0f > HIGHEST_ROLE {
            return Ok(refused(tag, INVALID_ROLE, console_id));
        }
        let mut algorithms = [0; 3];
        for (kind, algorithm) in (0_u8..).zip(&mut algorithms) {
            let [got, _, _, _, number, _, _, _] = octets.array()?;
            if got != kind {
                return Ok(refused(tag, INVALID_PARAMETER, console_id));
            }
            *algorithm = number & 0x3f;
        }
        let Some(suite) = self.settings.suites.iter().copied().find(|suite| suite.algorithms() == algorithms)
        else {
            return Ok(refused(tag, NO_SUITE, console_id));
        };
        let Some(id) = self.admit(from) else { return Ok(refused(tag, NO_RESOURCES, console_id)) };
        let random = self.entropy.draw();
        let state = State::Opened(Opened { suite, console_id, random });
        self.slots.push(Slot { id, from, heard_at: now, state });
        // Zero requests the highest available level.
        let level = if level & 0x0f == 0 { Privilege::Administrator.number() } else { level & 0x0f };
        let mut response = vec![tag, 0, level, 0];
        response.extend(console_id.to_le_bytes());
        response.extend(id.to_le_bytes());
        for (kind, algorithm) in (0_u8..).zip(suite.algorithms()) {
            response.extend([kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        Ok(response)
    }

    /// Handles RAKP 1 and returns RAKP 2. For an unknown user the response looks the same, with a code
    /// computed from a random password.
    pub(super) fn rakp1(&mut self, message: &[u8]) -> Result<Vec<u8>, ProtoError> {
        let mut octets = Octets::new("RAKP 1", message);
        let [tag, _, _, _] = octets.array()?;
        let id = octets.u32()?;
        let console_random = octets.array()?;
        let [role, _, _, length] = octets.array()?;
        let unknown = Password::from_random(&self.entropy.draw());
        let guid = self.settings.guid;
        let slot = self.slot(id)?;
        let opened = match &slot.state {
            State::Opened(opened) => *opened,
            State::Challenged(challenged) => challenged.opened,
            _ => return Err(ProtoError::OutOfWindow),
        };
        let name = octets.take(length.into())?;
        let Ok(user) = UserName::from_octets(name) else {
            return Ok(refused(tag, INVALID_NAME_LENGTH, opened.console_id));
        };
        if !(1..=HIGHEST_ROLE).contains(&(role & 0x0f)) {
            return Ok(refused(tag, INVALID_ROLE, opened.console_id));
        }
        let exchange = Exchange {
            suite: opened.suite,
            console_id: opened.console_id,
            controller_id: id,
            console_random,
            controller_random: opened.random,
            guid,
            role,
            user,
        };
        let account = self.settings.find(&exchange.user).map(|(number, account)| (number, account.clone()));
        let password = account.as_ref().map_or(unknown, |(_, account)| account.password.clone());
        let mut response = vec![tag, 0, 0, 0];
        response.extend(opened.console_id.to_le_bytes());
        response.extend(opened.random);
        response.extend(guid);
        response.extend(&*exchange.rakp2(&password));
        let challenged = Challenged { opened, exchange, account, password };
        self.slot(id)?.state = State::Challenged(Box::new(challenged));
        Ok(response)
    }

    /// Handles RAKP 3 and returns RAKP 4; `None` if the console cancelled the login.
    pub(super) fn rakp3(&mut self, message: &[u8], now: Instant) -> Result<Option<Vec<u8>>, ProtoError> {
        let mut octets = Octets::new("RAKP 3", message);
        let [tag, status, _, _] = octets.array()?;
        let id = octets.u32()?;
        let code = octets.rest();
        let group_key = self.settings.group_key.clone();
        let is_full = self.is_full();
        let slot = self.slot(id)?;
        let challenged = match &slot.state {
            State::Challenged(challenged) => challenged,
            // The response was lost: send the same one again.
            State::Established(session) => return Ok(session.rakp4_again(tag, code)),
            _ => return Err(ProtoError::OutOfWindow),
        };
        let Challenged { exchange, account, password, .. } = challenged.as_ref();
        let console_id = exchange.console_id;
        let is_proven = status == 0 && same(&exchange.rakp3(password), code);
        let (true, Some((number, account))) = (is_proven, account) else {
            self.slots.retain(|slot| slot.id != id);
            return Ok((status == 0).then(|| refused(tag, INVALID_INTEGRITY_CHECK, console_id)));
        };
        if is_full {
            // Other logins that started later have taken the last session.
            self.slots.retain(|slot| slot.id != id);
            return Ok(Some(refused(tag, NO_RESOURCES, console_id)));
        }
        let keys = exchange.keys(password, group_key.as_ref());
        let mut response = vec![tag, 0, 0, 0];
        response.extend(console_id.to_le_bytes());
        response.extend(&*exchange.rakp4(&keys));
        let limit = account.limit.min(Privilege::at_most(exchange.role & 0x0f));
        let wire = Wire::rmcp_plus(keys, id, console_id);
        let again = (code.to_vec(), response.clone());
        let session = Established::new(wire, *number, limit, Some(again));
        (slot.heard_at, slot.state) = (now, State::Established(Box::new(session)));
        Ok(Some(response))
    }
}

fn refused(tag: u8, status: u8, console_id: u32) -> Vec<u8> {
    [&[tag, status, 0, 0], &console_id.to_le_bytes()[..]].concat()
}

const NO_RESOURCES: u8 = 0x01;
const INVALID_ROLE: u8 = 0x09;
const INVALID_NAME_LENGTH: u8 = 0x0c;
const INVALID_INTEGRITY_CHECK: u8 = 0x0f;
const NO_SUITE: u8 = 0x11;
const INVALID_PARAMETER: u8 = 0x12;
/// Highest role number, OEM (IPMI 2.0, 13.17 and 13.20).
const HIGHEST_ROLE: u8 = 5;
