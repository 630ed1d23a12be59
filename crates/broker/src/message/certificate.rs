//! Encoding of certificate proofs and mappings.

use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateThumbprint, MAX_MAPPINGS, Mapping, MappingChange, MappingChangeError, MappingError,
    MappingFields, MappingKeys, SubjectPattern, UriPattern,
};
use auth::{CertificateProof, HandshakeSignature, Secret, TlsVersion, UserName};

use crate::wire::{Malformed, Reader, Writer};

pub(super) fn put_proof<'w>(w: &'w mut Writer, proof: &CertificateProof) -> &'w mut Writer {
    let HandshakeSignature { scheme, octets } = proof.signature();
    w.u8(match proof.version() {
        TlsVersion::Tls12 => 2,
        TlsVersion::Tls13 => 3,
    });
    w.octets(proof.message()).u32(u32::from(*scheme)).octets(octets);
    w.u32(u32::try_from(proof.certificates().len()).unwrap_or(u32::MAX));
    proof.certificates().iter().fold(w, |w, certificate| w.octets(certificate))
}

/// Decodes a proof. Rejects data that no TLS handshake produces.
pub(super) fn proof(r: &mut Reader<'_>) -> Result<CertificateProof, Malformed> {
    let version = match r.u8()? {
        2 => TlsVersion::Tls12,
        3 => TlsVersion::Tls13,
        _ => return Err(Malformed("unknown TLS version")),
    };
    let message = r.octets()?.to_vec();
    let scheme = u16::try_from(r.u32()?).map_err(|_| Malformed("invalid signature scheme"))?;
    let signature = HandshakeSignature { scheme, octets: r.octets()?.to_vec() };
    let count = r.u32()?;
    if count > MAX_SHOWN {
        return Err(Malformed("too many certificates"));
    }
    let shown = (0..count).map(|_| r.octets().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
    CertificateProof::new(version, shown, message, signature)
        .map_err(|_| Malformed("not a TLS handshake signature"))
}

pub(super) fn put_mapping_change<'w>(w: &'w mut Writer, change: &MappingChange) -> &'w mut Writer {
    match change {
        MappingChange::Create(keys, fields) => put_fields(put_keys(w.u8(1), keys), fields),
        MappingChange::Put(keys, fields) => put_fields(put_keys(w.u8(2), keys), fields),
        MappingChange::Delete(keys) => put_keys(w.u8(3), keys),
    }
}

pub(super) fn mapping_change(r: &mut Reader<'_>) -> Result<MappingChange, Malformed> {
    let (kind, keys) = (r.u8()?, keys(r)?);
    Ok(match kind {
        1 => MappingChange::Create(keys, fields(r)?),
        2 => MappingChange::Put(keys, fields(r)?),
        3 => MappingChange::Delete(keys),
        _ => return Err(Malformed("unknown mapping change")),
    })
}

pub(super) fn put_mappings<'w>(w: &'w mut Writer, all: &[Mapping]) -> &'w mut Writer {
    w.u32(u32::try_from(all.len()).unwrap_or(u32::MAX));
    all.iter().fold(w, |w, mapping| {
        let w = put_keys(w, &mapping.keys()).text(&mapping.user.to_string());
        w.u8(state_number(mapping.state))
    })
}

pub(super) fn mappings(r: &mut Reader<'_>) -> Result<Vec<Mapping>, Malformed> {
    let count = usize::try_from(r.u32()?).unwrap_or(usize::MAX);
    if count > MAX_MAPPINGS {
        return Err(Malformed("too many mappings"));
    }
    (0..count).map(|_| mapping(r)).collect()
}

pub(super) fn put_change_error<'w>(w: &'w mut Writer, error: &MappingChangeError) -> &'w mut Writer {
    match error {
        MappingChangeError::Exists(keys) => put_keys(w.u8(1), keys),
        MappingChangeError::Missing(keys) => put_keys(w.u8(2), keys),
        MappingChangeError::Mappings(MappingError::TooMany) => w.u8(3),
        MappingChangeError::Incomplete => w.u8(4),
        MappingChangeError::PasswordMissing(keys) => put_keys(w.u8(5), keys),
        MappingChangeError::Credentials(user) => w.u8(6).text(&user.to_string()),
        other => w.u8(7).text(&other.to_string()),
    }
}

pub(super) fn change_error(r: &mut Reader<'_>) -> Result<MappingChangeError, Malformed> {
    Ok(match r.u8()? {
        1 => MappingChangeError::Exists(keys(r)?),
        2 => MappingChangeError::Missing(keys(r)?),
        3 => MappingChangeError::Mappings(MappingError::TooMany),
        4 => MappingChangeError::Incomplete,
        5 => MappingChangeError::PasswordMissing(keys(r)?),
        6 => MappingChangeError::Credentials(user(r)?),
        7 => MappingChangeError::Failed(r.text()?.to_owned()),
        _ => return Err(Malformed("unknown mapping error")),
    })
}

fn mapping(r: &mut Reader<'_>) -> Result<Mapping, Malformed> {
    let MappingKeys { issuer, subject, uri } = keys(r)?;
    Ok(Mapping { issuer, subject, uri, user: user(r)?, state: state(r)? })
}
fn put_keys<'w>(w: &'w mut Writer, keys: &MappingKeys) -> &'w mut Writer {
    w.fixed(&keys.issuer.0).text(&keys.subject.to_string()).text(&keys.uri.to_string())
}

fn keys(r: &mut Reader<'_>) -> Result<MappingKeys, Malformed> {
    Ok(MappingKeys {
        issuer: CertificateThumbprint(r.fixed()?),
        subject: SubjectPattern::parse(r.text()?).map_err(|_| Malformed("invalid subject pattern"))?,
        uri: UriPattern::parse(r.text()?).map_err(|_| Malformed("invalid URI pattern"))?,
    })
}

fn put_fields<'w>(w: &'w mut Writer, fields: &MappingFields) -> &'w mut Writer {
    let MappingFields { user, password, state } = fields;
    w.optional(user.as_ref(), |w, user| _ = w.text(&user.to_string()));
    w.optional(password.as_ref(), |w, password| _ = w.text(password.expose()));
    w.optional(*state, |w, state| _ = w.u8(state_number(state)))
}

fn fields(r: &mut Reader<'_>) -> Result<MappingFields, Malformed> {
    Ok(MappingFields {
        user: r.optional(user)?,
        password: r.optional(|r| Ok(Secret::new(r.text()?.to_owned())))?,
        state: r.optional(state)?,
    })
}

fn user(r: &mut Reader<'_>) -> Result<UserName, Malformed> {
    UserName::parse(r.text()?).map_err(|_| Malformed("invalid user name"))
}

fn state_number(state: EnabledState) -> u8 {
    match state {
        EnabledState::Enabled => 1,
        EnabledState::Disabled => 2,
    }
}

fn state(r: &mut Reader<'_>) -> Result<EnabledState, Malformed> {
    match r.u8()? {
        1 => Ok(EnabledState::Enabled),
        2 => Ok(EnabledState::Disabled),
        _ => Err(Malformed("unknown mapping state")),
    }
}

/// Maximum number of certificates in a proof; the TLS listener accepts shorter chains only.
const MAX_SHOWN: u32 = 16;
