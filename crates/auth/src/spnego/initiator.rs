//! The client's side.

use std::mem;

use super::{
    AFTER_THE_END, MOST_STEPS, MechTypeList, NO_MIC, NegState, NegTokenInit, NegTokenResp, Signing,
    TOO_MANY_STEPS,
};
use crate::{AuthError, Initiated, Initiator as Inner, Oid, SecurityContext, Step};

/// A mechanism that the client is ready to use.
pub struct Offer {
    /// The names it is offered under, one at least.
    pub oids: Vec<Oid>,
    /// What speaks it, not begun yet.
    pub initiator: Box<dyn Inner>,
}

/// Agrees with a service on one of several mechanisms.
///
/// The first of them begins at once. When the service takes another, both ends must sign the list, which tells
/// whether somebody between them struck the first (RFC 4178, 5). Leave out what must not be used: this falls back
/// without asking.
pub struct Initiator {
    chosen: Option<Oid>,
    steps: u8,
    state: State,
}

enum State {
    Beginning(Vec<Offer>),
    Offering(Offering),
    Stepping(Negotiation),
    AwaitingMic(Signed),
    Over,
}

/// The first mechanism has begun; the service has not answered yet.
struct Offering {
    list: MechTypeList,
    first: Offer,
    first_token: Vec<u8>,
    others: Vec<Offer>,
}

/// A mechanism that the service has taken.
struct Negotiation {
    inner: Box<dyn Inner>,
    list: MechTypeList,
    signing: Signing,
}

/// All is done but for the service's signature over the list.
struct Signed {
    list: MechTypeList,
    initiated: Initiated,
    /// Whether messages were protected since, so that the ciphers begin anew one after the other.
    used: bool,
}

impl Initiator {
    /// Offers these mechanisms, the preferred one first.
    #[must_use]
    pub fn new(offers: Vec<Offer>) -> Self {
        Self { chosen: None, steps: 0, state: State::Beginning(offers) }
    }

    /// The mechanism at work, once the service has decided.
    #[must_use]
    pub fn mechanism(&self) -> Option<Oid> {
        self.chosen.clone()
    }

    fn begin(&mut self, offers: Vec<Offer>) -> Result<Step<Initiated>, AuthError> {
        let mut failure = AuthError::NoMechanism;
        let mut others = offers.into_iter();
        // What cannot even begin, as Kerberos without a ticket, is not offered.
        let (first, first_token) = loop {
            let mut offer = others.next().ok_or(failure)?;
            match begin(offer.initiator.as_mut()) {
                Ok(token) => break (offer, token),
                Err(error) => failure = error,
            }
        };
        let others: Vec<_> = others.collect();
        let oids = first.oids.iter().chain(others.iter().flat_map(|offer| &offer.oids));
        let list = MechTypeList::new(oids.cloned().collect())?;
        let token = NegTokenInit {
            mech_types: list.clone(),
            mech_token: Some(&first_token),
            neg_hints: None,
            mech_list_mic: None,
        };
        let token = token.encode();
        self.state = State::Offering(Offering { list, first, first_token, others });
        Ok(Step::Continue(token))
    }

    fn choose(&mut self, offering: Offering, token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let Offering { list, first, first_token, others } = offering;
        let token = NegTokenResp::decode(token)?;
        if token.neg_state == Some(NegState::Reject) {
            return Err(AuthError::NoMechanism);
        }
        // A service that names none means the one that has begun.
        let preferred = list.oids().first().ok_or(AuthError::NoMechanism)?;
        let chosen = token.supported_mech.as_ref().unwrap_or(preferred);
        let demanded = chosen != preferred || token.neg_state == Some(NegState::RequestMic);
        let signing = if demanded { Signing::Demanded } else { Signing::LeftToMechanism };
        self.chosen = Some(chosen.clone());
        if first.oids.contains(chosen) {
            let negotiation = Negotiation { inner: first.initiator, list, signing };
            return match token.response_token {
                Some(response) => self.advance(negotiation, response, &token),
                // It was not looked at, under another name of the same mechanism.
                None => Ok(self.send(negotiation, &first_token)),
            };
        }
        let taken = others.into_iter().find(|offer| offer.oids.contains(chosen));
        let mut inner = taken.ok_or(AuthError::Malformed("a mechanism that was not offered"))?.initiator;
        if token.response_token.is_some() {
            return Err(AuthError::Malformed("an answer to a token that was not sent"));
        }
        let first_token = begin(inner.as_mut())?;
        Ok(self.send(Negotiation { inner, list, signing }, &first_token))
    }

    fn send(&mut self, negotiation: Negotiation, mech_token: &[u8]) -> Step<Initiated> {
        self.state = State::Stepping(negotiation);
        Step::Continue(answer(NegState::AcceptIncomplete, Some(mech_token), None))
    }

    fn go_on(&mut self, negotiation: Negotiation, token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let token = self.read(token)?;
        let response = token.response_token.ok_or(AuthError::Malformed("no token of the mechanism"))?;
        self.advance(negotiation, response, &token)
    }

