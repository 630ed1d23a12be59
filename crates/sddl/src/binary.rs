//! The self-relative binary form of a descriptor (MS-DTYP 2.4.6), used by Windows scripts.

use crate::{
    AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, AuditKind, Dacl, MAX_ACES, MAX_TEXT, Principal,
    SddlError, SecurityDescriptor, Sid, Token,
};

impl SecurityDescriptor {
    /// Decodes the self-relative binary form (MS-DTYP 2.4.6).
    ///
    /// # Errors
    /// [`SddlError::Binary`] with the reason and the offset; [`SddlError::NoAccessControl`] for a DACL that
    /// is marked present but has no list, which on Windows grants access to everyone;
    /// [`SddlError::TooManyAces`] and the errors of [`Sid::decode`]. As in SDDL, unsupported content is an
    /// error and is never ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, SddlError> {
        if bytes.len() > MAX_TEXT {
            return Err(SddlError::TooLong { length: bytes.len() });
        }
        let Some((&[revision, _], rest)) = bytes.split_first_chunk::<2>() else {
            return Err(binary(0, "it is shorter than its header"));
        };
        if revision != REVISION {
            return Err(binary(0, "its revision is not 1"));
        }
        let control = u16_at(rest, 0).ok_or_else(|| binary(2, "it is shorter than its header"))?;
        if control & SELF_RELATIVE == 0 {
            return Err(binary(2, "it is not self-relative"));
        }
        let [owner, group, sacl, dacl] = [4, 8, 12, 16].map(|at| offset_at(bytes, at));
        let (owner, group, sacl, dacl) = (owner?, group?, sacl?, dacl?);
        let dacl = match (control & DACL_PRESENT != 0, dacl) {
            (false, _) => None,
            (true, 0) => return Err(SddlError::NoAccessControl { at: 16 }),
            (true, at) => {
                Some(acl_at(bytes, at, AclFlags::of_dacl(control), AccessKind::from_code, MAX_ACES)?)
            }
        };
        let room = MAX_ACES.saturating_sub(dacl.as_ref().map_or(0, |dacl: &Dacl| dacl.aces.len()));
        let sacl = match (control & SACL_PRESENT != 0, sacl) {
            (false, _) | (true, 0) => None,
            (true, at) => Some(acl_at(bytes, at, AclFlags::of_sacl(control), AuditKind::from_code, room)?),
        };
        Self::new(principal_at(bytes, owner)?, principal_at(bytes, group)?, dacl, sacl)
    }

    /// Returns the control bits of the binary form: self-relative, which lists are present, and their
    /// inheritance flags (MS-DTYP 2.4.6, `Control`).
    #[must_use]
    pub fn control(&self) -> u16 {
        let dacl = self.dacl().map(|list| DACL_PRESENT | control_of(list.flags, DACL_FLAGS));
        let sacl = self.sacl().map(|list| SACL_PRESENT | control_of(list.flags, SACL_FLAGS));
        SELF_RELATIVE | dacl.unwrap_or_default() | sacl.unwrap_or_default()
    }

    /// Encodes the self-relative binary form; aliases such as `LA` are resolved for the machine and domain of
    /// `token`.
    ///
    /// # Errors
    /// [`SddlError::RelativeAlias`] for an alias that needs a domain or a machine if the token is missing or
    /// has no domain; [`SddlError::TooManyAces`] for a list larger than 64 KiB.
    pub fn encode(&self, token: Option<&Token>) -> Result<Vec<u8>, SddlError> {
        let mut parts: [Vec<u8>; 4] = Default::default();
        let [owner, group, sacl, dacl] = &mut parts;
        if let Some(principal) = self.owner() {
            *owner = resolve(principal, token)?.encode();
        }
        if let Some(principal) = self.group() {
            *group = resolve(principal, token)?.encode();
        }
        if let Some(list) = self.sacl() {
            *sacl = encode_acl(list, AuditKind::code, token)?;
        }
        if let Some(list) = self.dacl() {
            *dacl = encode_acl(list, AccessKind::code, token)?;
        }
        let mut bytes = vec![REVISION, 0];
        bytes.extend(self.control().to_le_bytes());
        let mut offset = HEADER;
        for part in &parts {
            let at = if part.is_empty() { 0 } else { offset };
            bytes.extend(u32::try_from(at).unwrap_or_default().to_le_bytes());
            offset += part.len();
        }
        bytes.extend(parts.iter().flatten());
        Ok(bytes)
    }
}

