//! Encoding of values that occur in several messages.

use auth::{AuthError, ChannelBinding, Oid};
use sddl::{DomainSid, Sid, Token};
use zeroize::Zeroizing;

use crate::wire::{Malformed, Reader, Writer};

pub(super) fn put_oid(w: &mut Writer, oid: &Oid) {
    w.octets(oid.octets());
}

pub(super) fn oid(r: &mut Reader<'_>) -> Result<Oid, Malformed> {
    Oid::decode(r.octets()?).map_err(|_| Malformed("invalid mechanism OID"))
}

/// Encodes an access token.
pub fn write_token<'w>(w: &'w mut Writer, token: &Token) -> &'w mut Writer {
    w.text(&token.machine().to_string()).octets(&token.user().encode());
    let groups: Vec<Sid> = token.groups().collect();
    w.u32(u32::try_from(groups.len()).unwrap_or(u32::MAX));
    for group in groups {
        w.octets(&group.encode());
    }
    w
}

/// Decodes an access token.
///
/// # Errors
/// [`Malformed`] if the next bytes are not an access token.
pub fn read_token(r: &mut Reader<'_>) -> Result<Token, Malformed> {
    let machine = DomainSid::parse(r.text()?).map_err(|_| Malformed("invalid machine SID"))?;
    let user = sid(r)?;
    let count = r.u32()?;
    if count > MAX_GROUPS {
        return Err(Malformed("too many groups"));
    }
    let groups = (0..count).map(|_| sid(r)).collect::<Result<Vec<_>, _>>()?;
    Ok(Token::new(user, groups, machine))
}

fn sid(r: &mut Reader<'_>) -> Result<Sid, Malformed> {
    Sid::decode(r.octets()?).map_err(|_| Malformed("invalid SID"))
}

/// Maximum number of group SIDs: Linux allows 65,536 groups (setgroups(2)), and a token has a few more.
const MAX_GROUPS: u32 = 70_000;

pub(super) fn secret(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(octets.to_vec())
}

/// Parses the application data of a channel binding (RFC 5929 4).
pub(super) fn binding(application_data: &[u8]) -> Result<ChannelBinding, Malformed> {
    let hash = application_data.strip_prefix(b"tls-server-end-point:");
    let hash = hash.filter(|hash| hash.len() <= 64).ok_or(Malformed("invalid channel binding"))?;
    Ok(ChannelBinding::tls_server_end_point(hash))
}

/// Returns the number of an error in messages. Descriptive texts stay in the broker's log.
pub(super) fn error_number(error: AuthError) -> (u8, u32) {
    match error {
        AuthError::WrongPassword => (1, 0),
        AuthError::NotAllowed => (2, 0),
        AuthError::Malformed(_) => (4, 0),
        AuthError::Downgraded(_) => (5, 0),
        AuthError::ChannelBinding => (6, 0),
        AuthError::OtherService => (7, 0),
        AuthError::Unproven => (8, 0),
        AuthError::NoMechanism => (9, 0),
        AuthError::ClockSkew => (10, 0),
        AuthError::Refused(status) => (11, status),
        AuthError::Unmapped => (12, 0),
        _ => (3, 0),
    }
}

pub(super) fn error(number: u8, status: u32) -> Result<AuthError, Malformed> {
    Ok(match number {
        1 => AuthError::WrongPassword,
        2 => AuthError::NotAllowed,
        3 => AuthError::Unavailable,
        4 => AuthError::Malformed("see the broker's log for details"),
        5 => AuthError::Downgraded("see the broker's log for details"),
        6 => AuthError::ChannelBinding,
        7 => AuthError::OtherService,
        8 => AuthError::Unproven,
        9 => AuthError::NoMechanism,
        10 => AuthError::ClockSkew,
        11 => AuthError::Refused(status),
        12 => AuthError::Unmapped,
        _ => return Err(Malformed("unknown authentication error")),
    })
}
