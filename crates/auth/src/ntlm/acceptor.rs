//! Service side of NTLM (MS-NLMP 3.2).

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
use crate::{Accepted, AuthError, Binding, DirectorySids, Hardening, MechListMic, ServiceClass, Step};

/// Service side of one NTLM authentication.
pub struct Acceptor {
    verifier: Arc<dyn NtlmVerifier>,
    names: HostNames,
    binding: Binding,
    mic: Mic,
    fresh: AcceptorFresh,
    claimed: Option<String>,
    stage: Stage,
}

/// Fresh values of one authentication.
#[derive(Clone, Debug)]
pub struct AcceptorFresh {
    /// Random bytes that are used once. An attacker who could predict them could prepare a response.
    pub challenge: [u8; 8],
    /// Current time.
    pub now: SystemTime,
}

/// Requirement of a message integrity code (MIC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mic {
    /// Verified if the client announces it, as all current ones do. The few clients without one are accepted unless the
    /// binding is [`Hardening::Strict`].
    #[default]
    IfPresent,
    /// Required.
    Required,
}

impl Acceptor {
    /// Creates an acceptor for one authentication on one connection.
    ///
    /// `names` are sent to the client; the verifier decides which domains are local.
    #[must_use]
    pub fn new(
        verifier: Arc<dyn NtlmVerifier>,
        names: HostNames,
        binding: Binding,
        fresh: AcceptorFresh,
    ) -> Self {
        let (mic, stage) = (Mic::default(), Stage::Negotiate);
        Self { verifier, names, binding, mic, fresh, claimed: None, stage }
    }

    /// Sets the requirement of an integrity code.
    #[must_use]
    pub fn mic(self, mic: Mic) -> Self {
        Self { mic, ..self }
    }

    fn challenge(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let offered = Negotiate::decode(token)?.flags.require_character_set()?.require_protection()?;
        let always = Flags::NTLM
            | Flags::REQUEST_TARGET
            | Flags::TARGET_INFO
            | Flags::TARGET_TYPE_SERVER
            | Flags::ALWAYS_SIGN;
        let flags = (offered & Flags::WANTED) | offered.chosen_character_set() | always;
        let challenge = Challenge {
            flags,
            challenge: self.fresh.challenge,
            target_name: self.names.netbios().to_owned(),
            target_info: self.target_info().encode()?,
        };
        let challenge = challenge.encode()?;
        self.stage = Stage::Authenticate { negotiate: token.to_vec(), challenge: challenge.clone(), flags };
        Ok(Step::Continue(challenge))
    }

    /// Returns the attributes of the challenge: the names of this machine, which is its own domain, and the time.
    fn target_info(&self) -> AvPairs {
        AvPairs::default()
            .with_name(AvId::NETBIOS_DOMAIN, self.names.netbios())
            .with_name(AvId::NETBIOS_COMPUTER, self.names.netbios())
            .with_name(AvId::DNS_DOMAIN, self.names.dns())
            .with_name(AvId::DNS_COMPUTER, self.names.dns())
            .with_time(FileTime::at(self.fresh.now))
    }

    /// Performs the steps of MS-NLMP 3.2.5.1.2. The password is verified first, because nothing else is trustworthy
    /// before.
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
        message.flags.require_character_set()?;
        let flags = (message.flags & offered).require_protection()?;
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