impl AclFlags {
    /// Returns the DACL flags in the control bits of a descriptor (MS-DTYP 2.4.6).
    #[must_use]
    pub fn of_dacl(control: u16) -> Self {
        Self::of_control(control, DACL_FLAGS)
    }

    /// Returns the SACL flags in the control bits of a descriptor (MS-DTYP 2.4.6).
    #[must_use]
    pub fn of_sacl(control: u16) -> Self {
        Self::of_control(control, SACL_FLAGS)
    }

    fn of_control(control: u16, meaning: [(u16, Self); 3]) -> Self {
        let set = meaning.iter().filter(|(bit, _)| control & bit != 0);
        set.fold(Self::NONE, |flags, (_, flag)| flags | *flag)
    }
}

fn offset_at(bytes: &[u8], at: usize) -> Result<usize, SddlError> {
    let offset = u32_at(bytes, at).ok_or_else(|| binary(at, "it is shorter than its header"))?;
    usize::try_from(offset).map_err(|_| binary(at, "an offset leads outside"))
}

/// Decodes the SID at an offset; zero means none.
fn principal_at(bytes: &[u8], at: usize) -> Result<Option<Principal>, SddlError> {
    if at == 0 { Ok(None) } else { sid_at(bytes, at).map(|sid| Some(Principal::Sid(sid))) }
}

/// Returns the SID of a principal; aliases are resolved for the machine and domain of the token.
fn resolve(principal: Principal, token: Option<&Token>) -> Result<Sid, SddlError> {
    match principal {
        Principal::Sid(sid) => Ok(sid),
        Principal::Relative(relative) => token
            .and_then(|token| token.resolve(relative))
            .ok_or(SddlError::RelativeAlias { alias: relative.alias() }),
    }
}

fn acl_at<Kind>(
    bytes: &[u8],
    at: usize,
    flags: AclFlags,
    kind: impl Fn(u8) -> Option<Kind>,
    room: usize,
) -> Result<Acl<Kind>, SddlError> {
    let short = || binary(at, "a list ends too early");
    let size = u16_at(bytes, at + 2).ok_or_else(short)?;
    let count = u16_at(bytes, at + 4).ok_or_else(short)?;
    if usize::from(count) > room {
        return Err(SddlError::TooManyAces);
    }
    let end = at + usize::from(size);
    let list = bytes.get(..end).ok_or_else(short)?;
    let mut aces = Vec::new();
    let mut next = at + 8;
    for _ in 0..count {
        let size = usize::from(u16_at(list, next + 2).ok_or_else(short)?);
        let ace = list.get(next..next + size).ok_or_else(short)?;
        aces.push(ace_of(ace, next, &kind)?);
        next += size;
    }
    Ok(Acl { flags, aces })
}

fn ace_of<Kind>(bytes: &[u8], at: usize, kind: impl Fn(u8) -> Option<Kind>) -> Result<Ace<Kind>, SddlError> {
    let Some((&[code, flags, _, _, a, b, c, d], sid)) = bytes.split_first_chunk::<8>() else {
        return Err(binary(at, "an entry ends too early"));
    };
    let kind = kind(code).ok_or_else(|| binary(at, "an entry has a type that is not supported"))?;
    let flags = AceFlags::from_bits(flags).ok_or_else(|| binary(at + 1, "an entry has unknown flags"))?;
    let rights = AccessMask::from_bits(u32::from_le_bytes([a, b, c, d]));
    // An entry may be longer than its SID; the bytes after it have no meaning in entries of these types.
    Ok(Ace { kind, flags, rights, principal: Principal::Sid(sid_at(sid, 0)?) })
}

fn sid_at(bytes: &[u8], at: usize) -> Result<Sid, SddlError> {
    let count = bytes.get(at + 1).map(|count| usize::from(*count));
    let sid = count.and_then(|count| bytes.get(at..at + 8 + 4 * count));
    Sid::decode(sid.ok_or_else(|| binary(at, "a SID ends too early"))?)
}

