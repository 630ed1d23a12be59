//! SPNEGO tokens (RFC 4178 4.2).

use super::MAX_TOKEN;
use crate::der::{Reader, Tag, element, octets_field, only};
use crate::{AuthError, Oid};

/// First token of a client (RFC 4178 4.2.1), and `NegTokenInit2` of some services (MS-SPNG 2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegTokenInit<'a> {
    /// Offered mechanisms, preferred first.
    pub mech_types: MechTypeList,
    /// Optimistic token of the first mechanism.
    pub mech_token: Option<&'a [u8]>,
    /// `negHints`, written by services only.
    pub neg_hints: Option<NegHints<'a>>,
    /// `mechListMIC` of the first mechanism, if it is available already.
    pub mech_list_mic: Option<&'a [u8]>,
}

/// `NegHints` of a Windows service; clients ignore it (MS-SPNG 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegHints<'a> {
    /// Name of the service, or a placeholder.
    pub hint_name: Option<&'a [u8]>,
    /// Address of the service.
    pub hint_address: Option<&'a [u8]>,
}

/// All tokens but the first (RFC 4178 4.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegTokenResp<'a> {
    /// State of the negotiation.
    pub neg_state: Option<NegState>,
    /// Mechanism that the service selected; in its first token.
    pub supported_mech: Option<Oid>,
    /// Token of the mechanism.
    pub response_token: Option<&'a [u8]>,
    /// `mechListMIC`: the mechanism's MIC over the mechanism list.
    pub mech_list_mic: Option<&'a [u8]>,
}

/// State of a negotiation (RFC 4178 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegState {
    /// The sender needs no further token.
    AcceptCompleted,
    /// The sender needs another token.
    AcceptIncomplete,
    /// The sender rejects the negotiation.
    Reject,
    /// Like [`AcceptIncomplete`](Self::AcceptIncomplete), and a `mechListMIC` is required; in the service's first
    /// token.
    RequestMic,
}

/// Mechanism list, with the exact bytes that the `mechListMIC` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MechTypeList {
    /// INVARIANT: 1 to [`MAX_MECHANISMS`] mechanisms.
    oids: Vec<Oid>,
    /// INVARIANT: the DER sequence of `oids`.
    octets: Vec<u8>,
}

