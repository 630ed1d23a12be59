//! Client side of SPNEGO.

use std::mem;

use super::{
    AFTER_END, MAX_STEPS, MechTypeList, NO_MIC, NegState, NegTokenInit, NegTokenResp, Signing, TOO_MANY_STEPS,
};
use crate::{AuthError, Initiated, Initiator as Inner, Oid, SecurityContext, Step};

/// A mechanism that the client offers.
pub struct Offer {
    /// OIDs to offer, at least one.
    pub oids: Vec<Oid>,
    /// Initiator of the mechanism, not started yet.
    pub initiator: Box<dyn Inner>,
}

/// Negotiates one of several mechanisms with a service.
///
/// The first mechanism starts immediately. If the service selects another one, both ends must protect the list with a
/// `mechListMIC`, which reveals whether an attacker removed the first one (RFC 4178 5). Do not offer mechanisms that
/// must not be used: the fallback happens without confirmation.
pub struct Initiator {
    chosen: Option<Oid>,
    steps: u8,
    state: State,
}

enum State {
    Initial(Vec<Offer>),
    Offered(Offered),
    InProgress(Negotiation),
    AwaitingMic(PendingMic),
    Over,
}

/// The first mechanism has started; the service has not answered yet.
struct Offered {
    list: MechTypeList,
    first: Offer,
    first_token: Vec<u8>,
    others: Vec<Offer>,
}

/// The mechanism that the service has selected.
struct Negotiation {
    inner: Box<dyn Inner>,
    list: MechTypeList,
    signing: Signing,
}

/// The mechanism is complete; only the service's `mechListMIC` is missing.
struct PendingMic {
    list: MechTypeList,
    initiated: Initiated,
    /// `true` if messages have been protected since, so that the RC4 states are reset one direction at a time.
    used: bool,
}

impl Initiator {
    /// Creates an initiator that offers these mechanisms, preferred first.
    #[must_use]
    pub fn new(offers: Vec<Offer>) -> Self {
        Self { chosen: None, steps: 0, state: State::Initial(offers) }
    }

    /// Negotiated mechanism, once the service has decided.
    #[must_use]
    pub fn mechanism(&self) -> Option<Oid> {
        self.chosen.clone()
    }

    fn begin(&mut self, offers: Vec<Offer>) -> Result<Step<Initiated>, AuthError> {
        let mut failure = AuthError::NoMechanism;
        let mut others = offers.into_iter();
        // Mechanisms that fail to start, such as Kerberos without a ticket, are not offered.
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
        self.state = State::Offered(Offered { list, first, first_token, others });
        Ok(Step::Continue(token))
    }

    fn choose(&mut self, offering: Offered, token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let Offered { list, first, first_token, others } = offering;
        let token = NegTokenResp::decode(token)?;
        if token.neg_state == Some(NegState::Reject) {
            return Err(AuthError::NoMechanism);
        }
        // If the service names no mechanism, it selected the first one.
        let preferred = list.oids().first().ok_or(AuthError::NoMechanism)?;
        let chosen = token.supported_mech.as_ref().unwrap_or(preferred);
        let is_required = chosen != preferred || token.neg_state == Some(NegState::RequestMic);
        let signing = if is_required { Signing::Required } else { Signing::AsMechanismRequires };
        self.chosen = Some(chosen.clone());
        if first.oids.contains(chosen) {
            let negotiation = Negotiation { inner: first.initiator, list, signing };
            return match token.response_token {
                Some(response) => self.advance(negotiation, response, &token),
                // The service used another OID of the same mechanism and did not process the first token.
                None => Ok(self.send(negotiation, &first_token)),
            };
        }
        let taken = others.into_iter().find(|offer| offer.oids.contains(chosen));
        let mut inner = taken.ok_or(AuthError::Malformed("selected mechanism was not offered"))?.initiator;
        if token.response_token.is_some() {
            return Err(AuthError::Malformed("answer to a token that was not sent"));
        }
        let first_token = begin(inner.as_mut())?;
        Ok(self.send(Negotiation { inner, list, signing }, &first_token))
    }