fn encode_acl<Kind: Copy>(
    list: &Acl<Kind>,
    code: impl Fn(Kind) -> u8,
    token: Option<&Token>,
) -> Result<Vec<u8>, SddlError> {
    let mut entries = Vec::new();
    for ace in &list.aces {
        let sid = resolve(ace.principal, token)?.encode();
        let size = u16::try_from(8 + sid.len()).map_err(|_| SddlError::TooManyAces)?;
        entries.extend([code(ace.kind), ace.flags.bits()]);
        entries.extend(size.to_le_bytes());
        entries.extend(ace.rights.bits().to_le_bytes());
        entries.extend(sid);
    }
    let size = u16::try_from(8 + entries.len()).map_err(|_| SddlError::TooManyAces)?;
    let count = u16::try_from(list.aces.len()).map_err(|_| SddlError::TooManyAces)?;
    let mut bytes = vec![ACL_REVISION, 0];
    bytes.extend(size.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(entries);
    Ok(bytes)
}

fn control_of(flags: AclFlags, meaning: [(u16, AclFlags); 3]) -> u16 {
    meaning.iter().filter(|(_, flag)| flags.contains(*flag)).fold(0, |control, (bit, _)| control | bit)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn binary(at: usize, problem: &'static str) -> SddlError {
    SddlError::Binary { at, problem }
}

const REVISION: u8 = 1;
const ACL_REVISION: u8 = 2;
const HEADER: usize = 20;
const DACL_PRESENT: u16 = 0x0004;
const SACL_PRESENT: u16 = 0x0010;
const SELF_RELATIVE: u16 = 0x8000;

const DACL_FLAGS: [(u16, AclFlags); 3] = [
    (0x1000, AclFlags::PROTECTED),
    (0x0100, AclFlags::AUTO_INHERIT_REQUESTED),
    (0x0400, AclFlags::AUTO_INHERITED),
];

const SACL_FLAGS: [(u16, AclFlags); 3] = [
    (0x2000, AclFlags::PROTECTED),
    (0x0200, AclFlags::AUTO_INHERIT_REQUESTED),
    (0x0800, AclFlags::AUTO_INHERITED),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_descriptor_is_read_and_written_octet_for_octet() {
        // impacket 0.13 decodes these bytes to the same owner, group and entry.
        let descriptor = SecurityDescriptor::parse("O:BAG:BAD:P(A;CI;CCDC;;;AU)").unwrap();
        let expected = [
            1, 0, 0x04, 0x90, 20, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0, // header
            1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0, // owner
            1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0, // group
            2, 0, 28, 0, 1, 0, 0, 0, // list
            0, 2, 20, 0, 3, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0, // entry
        ];
        assert_eq!(descriptor.encode(None).unwrap(), expected);
        assert_eq!(SecurityDescriptor::decode(&expected), Ok(descriptor));
    }

    #[test]
    fn a_descriptor_that_lets_everyone_in_is_refused() {
        let mut bytes = SecurityDescriptor::parse("D:(A;;CC;;;AU)").unwrap().encode(None).unwrap();
        bytes.get_mut(16..20).unwrap().fill(0);
        assert_eq!(SecurityDescriptor::decode(&bytes), Err(SddlError::NoAccessControl { at: 16 }));
    }

    #[test]
    fn every_beginning_of_a_descriptor_is_refused_or_has_less() {
        let whole =
            SecurityDescriptor::parse("O:BAG:SYD:(A;CI;CC;;;AU)(D;;DC;;;NU)S:(AU;FA;CC;;;WD)").unwrap();
        let bytes = whole.encode(None).unwrap();
        assert_eq!(SecurityDescriptor::decode(&bytes), Ok(whole.clone()));
        for length in 0..bytes.len() {
            let beginning = bytes.get(..length).unwrap();
            assert_ne!(SecurityDescriptor::decode(beginning), Ok(whole.clone()), "{length} octets");
        }
    }

    #[test]
    fn an_alias_of_the_machine_needs_a_token_to_be_encoded() {
        let descriptor = SecurityDescriptor::parse("D:(A;;CC;;;LA)").unwrap();
        assert_eq!(descriptor.encode(None), Err(SddlError::RelativeAlias { alias: "LA" }));
        let machine = crate::DomainSid::new([1, 2, 3]);
        let token = Token::new(machine.account(1000), [], machine);
        let decoded = SecurityDescriptor::decode(&descriptor.encode(Some(&token)).unwrap()).unwrap();
        assert_eq!(decoded.to_string(), "D:(A;;CC;;;S-1-5-21-1-2-3-500)");
    }
}
