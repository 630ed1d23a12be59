//! Security descriptors and SIDs.

use sddl::{
    AccessMask, Dacl, DomainSid, Guard, LogonInfo, MAX_ACES, Outcome, Principal, SddlError,
    SecurityDescriptor, Sid, Token,
};

/// Checks any bytes, parsed as SDDL, as a binary SID and as a binary descriptor.
///
/// Printed text parses to the same value and prints the same again. The offset of an error lies within the
/// text. Rights granted together are also granted one by one.
///
/// # Panics
/// If one of these properties does not hold.
pub fn sddl(data: &[u8]) {
    if let Ok(sid) = Sid::decode(data) {
        assert_eq!(sid.encode(), data, "a binary SID changed");
        assert_eq!(Sid::parse(&sid.to_string()), Ok(sid), "a SID changed when it was printed");
    }
    if let Ok(descriptor) = SecurityDescriptor::decode(data) {
        // Re-encoding drops the padding of entries, so only the values are compared.
        let bytes = descriptor.encode(None);
        let again = bytes.as_deref().map(SecurityDescriptor::decode);
        assert_eq!(again, Ok(Ok(descriptor.clone())), "a binary descriptor changed");
        descriptor_holds(&descriptor);
    }
    let Ok(text) = str::from_utf8(data) else { return };
    match SecurityDescriptor::parse(text) {
        Ok(descriptor) => descriptor_holds(&descriptor),
        Err(error) => error_points_into(text, &error),
    }
}

/// Checks any bytes as the SIDs of a Kerberos ticket.
///
/// The number of groups is bounded, no group occurs twice, bytes behind the structure change nothing, and the position
/// of an error lies within the bytes.
///
/// # Panics
/// If one of these properties does not hold.
pub fn logon_info(data: &[u8]) {
    match LogonInfo::decode(data) {
        Ok(info) => {
            assert!(info.groups.len() <= LogonInfo::MAX_GROUPS && data.len() <= LogonInfo::MAX_LENGTH);
            let unique: std::collections::BTreeSet<_> = info.groups.iter().collect();
            assert_eq!(unique.len(), info.groups.len(), "a group occurs twice");
            assert_eq!(info.user.domain(), Some(info.domain));
            if data.len() < LogonInfo::MAX_LENGTH {
                assert_eq!(LogonInfo::decode(&[data, &[0xff]].concat()), Ok(info));
            }
        }
        Err(error) => assert!(error.at <= data.len(), "{error}"),
    }
}

fn descriptor_holds(descriptor: &SecurityDescriptor) {
    let printed = descriptor.to_string();
    let again = SecurityDescriptor::parse(&printed);
    assert_eq!(again.as_ref(), Ok(descriptor), "{printed} is another descriptor");
    assert_eq!(again.map(|again| again.to_string()).as_ref(), Ok(&printed), "{printed} is not canonical");
    assert_eq!(Guard::new(descriptor.clone()).is_ok(), descriptor.dacl().is_some(), "{printed} as a guard");

    let aces = descriptor.dacl().map_or(0, |dacl| dacl.aces.len());
    assert!(aces <= MAX_ACES && descriptor.explain().count() <= aces, "{printed} has too many entries");
    for token in tokens(descriptor) {
        checks_hold(descriptor, &token);
    }
}

fn checks_hold(descriptor: &SecurityDescriptor, token: &Token) {
    for desired in [AccessMask::GENERIC_ALL, READ_AND_WRITE, AccessMask::from_bits(u32::MAX)] {
        let verdict = descriptor.access_check(token, desired);
        let mut each =
            (0..u32::BITS).map(|bit| AccessMask::from_bits(1 << bit).intersection(desired.mapped()));
        let one_by_one =
            each.all(|right| right.is_empty() || descriptor.access_check(token, right).is_granted());
        assert_eq!(verdict.is_granted(), one_by_one, "{descriptor}: {desired} for {token:?}");
        let aces = descriptor.dacl().map_or(0, |dacl: &Dacl| dacl.aces.len());
        assert!(verdict.ace().is_none_or(|ace| ace < aces), "{descriptor}: {verdict} names no entry");
        let _ = descriptor.audit(token, desired, Outcome::from(verdict));
    }
    assert!(
        !descriptor.access_check(token, AccessMask::NONE).is_granted(),
        "{descriptor}: the empty mask is granted"
    );
}

/// Returns a few tokens for principals that the descriptor names.
fn tokens(descriptor: &SecurityDescriptor) -> impl Iterator<Item = Token> {
    let machine = DomainSid::new([1, 2, 3]);
    let named = descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces).map(|ace| ace.principal);
    let named =
        descriptor.owner().into_iter().chain(named).take(TOKENS).filter_map(|principal| match principal {
            Principal::Sid(sid) => Some(sid),
            Principal::Relative(relative) => relative.resolve(machine, None),
        });
    let named: Vec<Sid> = named.collect();
    let alone = named.clone().into_iter().map(move |user| Token::new(user, [], machine));
    alone.chain([Token::new(machine.account(1000), named, machine)])
}

fn error_points_into(text: &str, error: &SddlError) {
    let at = match error {
        SddlError::Expected { at, .. }
        | SddlError::UnknownAlias { at, .. }
        | SddlError::UnknownRight { at, .. }
        | SddlError::UnknownAceFlag { at, .. }
        | SddlError::UnsupportedAceType { at, .. }
        | SddlError::AceTypeInWrongAcl { at, .. }
        | SddlError::ObjectGuid { at }
        | SddlError::NoAccessControl { at }
        | SddlError::NumberTooLarge { at, .. } => *at,
        _ => 0,
    };
    assert!(text.is_char_boundary(at), "{error} in {text:?}");
    assert!(error.to_string().len() < 256, "an error quotes too much of its text");
}

/// Maximum number of principals of a descriptor for which a token is made.
const TOKENS: usize = 6;

const READ_AND_WRITE: AccessMask = AccessMask::GENERIC_READ.union(AccessMask::GENERIC_WRITE);