    fn send(&mut self, negotiation: Negotiation, mech_token: &[u8]) -> Step<Initiated> {
        self.state = State::InProgress(negotiation);
        Step::Continue(answer(NegState::AcceptIncomplete, Some(mech_token), None))
    }

    fn resume(&mut self, negotiation: Negotiation, token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let token = self.read(token)?;
        let response = token.response_token.ok_or(AuthError::Malformed("missing mechanism token"))?;
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
            return Err(AuthError::Malformed("negotiation completed before the mechanism"));
        }
        match step {
            Step::Continue(mech_token) => Ok(self.send(negotiation, &mech_token)),
            Step::Done { token: last, outcome } => {
                let Negotiation { list, signing, .. } = negotiation;
                self.conclude(list, signing, outcome, last, token)
            }
        }
    }

    /// Handles the completion of the mechanism, with an optional `last` token for the service, after the service's
    /// `token`.
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
        let is_required = signing.is_required(context);
        if is_required && completed {
            return Err(NO_MIC);
        }
        // A service that has sent the mechanism's last token but is not complete waits for our MIC.
        let waits = last.is_none() && token.neg_state.is_some() && !completed;
        if !is_required && !waits {
            let last = last.map(|last| answer(NegState::AcceptCompleted, Some(&last), None));
            return Ok(Step::Done { token: last, outcome: initiated });
        }
        let own_mic = context.sign(list.octets())?;
        self.state = State::AwaitingMic(PendingMic { list, initiated, used: false });
        Ok(Step::Continue(answer(NegState::AcceptIncomplete, last.as_deref(), Some(&own_mic))))
    }

    fn finish(&self, pending: PendingMic, token: &[u8]) -> Result<Step<Initiated>, AuthError> {
        let PendingMic { list, mut initiated, used } = pending;
        let token = self.read(token)?;
        if token.response_token.is_some()
            || !matches!(token.neg_state, None | Some(NegState::AcceptCompleted))
        {
            return Err(AuthError::Malformed("service continues after the mechanism is complete"));
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
            // The mechanism was negotiated, so the account was rejected.
            return Err(AuthError::WrongPassword);
        }
        if token.supported_mech.is_some() && token.supported_mech != self.chosen {
            return Err(AuthError::Malformed("supportedMech differs from the negotiated mechanism"));
        }
        Ok(token)
    }
}

impl Inner for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MAX_STEPS {
            return Err(TOO_MANY_STEPS);
        }
        // After an error the state is `Over`, so that the exchange cannot continue.
        match (mem::replace(&mut self.state, State::Over), token) {
            (State::Initial(offers), None) => self.begin(offers),
            (State::Offered(offering), Some(token)) => self.choose(offering, token),
            (State::InProgress(negotiation), Some(token)) => self.resume(negotiation, token),
            (State::AwaitingMic(pending), Some(token)) => self.finish(pending, token),
            (State::Initial(_), Some(_)) => Err(AuthError::Malformed("unexpected token")),
            (State::Over, Some(_)) => Err(AFTER_END),
            (_, None) => Err(AuthError::Malformed("missing token")),
        }
    }

    fn established(&mut self) -> Option<&mut dyn SecurityContext> {
        let State::AwaitingMic(pending) = &mut self.state else { return None };
        if !pending.used {
            pending.initiated.context.mech_list_mic_made();
            pending.used = true;
        }
        Some(pending.initiated.context.as_mut())
    }
}

/// Returns the first token of a mechanism. Mechanisms without an answer do not authenticate the service, so they are
/// rejected.
fn begin(inner: &mut dyn Inner) -> Result<Vec<u8>, AuthError> {
    match inner.step(None)? {
        Step::Continue(token) => Ok(token),
        Step::Done { .. } => Err(AuthError::Downgraded("an answer from the service")),
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