impl MechTypeList {
    /// Creates a list; the preferred mechanism comes first.
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`] for an empty list, [`AuthError::Malformed`] for one that is too long.
    pub fn new(oids: Vec<Oid>) -> Result<Self, AuthError> {
        let elements: Vec<_> = oids.iter().map(|oid| element(Tag::OID, &[oid.octets()])).collect();
        let parts: Vec<_> = elements.iter().map(Vec::as_slice).collect();
        Self::of(oids, element(Tag::SEQUENCE, &parts))
    }

    /// Mechanisms in order of preference.
    #[must_use]
    pub fn oids(&self) -> &[Oid] {
        &self.oids
    }

    /// DER sequence, as received or sent: the input of the `mechListMIC`.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        let mut reader = Reader::new(only(octets, Tag::SEQUENCE)?);
        let mut oids = Vec::new();
        while !reader.is_empty() {
            if oids.len() == MAX_MECHANISMS {
                return Err(TOO_MANY);
            }
            oids.push(Oid::decode(reader.expect(Tag::OID)?.content)?);
        }
        Self::of(oids, octets.to_vec())
    }

    fn of(oids: Vec<Oid>, octets: Vec<u8>) -> Result<Self, AuthError> {
        match oids.len() {
            0 => Err(AuthError::NoMechanism),
            1..=MAX_MECHANISMS => Ok(Self { oids, octets }),
            _ => Err(TOO_MANY),
        }
    }
}

impl<'a> NegTokenInit<'a> {
    /// Parses a whole token, including the frame with the OID of SPNEGO (RFC 2743 3.1).
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for an invalid token, [`AuthError::NoMechanism`] if the list is empty.
    pub fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        let (mechanism, inner) = initial_token(octets)?;
        if mechanism != Oid::SPNEGO {
            return Err(AuthError::Malformed("not a SPNEGO token"));
        }
        let mut reader = Reader::new(only(only(inner, Tag::field(0))?, Tag::SEQUENCE)?);
        let mech_types = MechTypeList::decode(reader.field(0)?.ok_or(AuthError::NoMechanism)?)?;
        reader.field(1)?; // reqFlags are deprecated and ignored (RFC 4178 4.2.1).
        let mech_token = reader.octets_field(2)?;
        // RFC 4178 and MS-SPNG disagree about the third field.
        let (mut neg_hints, mut mech_list_mic, mut last) = (None, None, 2);
        if let Some(third) = reader.field(3)? {
            last = 3;
            if third.first() == Some(&Tag::SEQUENCE.0) {
                neg_hints = Some(NegHints::decode(third)?);
                mech_list_mic = reader.octets_field(4)?;
                last = 4;
            } else {
                mech_list_mic = Some(only(third, Tag::OCTET_STRING)?);
            }
        }
        reader.skip_fields_after(last)?;
        Ok(Self { mech_types, mech_token, neg_hints, mech_list_mic })
    }

    /// Encodes a whole token.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = vec![element(Tag::field(0), &[self.mech_types.octets()])];
        fields.extend(self.mech_token.map(|token| octets_field(2, token)));
        fields.extend(self.neg_hints.map(|hints| element(Tag::field(3), &[&hints.encode()])));
        let number = if self.neg_hints.is_some() { 4 } else { 3 };
        fields.extend(self.mech_list_mic.map(|mic| octets_field(number, mic)));
        let inner = element(Tag::field(0), &[&sequence(&fields)]);
        element(Tag::INITIAL_TOKEN, &[&element(Tag::OID, &[Oid::SPNEGO.octets()]), &inner])
    }
}

impl<'a> NegHints<'a> {
    fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        let mut reader = Reader::new(only(octets, Tag::SEQUENCE)?);
        let hint_name = reader.field(0)?.map(|field| only(field, Tag::GENERAL_STRING)).transpose()?;
        let hint_address = reader.octets_field(1)?;
        reader.end()?;
        Ok(Self { hint_name, hint_address })
    }

    fn encode(self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(2);
        fields.extend(
            self.hint_name.map(|name| element(Tag::field(0), &[&element(Tag::GENERAL_STRING, &[name])])),
        );
        fields.extend(self.hint_address.map(|address| octets_field(1, address)));
        sequence(&fields)
    }
}

impl<'a> NegTokenResp<'a> {
    /// Parses a whole token.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for an invalid token.
    pub fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        if octets.len() > MAX_TOKEN {
            return Err(TOO_LONG);
        }
        let mut reader = Reader::new(only(only(octets, Tag::field(1))?, Tag::SEQUENCE)?);
        let neg_state = reader.field(0)?.map(NegState::decode).transpose()?;
        let supported_mech = reader.field(1)?.map(|field| Oid::decode(only(field, Tag::OID)?)).transpose()?;
        let response_token = reader.octets_field(2)?;
        let mech_list_mic = reader.octets_field(3)?;
        reader.skip_fields_after(3)?;
        Ok(Self { neg_state, supported_mech, response_token, mech_list_mic })
    }

    /// Encodes a whole token.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(4);
        fields.extend(self.neg_state.map(|state| element(Tag::field(0), &[&state.encode()])));
        if let Some(oid) = &self.supported_mech {
            fields.push(element(Tag::field(1), &[&element(Tag::OID, &[oid.octets()])]));
        }
        fields.extend(self.response_token.map(|token| octets_field(2, token)));
        fields.extend(self.mech_list_mic.map(|mic| octets_field(3, mic)));
        element(Tag::field(1), &[&sequence(&fields)])
    }
}

impl NegState {
    fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        match only(octets, Tag::ENUMERATED)? {
            [0] => Ok(Self::AcceptCompleted),
            [1] => Ok(Self::AcceptIncomplete),
            [2] => Ok(Self::Reject),
            [3] => Ok(Self::RequestMic),
            _ => Err(AuthError::Malformed("invalid negState")),
        }
    }

    fn encode(self) -> Vec<u8> {
        let number = match self {
            Self::AcceptCompleted => 0,
            Self::AcceptIncomplete => 1,
            Self::Reject => 2,
            Self::RequestMic => 3,
        };
        element(Tag::ENUMERATED, &[&[number]])
    }
}

/// Splits the first token of an exchange into the OID of its mechanism and the mechanism's data (RFC 2743 3.1).
pub(crate) fn initial_token(octets: &[u8]) -> Result<(Oid, &[u8]), AuthError> {
    if octets.len() > MAX_TOKEN {
        return Err(TOO_LONG);
    }
    let mut reader = Reader::new(only(octets, Tag::INITIAL_TOKEN)?);
    let mechanism = Oid::decode(reader.expect(Tag::OID)?.content)?;
    Ok((mechanism, reader.rest()))
}

fn sequence(fields: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<_> = fields.iter().map(Vec::as_slice).collect();
    element(Tag::SEQUENCE, &parts)
}

/// Maximum number of mechanisms; Windows offers four.
const MAX_MECHANISMS: usize = 16;

const TOO_MANY: AuthError = AuthError::Malformed("too many mechanisms");
const TOO_LONG: AuthError = AuthError::Malformed("longer than 64 KiB");
