//! The client's side (MS-NLMP 3.1).

use std::mem;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::av_pair::AvPairs;
use super::file_time::FileTime;
use super::flags::Flags;
use super::keys::{Direction, NtHash, SessionBaseKey, SessionKey};
use super::message::{Authenticate, Challenge, Negotiate};
use super::response::ClientChallenge;
use super::session::Context;
use crate::{AuthError, ChannelBinding, Initiated, MechListMic, Mutual, Step};

/// One sign-in with NTLM, seen from the client.
pub struct Initiator {
    login: Login,
    sealing: Sealing,
    fresh: InitiatorFresh,
    target_name: Option<String>,
    channel_binding: Option<ChannelBinding>,
    asked: Flags,
    turn: Turn,
}

/// Who signs in.
#[derive(Clone)]
pub struct Login {
    /// The domain or the machine whose account it is; may be empty.
    pub domain: String,
    /// The name of the account.
    pub user: String,
    /// The hash of its password.
    pub hash: NtHash,
}

/// What is new for every sign-in.
pub struct InitiatorFresh {
    /// Random octets that are used once.
    pub challenge: [u8; 8],
    /// Random octets that are used once and kept to oneself.
    pub session_key: Zeroizing<[u8; 16]>,
    /// Now.
    pub now: SystemTime,
}

/// Whether messages will have to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// A service that does not agree to it is not told who asks.
    Required,
    /// Something else protects them, such as TLS.
    IfAgreed,
}

impl Initiator {
    /// An initiator for one sign-in on one connection.
    #[must_use]
    pub fn new(login: Login, sealing: Sealing, fresh: InitiatorFresh) -> Self {
        let (target_name, channel_binding) = (None, None);
        Self {
            login,
            sealing,
            fresh,
            target_name,
            channel_binding,
            asked: Flags::WANTED,
            turn: Turn::Negotiate,
        }
    }

    /// What the service is taken for, such as `HTTP/node7.lab.example`; it may refuse others.
    #[must_use]
    pub fn target_name(self, name: &str) -> Self {
        Self { target_name: Some(name.to_owned()), ..self }
    }

    /// The TLS connection that this goes over; the service refuses what comes over another.
    #[must_use]
    pub fn channel_binding(self, binding: ChannelBinding) -> Self {
        Self { channel_binding: Some(binding), ..self }
    }

    /// For trying out what no client of ours does.
    #[cfg(test)]
    pub(super) fn asking(self, asked: Flags) -> Self {
        Self { asked, ..self }
    }

    fn negotiate(&mut self) -> Result<Step<Initiated>, AuthError> {
        let negotiate = Negotiate { flags: self.asked }.encode()?;
        self.turn = Turn::Authenticate { negotiate: negotiate.clone() };
        Ok(Step::Continue(negotiate))
    }

    fn authenticate(&self, negotiate: &[u8], token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let challenge = Challenge::decode(token)?;
        let agreed = self.agree(challenge.flags)?;
        let offer = ServiceOffer::read(&challenge)?;
        let response = self.client_challenge(&offer)?;
        let response_key = self.login.hash.response_key(&self.login.domain, &self.login.user);
        let (nt_response, base_key) = response.respond(&response_key, &challenge.challenge)?;
        let (key, sent_key) = self.session_key(base_key, agreed);

        let mut message = Authenticate {
            flags: agreed | (challenge.flags & Flags::TARGET_INFO),
            nt_response,
            domain: self.login.domain.clone(),
            user: self.login.user.clone(),
            session_key: sent_key,
            mic: (offer.mic == MechListMic::Required).then_some([0; 16]),
        };
        if message.mic.is_some() {
            message.mic = Some(*key.mic(&[negotiate, token, &message.encode()?]));
        }
        let context = Box::new(Context::new(&key, agreed, Direction::ToServer, offer.mic));
        let outcome = Initiated { context, mutual: Mutual::Unproven };
        Ok(Step::Done { token: Some(message.encode()?), outcome })
    }

    /// What both ends can do, if that is enough.
    fn agree(&self, offered: Flags) -> Result<Flags, AuthError> {
        let both = (self.asked & offered).require_modern()?;
        if self.sealing == Sealing::Required && !both.contains(Flags::SIGN | Flags::SEAL | Flags::KEY_EXCH) {
            return Err(AuthError::Downgraded("sealing"));
        }
        let without_exchange = Flags(!Flags::KEY_EXCH.0);
        Ok(if both.exchange_key() { both } else { both & without_exchange })
    }

    fn client_challenge(&self, offer: &ServiceOffer) -> Result<ClientChallenge, AuthError> {
        let pairs = match offer.mic {
            MechListMic::Required => offer.pairs.clone().with_mic()?,
            MechListMic::Optional => offer.pairs.clone(),
        };
        let pairs = pairs
            .with_channel_bindings(self.channel_binding.as_ref().map(ChannelBinding::ntlm_hash))
            .with_target_name(self.target_name.as_deref());
        let time = offer.time.unwrap_or_else(|| FileTime::at(self.fresh.now));
        Ok(ClientChallenge { time, challenge: self.fresh.challenge, pairs })
    }

    /// The key of the session, and what the service is sent of it.
    fn session_key(&self, base: SessionBaseKey, agreed: Flags) -> (SessionKey, Vec<u8>) {
        if !agreed.exchange_key() {
            return (base.into_session_key(), Vec::new());
        }
        let sent = base.exchange(self.fresh.session_key.clone()).to_vec();
        (SessionKey::new(self.fresh.session_key.clone()), sent)
    }
}

impl crate::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        match (mem::replace(&mut self.turn, Turn::Over), token) {
            (Turn::Negotiate, None) => self.negotiate(),
            (Turn::Authenticate { negotiate }, Some(token)) => self.authenticate(&negotiate, token),
            (Turn::Negotiate, Some(_)) => Err(AuthError::Malformed("the service speaks first")),
            (Turn::Authenticate { .. }, None) => Err(AuthError::Malformed("the challenge is missing")),
            (Turn::Over, _) => Err(AuthError::Malformed("it comes after the last NTLM message")),
        }
    }
}

/// Which message is to be made.
enum Turn {
    Negotiate,
    Authenticate { negotiate: Vec<u8> },
    Over,
}

/// What a service says of itself.
struct ServiceOffer {
    pairs: AvPairs,
    time: Option<FileTime>,
    /// A service that tells the time expects an integrity code (MS-NLMP 3.1.5.1.2).
    mic: MechListMic,
}

impl ServiceOffer {
    fn read(challenge: &Challenge) -> Result<Self, AuthError> {
        let info = challenge.target_info.as_slice();
        let pairs = if info.is_empty() { AvPairs::default() } else { AvPairs::decode(info)? };
        let time = pairs.time()?;
        let mic = if time.is_some() { MechListMic::Required } else { MechListMic::Optional };
        Ok(Self { pairs, time, mic })
    }
}
