//! Client side of NTLM (MS-NLMP 3.1).

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

/// Client side of one NTLM authentication.
pub struct Initiator {
    login: Login,
    sealing: Sealing,
    fresh: InitiatorFresh,
    target_name: Option<String>,
    channel_binding: Option<ChannelBinding>,
    requested: Flags,
    stage: Stage,
}

/// Account to authenticate as.
#[derive(Clone)]
pub struct Login {
    /// Domain or machine of the account; may be empty.
    pub domain: String,
    /// Account name.
    pub user: String,
    /// NT hash of the password.
    pub hash: NtHash,
}

/// Fresh values of one authentication.
pub struct InitiatorFresh {
    /// Random bytes that are used once.
    pub challenge: [u8; 8],
    /// Random bytes that are used once and kept secret.
    pub session_key: Zeroizing<[u8; 16]>,
    /// Current time.
    pub now: SystemTime,
}

/// Requirement of message sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// The exchange fails before the client reveals its name if the service does not support sealing.
    Required,
    /// Optional; something else protects the messages, such as TLS.
    IfAgreed,
}

impl Initiator {
    /// Creates an initiator for one authentication on one connection.
    #[must_use]
    pub fn new(login: Login, sealing: Sealing, fresh: InitiatorFresh) -> Self {
        let (target_name, channel_binding) = (None, None);
        Self {
            login,
            sealing,
            fresh,
            target_name,
            channel_binding,
            requested: Flags::WANTED,
            stage: Stage::Negotiate,
        }
    }

    /// Sets the expected service, such as `HTTP/node7.lab.example`. The service may reject other names.
    #[must_use]
    pub fn target_name(self, name: &str) -> Self {
        Self { target_name: Some(name.to_owned()), ..self }
    }

    /// Sets the TLS connection in use. The service rejects the response on any other connection.
    #[must_use]
    pub fn channel_binding(self, binding: ChannelBinding) -> Self {
        Self { channel_binding: Some(binding), ..self }
    }

    /// Requests other flags than our client does.
    #[cfg(test)]
    pub(super) fn requesting(self, requested: Flags) -> Self {
        Self { requested, ..self }
    }

    fn negotiate(&mut self) -> Result<Step<Initiated>, AuthError> {
        let negotiate = Negotiate { flags: self.requested }.encode()?;
        self.stage = Stage::Authenticate { negotiate: negotiate.clone() };
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

    /// Returns the flags common to both ends, if they are sufficient.
    fn agree(&self, offered: Flags) -> Result<Flags, AuthError> {
        let both = (self.requested & offered).require_modern()?;
        if self.sealing == Sealing::Required && !both.contains(Flags::SIGN | Flags::SEAL | Flags::KEY_EXCH) {
            return Err(AuthError::Downgraded("sealing"));
        }
        let without_exchange = Flags(!Flags::KEY_EXCH.0);
        Ok(if both.exchanges_key() { both } else { both & without_exchange })
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

    /// Returns the session key, and the encrypted form to send to the service.
    fn session_key(&self, base: SessionBaseKey, agreed: Flags) -> (SessionKey, Vec<u8>) {
        if !agreed.exchanges_key() {
            return (base.into_session_key(), Vec::new());
        }
        let sent = base.exchange(self.fresh.session_key.clone()).to_vec();
        (SessionKey::new(self.fresh.session_key.clone()), sent)
    }
}

impl crate::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        match (mem::replace(&mut self.stage, Stage::Over), token) {
            (Stage::Negotiate, None) => self.negotiate(),
            (Stage::Authenticate { negotiate }, Some(token)) => self.authenticate(&negotiate, token),
            (Stage::Negotiate, Some(_)) => Err(AuthError::Malformed("token before the first message")),
            (Stage::Authenticate { .. }, None) => Err(AuthError::Malformed("missing challenge")),
            (Stage::Over, _) => Err(AuthError::Malformed("message after the end of NTLM")),
        }
    }
}

/// Next message to send.
enum Stage {
    Negotiate,
    Authenticate { negotiate: Vec<u8> },
    Over,
}

/// Attributes of a service.
struct ServiceOffer {
    pairs: AvPairs,
    time: Option<FileTime>,
    /// A service that sends its time expects an integrity code (MS-NLMP 3.1.5.1.2).
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