        if !response.time.is_within(MAX_SKEW, FileTime::at(self.fresh.now)) {
            return Err(AuthError::ClockSkew);
        }
        let key = session_key(base_key, flags, &message.session_key)?;
        let mic = self.verify_mic(&key, &response.pairs, token, before)?;
        if self.verify_binding(&response.pairs)? == Bound::ToNothing {
            self.verify_target_name(&response.pairs)?;
        }
        let context = Box::new(Context::new(&key, flags, Direction::ToClient, mic));
        Ok(Step::Done {
            token: None,
            outcome: Accepted { account, context, directory: DirectorySids::default() },
        })
    }

    /// Verifies the MIC over all three messages, so that no attacker can change the negotiation. Its presence is announced
    /// in data that the password protects, so an attacker cannot remove it either.
    fn verify_mic(
        &self,
        key: &SessionKey,
        pairs: &AvPairs,
        token: &[u8],
        [negotiate, challenge]: [&[u8]; 2],
    ) -> Result<MechListMic, AuthError> {
        if !pairs.announces_mic()? {
            return match (self.mic, self.binding.level) {
                (Mic::IfPresent, Hardening::None | Hardening::Relaxed) => Ok(MechListMic::Optional),
                _ => Err(AuthError::Downgraded("a message integrity code")),
            };
        }
        let (head, sent, rest) = Authenticate::split_at_mic(token)
            .ok_or(AuthError::Malformed("missing message integrity code"))?;
        let expected = key.mic(&[negotiate, challenge, head, &[0; 16], rest]);
        if bool::from(expected.ct_eq(sent)) { Ok(MechListMic::Required) } else { Err(AuthError::Unproven) }
    }

    /// Compares the channel binding with that of this connection. [`Hardening::None`] accepts any, but a wrong one does
    /// not count as bound.
    fn verify_binding(&self, pairs: &AvPairs) -> Result<Bound, AuthError> {
        let Some(expected) = &self.binding.expected else { return Ok(Bound::ToNothing) };
        match (pairs.channel_bindings()?, self.binding.level) {
            (Some(sent), _) if bool::from(sent.ct_eq(&expected.ntlm_hash())) => Ok(Bound::ToChannel),
            (_, Hardening::None) | (None, Hardening::Relaxed) => Ok(Bound::ToNothing),
            _ => Err(AuthError::ChannelBinding),
        }
    }

    /// Rejects a target name of another protocol, which indicates a relayed authentication. Aliases of this host are
    /// accepted, because clients may use any, except where no other protection could be demanded: [`Hardening::Strict`]
    /// without TLS accepts only names of this machine. A client that sends no target name is accepted.
    fn verify_target_name(&self, pairs: &AvPairs) -> Result<(), AuthError> {
        let Some(name) = pairs.target_name()? else { return Ok(()) };
        let is_strict = self.binding.level == Hardening::Strict;
        let is_ours = match name.split_once('/') {
            Some((class, host)) => {
                ServiceClass::of(class).is_some() && (!is_strict || self.names.is_this_host(host))
            }
            // Not a service principal name, so it does not name another service.
            None => !is_strict,
        };
        if is_ours { Ok(()) } else { Err(AuthError::OtherService) }
    }
}

/// Binding of a response to a connection, beyond the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Bound to this TLS connection, so the response cannot have been relayed.
    ToChannel,
    /// Not bound, or the binding is irrelevant.
    ToNothing,
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Negotiate => self.challenge(token),
            Stage::Authenticate { negotiate, challenge, flags } => {
                self.authenticate(token, flags, [&negotiate, &challenge])
            }
            Stage::Over => Err(AuthError::Malformed("message after the end of NTLM")),
        }
    }

    fn claimed(&self) -> Option<String> {
        self.claimed.clone()
    }
}

/// Next expected message.
enum Stage {
    Negotiate,
    Authenticate { negotiate: Vec<u8>, challenge: Vec<u8>, flags: Flags },
    Over,
}

fn session_key(base: SessionBaseKey, flags: Flags, sent: &[u8]) -> Result<SessionKey, AuthError> {
    if !flags.exchanges_key() {
        return Ok(base.into_session_key());
    }
    let sent = sent.try_into().map_err(|_| AuthError::Malformed("session key is not 16 bytes"))?;
    Ok(SessionKey::new(base.exchange(Zeroizing::new(sent))))
}

/// Maximum clock difference. Most clients repeat the time of the service, which they have just received.
const MAX_SKEW: Duration = Duration::from_secs(30 * 60);
