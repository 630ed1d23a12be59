//! Service side of SPNEGO.

use std::mem;
use std::sync::Arc;

use super::{
    AFTER_END, MAX_STEPS, MechTypeList, NO_MIC, NegState, NegTokenInit, NegTokenResp, Signing, TOO_MANY_STEPS,
};
use crate::{Accepted, Acceptor as Inner, AuthError, Oid, Step};

/// A mechanism that the service offers.
pub trait Mechanism: Send + Sync {
    /// All OIDs of the mechanism.
    fn oids(&self) -> &[Oid];

    /// Begins one authentication. The mechanism provides its own time and entropy.
    ///
    /// # Errors
    /// Any error means that it cannot be used now, such as Kerberos without a keytab; the client's next choice is tried
    /// then.
    fn acceptor(&self) -> Result<Box<dyn Inner>, AuthError>;
}

/// Negotiates one of several mechanisms with one client.
///
/// The client's order decides. If its first choice is unavailable, the token for that is discarded, and both ends must
/// protect the list with a `mechListMIC` (RFC 4178 5).
pub struct Acceptor {
    mechanisms: Vec<Arc<dyn Mechanism>>,
    chosen: Option<Oid>,
    claimed: Option<String>,
    steps: u8,
    state: State,
}

enum State {
    Initial,
    InProgress(Negotiation),
    /// The mechanism is complete; only the client's `mechListMIC` is missing.
    AwaitingMic(MechTypeList, Accepted),
    Over,
}

/// A negotiated mechanism in progress.
struct Negotiation {
    inner: Box<dyn Inner>,
    list: MechTypeList,
    signing: Signing,
    /// OID to name in the service's first token: the one that the client used, because Windows accepts no other.
    oid_to_name: Option<Oid>,
}

impl Acceptor {
    /// Creates an acceptor that offers these mechanisms to one client.
    #[must_use]
    pub fn new(mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        Self { mechanisms, chosen: None, claimed: None, steps: 0, state: State::Initial }
    }

    fn begin(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let token = NegTokenInit::decode(token)?;
        let (position, oid, inner) = self.choose(token.mech_types.oids()).ok_or(AuthError::NoMechanism)?;
        self.chosen = Some(oid.clone());
        let first = position == 0;
        let signing = if first { Signing::AsMechanismRequires } else { Signing::Required };
        let negotiation = Negotiation { inner, list: token.mech_types, signing, oid_to_name: Some(oid) };
        match token.mech_token {
            Some(mech_token) if first => self.advance(negotiation, mech_token, token.mech_list_mic),
            _ => Ok(self.request_token(negotiation)),
        }
    }

    /// Returns the client's first mechanism that is available, with its position in the list.
    fn choose(&self, oids: &[Oid]) -> Option<(usize, Oid, Box<dyn Inner>)> {
        oids.iter().enumerate().find_map(|(position, oid)| {
            let mechanism = self.mechanisms.iter().find(|mechanism| mechanism.oids().contains(oid))?;
            Some((position, oid.clone(), mechanism.acceptor().ok()?))
        })
    }

    fn request_token(&mut self, mut negotiation: Negotiation) -> Step<Accepted> {
        let neg_state = match negotiation.signing {
            Signing::Required => NegState::RequestMic,
            Signing::AsMechanismRequires => NegState::AcceptIncomplete,
        };
        let supported_mech = negotiation.oid_to_name.take();
        self.state = State::InProgress(negotiation);
        let reply = NegTokenResp { neg_state: Some(neg_state), supported_mech, ..NegTokenResp::default() };
        Step::Continue(reply.encode())
    }

    fn resume(&mut self, negotiation: Negotiation, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let token = self.read(token)?;
        let mech_token = token.response_token.ok_or(AuthError::Malformed("missing mechanism token"))?;
        self.advance(negotiation, mech_token, token.mech_list_mic)
    }

