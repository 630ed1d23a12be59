//! The service's side (MS-NLMP 3.2).

use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::av_pair::{AvId, AvPairs};
use super::file_time::FileTime;
use super::flags::Flags;
use super::host_names::HostNames;
use super::keys::{Direction, SessionBaseKey, SessionKey};
use super::message::{Authenticate, Challenge, Negotiate};
use super::response::{ClientChallenge, NtResponse};
use super::session::Context;
use super::verifier::{NtlmVerifier, Verified};
use crate::{Accepted, AuthError, Binding, Hardening, MechListMic, ServiceClass, Step};

/// One sign-in with NTLM, seen from the service.
pub struct Acceptor {
    verifier: Arc<dyn NtlmVerifier>,
    names: HostNames,
    binding: Binding,
    mic: Mic,
    fresh: AcceptorFresh,
    claimed: Option<String>,
    turn: Turn,
}

/// What is new for every sign-in.
#[derive(Clone, Debug)]
pub struct AcceptorFresh {
    /// Random octets that are used once: whoever could foresee them could have a response ready.
    pub challenge: [u8; 8],
    /// Now.
    pub now: SystemTime,
}

/// Whether the messages of a sign-in must have an integrity code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mic {
    /// It is checked where the client says that there is one, as all current ones do; a few clients have none, and are
    /// let in unless the binding is [`Hardening::Strict`].
    #[default]
    IfPresent,
    /// A sign-in without one fails.
    Required,
}

impl Acceptor {
    /// An acceptor for one sign-in on one connection.
    ///
    /// `names` are told to the client; which domains are local is the verifier's to know.
    #[must_use]
    pub fn new(
        verifier: Arc<dyn NtlmVerifier>,
        names: HostNames,
        binding: Binding,
        fresh: AcceptorFresh,
    ) -> Self {
        let (mic, turn) = (Mic::default(), Turn::Negotiate);
        Self { verifier, names, binding, mic, fresh, claimed: None, turn }
    }

    /// Whether there must be an integrity code.
    #[must_use]
    pub fn mic(self, mic: Mic) -> Self {
        Self { mic, ..self }
    }

    fn challenge(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let offered = Negotiate::decode(token)?.flags.require_modern()?;
        let always = Flags::NTLM
            | Flags::REQUEST_TARGET
            | Flags::TARGET_INFO
            | Flags::TARGET_TYPE_SERVER
            | Flags::ALWAYS_SIGN;
        let flags = (offered & Flags::WANTED) | always;
        let challenge = Challenge {
            flags,
            challenge: self.fresh.challenge,
            target_name: self.names.netbios().to_owned(),
            target_info: self.target_info().encode()?,
        };
        let challenge = challenge.encode()?;
        self.turn = Turn::Authenticate { negotiate: token.to_vec(), challenge: challenge.clone(), flags };
        Ok(Step::Continue(challenge))
    }

    /// A machine that belongs to no domain is its own.
    fn target_info(&self) -> AvPairs {
        AvPairs::default()
            .with_name(AvId::NETBIOS_DOMAIN, self.names.netbios())
            .with_name(AvId::NETBIOS_COMPUTER, self.names.netbios())
            .with_name(AvId::DNS_DOMAIN, self.names.dns())
            .with_name(AvId::DNS_COMPUTER, self.names.dns())
            .with_time(FileTime::at(self.fresh.now))
    }

    /// The steps of MS-NLMP 3.2.5.1.2, the password first: nothing else counts before that is proven.
    fn authenticate(
        &mut self,
        token: &[u8],
        offered: Flags,
        before: [&[u8]; 2],
    ) -> Result<Step<Accepted>, AuthError> {
        let message = Authenticate::decode(token)?;
        self.claimed = Some(match message.domain.as_str() {
            "" => message.user.clone(),
            domain => format!("{domain}\\{}", message.user),
        });
        let flags = (message.flags & offered).require_modern()?;
        if message.user.is_empty() {
            return Err(AuthError::Downgraded("a user name"));
        }
        let response = ClientChallenge::decode(NtResponse::decode(&message.nt_response)?.blob)?;
        let Verified { account, base_key } = self.verifier.verify(
            &message.domain,
            &message.user,
            &self.fresh.challenge,
            &message.nt_response,
        )?;

        if !response.time.is_within(MOST_SKEW, FileTime::at(self.fresh.now)) {
            return Err(AuthError::ClockSkew);
        }
        let key = session_key(base_key, flags, &message.session_key)?;
        let mic = self.judge_mic(&key, &response.pairs, token, before)?;
        if self.judge_binding(&response.pairs)? == Bound::ToNothing {
            self.judge_target_name(&response.pairs)?;
        }
        let context = Box::new(Context::new(&key, flags, Direction::ToClient, mic));
        Ok(Step::Done { token: None, outcome: Accepted { account, context } })
    }

