//! The service's side.

use std::mem;
use std::sync::Arc;

use super::{
    AFTER_THE_END, MOST_STEPS, MechTypeList, NO_MIC, NegState, NegTokenInit, NegTokenResp, Signing,
    TOO_MANY_STEPS,
};
use crate::{Accepted, Acceptor as Inner, AuthError, Oid, Step};

/// A mechanism that the service offers.
pub trait Mechanism: Send + Sync {
    /// Every name it goes by.
    fn oids(&self) -> &[Oid];

    /// Begins one authentication; what it needs of time and entropy it has or gets by itself.
    ///
    /// # Errors
    /// When it cannot be used now, as Kerberos without a keytab: the client's next choice is taken then.
    fn acceptor(&self) -> Result<Box<dyn Inner>, AuthError>;
}

/// Agrees with one client on one of several mechanisms.
///
/// The client's order decides. When its first choice is not to be had, the token it sent for that is dropped, and
/// both ends must sign the list (RFC 4178, 5).
pub struct Acceptor {
    mechanisms: Vec<Arc<dyn Mechanism>>,
    chosen: Option<Oid>,
    claimed: Option<String>,
    steps: u8,
    state: State,
}

enum State {
    Beginning,
    Stepping(Negotiation),
    /// The mechanism is through; what remains is the client's signature.
    AwaitingMic(MechTypeList, Accepted),
    Over,
}

/// A mechanism at work.
struct Negotiation {
    inner: Box<dyn Inner>,
    list: MechTypeList,
    signing: Signing,
    /// What the service's first token must name: the client's own spelling, since Windows takes no other.
    unnamed: Option<Oid>,
}

impl Acceptor {
    /// Offers these mechanisms to one client.
    #[must_use]
    pub fn new(mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        Self { mechanisms, chosen: None, claimed: None, steps: 0, state: State::Beginning }
    }

    fn begin(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let token = NegTokenInit::decode(token)?;
        let (place, oid, inner) = self.choose(token.mech_types.oids()).ok_or(AuthError::NoMechanism)?;
        self.chosen = Some(oid.clone());
        let first = place == 0;
        let signing = if first { Signing::LeftToMechanism } else { Signing::Demanded };
        let negotiation = Negotiation { inner, list: token.mech_types, signing, unnamed: Some(oid) };
        match token.mech_token {
            Some(mech_token) if first => self.advance(negotiation, mech_token, token.mech_list_mic),
            _ => Ok(self.ask_for_token(negotiation)),
        }
    }

    /// The client's first mechanism that is to be had, and its place in the list.
    fn choose(&self, oids: &[Oid]) -> Option<(usize, Oid, Box<dyn Inner>)> {
        oids.iter().enumerate().find_map(|(place, oid)| {
            let mechanism = self.mechanisms.iter().find(|mechanism| mechanism.oids().contains(oid))?;
            Some((place, oid.clone(), mechanism.acceptor().ok()?))
        })
    }

    fn ask_for_token(&mut self, mut negotiation: Negotiation) -> Step<Accepted> {
        let neg_state = match negotiation.signing {
            Signing::Demanded => NegState::RequestMic,
            Signing::LeftToMechanism => NegState::AcceptIncomplete,
        };
        let supported_mech = negotiation.unnamed.take();
        self.state = State::Stepping(negotiation);
        let reply = NegTokenResp { neg_state: Some(neg_state), supported_mech, ..NegTokenResp::default() };
        Step::Continue(reply.encode())
    }

    fn go_on(&mut self, negotiation: Negotiation, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let token = self.read(token)?;
        let mech_token = token.response_token.ok_or(AuthError::Malformed("no token of the mechanism"))?;
        self.advance(negotiation, mech_token, token.mech_list_mic)
    }

    fn advance(
        &mut self,
        negotiation: Negotiation,
        mech_token: &[u8],
        mic: Option<&[u8]>,
    ) -> Result<Step<Accepted>, AuthError> {
        let Negotiation { mut inner, list, signing, unnamed } = negotiation;
        let step = inner.step(mech_token);
        self.claimed = inner.claimed();
        let step = step?;
        let reply = NegTokenResp { supported_mech: unnamed, ..NegTokenResp::default() };
        match step {
            Step::Continue(_) if mic.is_some() => {
                Err(AuthError::Malformed("the list is signed before the mechanism is through"))
            }
            Step::Continue(answer) => {
                self.state = State::Stepping(Negotiation { inner, list, signing, unnamed: None });
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

    /// The mechanism is through; `reply` lacks its state and its signature.
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
        if !signing.demanded_over(context) {
            return Ok(Step::Done { token: Some(completed.encode()), outcome: accepted });
        }
        // Whoever sends the last token of the mechanism signs with it (RFC 4178, 5 b and c).
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
            return Err(AuthError::Malformed("a token for a mechanism that is through"));
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
            return Err(AuthError::Malformed("another mechanism than the one agreed upon"));
        }
        Ok(token)
    }
}

impl Inner for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MOST_STEPS {
            return Err(TOO_MANY_STEPS);
        }
        // An error leaves nothing behind to go on with.
        match mem::replace(&mut self.state, State::Over) {
            State::Beginning => self.begin(token),
            State::Stepping(negotiation) => self.go_on(negotiation, token),
            State::AwaitingMic(list, accepted) => self.finish(&list, accepted, token),
            State::Over => Err(AFTER_THE_END),
        }
    }

    fn mechanism(&self) -> Option<Oid> {
        self.chosen.clone()
    }

    fn claimed(&self) -> Option<String> {
        self.claimed.clone()
    }
}