    fn advance(
        &mut self,
        negotiation: Negotiation,
        mech_token: &[u8],
        mic: Option<&[u8]>,
    ) -> Result<Step<Accepted>, AuthError> {
        let Negotiation { mut inner, list, signing, oid_to_name } = negotiation;
        let step = inner.step(mech_token);
        self.claimed = inner.claimed();
        let step = step?;
        let reply = NegTokenResp { supported_mech: oid_to_name, ..NegTokenResp::default() };
        match step {
            Step::Continue(_) if mic.is_some() => {
                Err(AuthError::Malformed("mechListMIC before the mechanism is complete"))
            }
            Step::Continue(answer) => {
                self.state = State::InProgress(Negotiation { inner, list, signing, oid_to_name: None });
                let neg_state = Some(NegState::AcceptIncomplete);
                let reply = NegTokenResp { neg_state, response_token: Some(&answer), ..reply };
                Ok(Step::Continue(reply.encode()))
            }
            Step::Done { token, outcome } => {
                let reply = NegTokenResp { response_token: token.as_deref(), ..reply };
                self.conclude(list, signing, outcome, mic, reply)
            }
        }
    }

    /// Handles the completion of the mechanism; `reply` lacks its state and MIC.
    fn conclude(
        &mut self,
        list: MechTypeList,
        signing: Signing,
        mut accepted: Accepted,
        mic: Option<&[u8]>,
        reply: NegTokenResp<'_>,
    ) -> Result<Step<Accepted>, AuthError> {
        let context = accepted.context.as_mut();
        let completed = NegTokenResp { neg_state: Some(NegState::AcceptCompleted), ..reply.clone() };
        if let Some(mic) = mic {
            context.verify(list.octets(), mic)?;
            let own_mic = context.sign(list.octets())?;
            context.mech_list_mic_exchanged();
            let completed = NegTokenResp { mech_list_mic: Some(&own_mic), ..completed };
            return Ok(Step::Done { token: Some(completed.encode()), outcome: accepted });
        }
        if !signing.is_required(context) {
            return Ok(Step::Done { token: Some(completed.encode()), outcome: accepted });
        }
        // The sender of the mechanism's last token adds its MIC (RFC 4178 5 b and c).
        if reply.response_token.is_none() {
            return Err(NO_MIC);
        }
        let own_mic = context.sign(list.octets())?;
        self.state = State::AwaitingMic(list, accepted);
        let neg_state = Some(NegState::AcceptIncomplete);
        Ok(Step::Continue(NegTokenResp { neg_state, mech_list_mic: Some(&own_mic), ..reply }.encode()))
    }

    fn finish(
        &self,
        list: &MechTypeList,
        mut accepted: Accepted,
        token: &[u8],
    ) -> Result<Step<Accepted>, AuthError> {
        let token = self.read(token)?;
        if token.response_token.is_some() {
            return Err(AuthError::Malformed("mechanism token after completion"));
        }
        accepted.context.verify(list.octets(), token.mech_list_mic.ok_or(NO_MIC)?)?;
        accepted.context.mech_list_mic_exchanged();
        Ok(Step::Done { token: None, outcome: accepted })
    }

    fn read<'a>(&self, token: &'a [u8]) -> Result<NegTokenResp<'a>, AuthError> {
        let token = NegTokenResp::decode(token)?;
        if token.neg_state == Some(NegState::Reject) {
            return Err(AuthError::NoMechanism);
        }
        if token.supported_mech.is_some() && token.supported_mech != self.chosen {
            return Err(AuthError::Malformed("supportedMech differs from the negotiated mechanism"));
        }
        Ok(token)
    }
}

impl Inner for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MAX_STEPS {
            return Err(TOO_MANY_STEPS);
        }
        // After an error the state is `Over`, so that the exchange cannot continue.
        match mem::replace(&mut self.state, State::Over) {
            State::Initial => self.begin(token),
            State::InProgress(negotiation) => self.resume(negotiation, token),
            State::AwaitingMic(list, accepted) => self.finish(&list, accepted, token),
            State::Over => Err(AFTER_END),
        }
    }

    fn mechanism(&self) -> Option<Oid> {
        self.chosen.clone()
    }

    fn claimed(&self) -> Option<String> {
        self.claimed.clone()
    }
}