    fn advance(
        &mut self,
        mut negotiation: Negotiation,
        response: &[u8],
        token: &NegTokenResp<'_>,
    ) -> Result<Step<Initiated>, AuthError> {
        let step = negotiation.inner.step(Some(response))?;
        let awaited = matches!(step, Step::Continue(_) | Step::Done { token: Some(_), .. });
        let completed = token.neg_state == Some(NegState::AcceptCompleted);
        if awaited && (completed || token.mech_list_mic.is_some()) {
            return Err(AuthError::Malformed("it is through before the mechanism is"));
        }
        match step {
            Step::Continue(mech_token) => Ok(self.send(negotiation, &mech_token)),
            Step::Done { token: last, outcome } => {
                let Negotiation { list, signing, .. } = negotiation;
                self.conclude(list, signing, outcome, last, token)
            }
        }
    }

    /// The mechanism is through, with a last token for the service or without, after the service's `token`.
    fn conclude(
        &mut self,
        list: MechTypeList,
        signing: Signing,
        mut initiated: Initiated,
        last: Option<Vec<u8>>,
        token: &NegTokenResp<'_>,
    ) -> Result<Step<Initiated>, AuthError> {
        let context = initiated.context.as_mut();
        let completed = token.neg_state == Some(NegState::AcceptCompleted);
        if let Some(mic) = token.mech_list_mic {
            context.verify(list.octets(), mic)?;
            let mut reply = None;
            if !completed {
                let own_mic = context.sign(list.octets())?;
                reply = Some(answer(NegState::AcceptCompleted, None, Some(&own_mic)));
            }
            context.mech_list_mic_exchanged();
            return Ok(Step::Done { token: reply, outcome: initiated });
        }
        let demanded = signing.demanded_over(context);
        if demanded && completed {
            return Err(NO_MIC);
        }
        // A service that has sent the mechanism's last token and is not through waits for the signature.
        let waits = last.is_none() && token.neg_state.is_some() && !completed;
        if !demanded && !waits {
            let last = last.map(|last| answer(NegState::AcceptCompleted, Some(&last), None));
            return Ok(Step::Done { token: last, outcome: initiated });
        }
        let own_mic = context.sign(list.octets())?;
        self.state = State::AwaitingMic(Signed { list, initiated, used: false });
        Ok(Step::Continue(answer(NegState::AcceptIncomplete, last.as_deref(), Some(&own_mic))))
    }

    fn finish(&self, signed: Signed, token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let Signed { list, mut initiated, used } = signed;
        let token = self.read(token)?;
        if token.response_token.is_some()
            || !matches!(token.neg_state, None | Some(NegState::AcceptCompleted))
        {
            return Err(AuthError::Malformed("the mechanism is through, but the service is not"));
        }
        initiated.context.verify(list.octets(), token.mech_list_mic.ok_or(NO_MIC)?)?;
        if used {
            initiated.context.mech_list_mic_checked();
        } else {
            initiated.context.mech_list_mic_exchanged();
        }
        Ok(Step::Done { token: None, outcome: initiated })
    }

    fn read<'a>(&self, token: &'a [u8]) -> Result<NegTokenResp<'a>, AuthError> {
        let token = NegTokenResp::decode(token)?;
        if token.neg_state == Some(NegState::Reject) {
            // The mechanism was agreed upon, so it is the account.
            return Err(AuthError::WrongPassword);
        }
        if token.supported_mech.is_some() && token.supported_mech != self.chosen {
            return Err(AuthError::Malformed("another mechanism than the one agreed upon"));
        }
        Ok(token)
    }
}

impl Inner for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MOST_STEPS {
            return Err(TOO_MANY_STEPS);
        }
        // An error leaves nothing behind to go on with.
        match (mem::replace(&mut self.state, State::Over), token) {
            (State::Beginning(offers), None) => self.begin(offers),
            (State::Offering(offering), Some(token)) => self.choose(offering, token),
            (State::Stepping(negotiation), Some(token)) => self.go_on(negotiation, token),
            (State::AwaitingMic(signed), Some(token)) => self.finish(signed, token),
            (State::Beginning(_), Some(_)) => Err(AuthError::Malformed("it answers nothing")),
            (State::Over, Some(_)) => Err(AFTER_THE_END),
            (_, None) => Err(AuthError::Malformed("there is none")),
        }
    }

    fn established(&mut self) -> Option<&mut dyn SecurityContext> {
        let State::AwaitingMic(signed) = &mut self.state else { return None };
        if !signed.used {
            signed.initiated.context.mech_list_mic_made();
            signed.used = true;
        }
        Some(signed.initiated.context.as_mut())
    }
}

/// The first token of a mechanism. One that needs no answer proves nothing about the service, and is not for us.
fn begin(inner: &mut dyn Inner) -> Result<Vec<u8>, AuthError> {
    match inner.step(None)? {
        Step::Continue(token) => Ok(token),
        Step::Done { .. } => Err(AuthError::Downgraded("an answer of the service")),
    }
}

fn answer(state: NegState, mech_token: Option<&[u8]>, mic: Option<&[u8]>) -> Vec<u8> {
    let token = NegTokenResp {
        neg_state: Some(state),
        supported_mech: None,
        response_token: mech_token,
        mech_list_mic: mic,
    };
    token.encode()
}