    /// The code covers all three messages, so that nobody in between has changed what was negotiated. That there is
    /// one is part of what the password proves, so nobody can take it away either.
    fn judge_mic(
        &self,
        key: &SessionKey,
        pairs: &AvPairs,
        token: &[u8],
        [negotiate, challenge]: [&[u8]; 2],
    ) -> Result<MechListMic, AuthError> {
        if !pairs.has_mic()? {
            return match (self.mic, self.binding.level) {
                (Mic::IfPresent, Hardening::None | Hardening::Relaxed) => Ok(MechListMic::Optional),
                _ => Err(AuthError::Downgraded("a message integrity code")),
            };
        }
        let (head, sent, rest) = Authenticate::split_at_mic(token)
            .ok_or(AuthError::Malformed("the message integrity code is missing"))?;
        let expected = key.mic(&[negotiate, challenge, head, &[0; 16], rest]);
        if bool::from(expected.ct_eq(sent)) { Ok(MechListMic::Required) } else { Err(AuthError::Unproven) }
    }

    /// Compares the channel binding with that of this connection. [`Hardening::None`] accepts any, but a wrong one does
    /// not count as bound.
    fn judge_binding(&self, pairs: &AvPairs) -> Result<Bound, AuthError> {
        let Some(expected) = &self.binding.expected else { return Ok(Bound::ToNothing) };
        match (pairs.channel_bindings()?, self.binding.level) {
            (Some(sent), _) if bool::from(sent.ct_eq(&expected.ntlm_hash())) => Ok(Bound::ToChannel),
            (_, Hardening::None) | (None, Hardening::Relaxed) => Ok(Bound::ToNothing),
            _ => Err(AuthError::ChannelBinding),
        }
    }

    /// Rejects a client that means a service of another protocol: somebody relays its sign-in. Aliases of this host
    /// are accepted, because clients may use any, except where nothing else could be demanded: [`Hardening::Strict`]
    /// without TLS accepts names of this machine only. A client that names no service is accepted.
    fn judge_target_name(&self, pairs: &AvPairs) -> Result<(), AuthError> {
        let Some(name) = pairs.target_name()? else { return Ok(()) };
        let is_strict = self.binding.level == Hardening::Strict;
        let is_ours = match name.split_once('/') {
            Some((class, host)) => {
                ServiceClass::of(class).is_some() && (!is_strict || self.names.is_called(host))
            }
            // It is no name of a service, so it says nothing of another one.
            None => !is_strict,
        };
        if is_ours { Ok(()) } else { Err(AuthError::OtherService) }
    }
}

/// To what a response is bound beyond the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// To this very TLS connection, so it was made for nobody else.
    ToChannel,
    /// To none, or that does not matter.
    ToNothing,
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        match mem::replace(&mut self.turn, Turn::Over) {
            Turn::Negotiate => self.challenge(token),
            Turn::Authenticate { negotiate, challenge, flags } => {
                self.authenticate(token, flags, [&negotiate, &challenge])
            }
            Turn::Over => Err(AuthError::Malformed("it comes after the last NTLM message")),
        }
    }

    fn claimed(&self) -> Option<String> {
        self.claimed.clone()
    }
}

/// Which message is expected.
enum Turn {
    Negotiate,
    Authenticate { negotiate: Vec<u8>, challenge: Vec<u8>, flags: Flags },
    Over,
}

fn session_key(base: SessionBaseKey, flags: Flags, sent: &[u8]) -> Result<SessionKey, AuthError> {
    if !flags.exchange_key() {
        return Ok(base.into_session_key());
    }
    let sent = sent.try_into().map_err(|_| AuthError::Malformed("the session key has not 16 octets"))?;
    Ok(SessionKey::new(base.exchange(Zeroizing::new(sent))))
}

/// How far a client's clock may be off. Most clients repeat the service's time, which they were just told.
const MOST_SKEW: Duration = Duration::from_secs(30 * 60);
