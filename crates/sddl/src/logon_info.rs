//! SIDs of a user and its groups in a Kerberos ticket of Active Directory (MS-PAC 2.5, `KERB_VALIDATION_INFO`).

use crate::{DomainSid, Sid};

/// SIDs that a domain controller has put into a ticket.
///
/// The buffer is only as trustworthy as the ticket: its signature must be verified before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogonInfo {
    /// SID of the domain that issued the ticket.
    pub domain: DomainSid,
    /// SID of the user or computer.
    pub user: Sid,
    /// Enabled groups in the order of the ticket: the primary group, those of the domain, those of other domains, and
    /// those of the domain of the service. Without duplicates, at most [`MAX_GROUPS`](LogonInfo::MAX_GROUPS).
    pub groups: Vec<Sid>,
}

/// Error in the buffer, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the groups of the ticket (KERB_VALIDATION_INFO) are malformed: {reason} at byte {at}")]
pub struct LogonInfoError {
    /// Offset in the buffer.
    pub at: usize,
    /// Description of the error.
    pub reason: &'static str,
}

impl LogonInfo {
    /// Maximum length of the buffer in bytes: tickets of Windows have at most 65,535.
    pub const MAX_LENGTH: usize = 65_536;
    /// Maximum number of groups. A token of Windows has at most 1,024 SIDs.
    pub const MAX_GROUPS: usize = 1_024;

    /// Decodes the buffer `PAC_LOGON_INFO` of a ticket (type serialization version 1 of MS-RPCE 2.2.6).
    ///
    /// # Errors
    /// [`LogonInfoError`]. Nothing is skipped: a group that is not understood could be one that is denied.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogonInfoError> {
        if bytes.len() > Self::MAX_LENGTH {
            return Err(LogonInfoError { at: Self::MAX_LENGTH, reason: "more bytes than the limit" });
        }
        let mut reader = Reader { bytes, at: 0 };
        reader.header()?;
        let fixed = Fixed::read(&mut reader)?;
        fixed.deferred(&mut reader)
    }
}

/// Fixed part of the structure: lengths, and whether pointers are null.
struct Fixed {
    /// Whether each of the first six strings is present.
    names: [Text; 6],
    user: u32,
    primary_group: u32,
    groups: Counted,
    flags: u32,
    server: Text,
    domain_name: Text,
    domain: bool,
    extra: Counted,
    resource_domain: bool,
    resource_groups: Counted,
}

/// `RPC_UNICODE_STRING` in a fixed part.
#[derive(Clone, Copy)]
struct Text {
    is_present: bool,
}

/// Number of elements and the pointer to them.
#[derive(Clone, Copy)]
struct Counted {
    count: usize,
    is_present: bool,
}

impl Fixed {
    fn read(r: &mut Reader<'_>) -> Result<Self, LogonInfoError> {
        /// LogonTime to PasswordMustChange.
        const TIMES: usize = 48;
        /// UserSessionKey.
        const SESSION_KEY: usize = 16;
        /// Reserved1, UserAccountControl, SubAuthStatus, two times, FailedILogonCount, Reserved3.
        const ACCOUNT: usize = 40;
        r.skip(TIMES)?;
        let names = [r.text()?, r.text()?, r.text()?, r.text()?, r.text()?, r.text()?];
        // LogonCount and BadPasswordCount.
        r.skip(4)?;
        let (user, primary_group) = (r.u32()?, r.u32()?);
        let groups = r.counted()?;
        let flags = r.u32()?;
        r.skip(SESSION_KEY)?;
        let (server, domain_name) = (r.text()?, r.text()?);
        let domain = r.pointer()?;
        r.skip(ACCOUNT)?;
        let extra = r.counted()?;
        let resource_domain = r.pointer()?;
        let resource_groups = r.counted()?;
        Ok(Self {
            names,
            user,
            primary_group,
            groups,
            flags,
            server,
            domain_name,
            domain,
            extra,
            resource_domain,
            resource_groups,
        })
    }

    /// Reads the parts to which the pointers refer, in the order of the pointers.
    fn deferred(&self, r: &mut Reader<'_>) -> Result<LogonInfo, LogonInfoError> {
        for name in self.names {
            r.characters(name)?;
        }
        let relative = r.memberships(self.groups)?;
        r.characters(self.server)?;
        r.characters(self.domain_name)?;
        if !self.domain {
            return Err(r.error("no SID of the domain"));
        }
        let domain = r.domain()?;
        let extra = r.sids(self.extra)?;
        let resource_domain = if self.resource_domain { Some(r.domain()?) } else { None };
        let resource = r.memberships(self.resource_groups)?;
        let mut groups = vec![domain.account(self.primary_group)];
        groups.extend(relative.into_iter().map(|rid| domain.account(rid)));
        // Without their flags the parts are not in use (MS-PAC 2.5, UserFlags).
        if self.flags & EXTRA_SIDS != 0 {
            groups.extend(extra);
        }
        if let Some(resource_domain) = resource_domain.filter(|_| self.flags & RESOURCE_GROUPS != 0) {
            groups.extend(resource.into_iter().map(|rid| resource_domain.account(rid)));
        }
        let mut seen = std::collections::BTreeSet::new();
        groups.retain(|group| seen.insert(*group));
        if groups.len() > LogonInfo::MAX_GROUPS {
            return Err(r.error("more groups than the limit"));
        }
        Ok(LogonInfo { domain, user: domain.account(self.user), groups })
    }
}

/// Reader of NDR (DCE 1.1: RPC, chapter 14), little endian. All parts of the structure are aligned to 4 bytes.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    /// Reads the common and the private header, and the pointer to the structure.
    fn header(&mut self) -> Result<(), LogonInfoError> {
        /// Version 1, little endian, 8 bytes.
        const COMMON: [u8; 4] = [1, 0x10, 8, 0];
        if self.chunk::<4>()? != COMMON {
            return Err(LogonInfoError { at: 0, reason: "no header of version 1 in little endian" });
        }
        self.skip(4)?;
        let length = self.count()?;
        self.skip(4)?;
        if length > self.bytes.len().saturating_sub(self.at) {
            return Err(self.error("a length beyond the end"));
        }
        if self.pointer()? { Ok(()) } else { Err(self.error("a null pointer to the structure")) }
    }

    fn error(&self, reason: &'static str) -> LogonInfoError {
        LogonInfoError { at: self.at, reason }
    }

    fn skip(&mut self, count: usize) -> Result<(), LogonInfoError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        self.at = end.ok_or(self.error("the end of the buffer"))?;
        Ok(())
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], LogonInfoError> {
        let chunk = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).copied();
        let chunk = chunk.ok_or(self.error("the end of the buffer"))?;
        self.skip(N)?;
        Ok(chunk)
    }

    fn u32(&mut self) -> Result<u32, LogonInfoError> {
        self.chunk().map(u32::from_le_bytes)
    }

    /// Reads a number of elements.
    fn count(&mut self) -> Result<usize, LogonInfoError> {
        let count = self.u32()?;
        usize::try_from(count).map_err(|_| self.error("a number that is too large"))
    }

    /// Reads a pointer; returns whether it is not null.
    fn pointer(&mut self) -> Result<bool, LogonInfoError> {
        Ok(self.u32()? != 0)
    }

    fn text(&mut self) -> Result<Text, LogonInfoError> {
        // Length and MaximumLength repeat what the deferred part says.
        self.skip(4)?;
        Ok(Text { is_present: self.pointer()? })
    }

    fn counted(&mut self) -> Result<Counted, LogonInfoError> {
        Ok(Counted { count: self.count()?, is_present: self.pointer()? })
    }

    /// Skips the characters of a string, a conformant varying array.
    fn characters(&mut self, text: Text) -> Result<(), LogonInfoError> {
        if !text.is_present {
            return Ok(());
        }
        let (most, offset, actual) = (self.count()?, self.count()?, self.count()?);
        if offset != 0 || actual > most {
            return Err(self.error("a string with an offset, or longer than its maximum"));
        }
        let length = actual.checked_mul(2).and_then(|bytes| bytes.checked_next_multiple_of(4));
        self.skip(length.ok_or(self.error("a string that is too long"))?)
    }

    /// Returns the length of an array, which its deferred part repeats.
    fn array(&mut self, counted: Counted) -> Result<usize, LogonInfoError> {
        if !counted.is_present {
            return if counted.count == 0 { Ok(0) } else { Err(self.error("a null pointer to elements")) };
        }
        if self.count()? != counted.count {
            return Err(self.error("two different numbers of elements"));
        }
        if counted.count > LogonInfo::MAX_GROUPS {
            return Err(self.error("more groups than the limit"));
        }
        Ok(counted.count)
    }

    /// Returns the relative identifiers of the enabled groups in an array of `GROUP_MEMBERSHIP`.
    fn memberships(&mut self, counted: Counted) -> Result<Vec<u32>, LogonInfoError> {
        let count = self.array(counted)?;
        let mut enabled = Vec::new();
        for _ in 0..count {
            let (rid, attributes) = (self.u32()?, self.u32()?);
            if is_enabled(attributes) {
                enabled.push(rid);
            }
        }
        Ok(enabled)
    }

    /// Returns the enabled SIDs in an array of `KERB_SID_AND_ATTRIBUTES`.
    fn sids(&mut self, counted: Counted) -> Result<Vec<Sid>, LogonInfoError> {
        let count = self.array(counted)?;
        let mut attributes = Vec::new();
        for _ in 0..count {
            if !self.pointer()? {
                return Err(self.error("a null pointer to a SID"));
            }
            attributes.push(self.u32()?);
        }
        let mut enabled = Vec::new();
        for attributes in attributes {
            let sid = self.sid()?;
            if is_enabled(attributes) {
                enabled.push(sid);
            }
        }
        Ok(enabled)
    }

    fn domain(&mut self) -> Result<DomainSid, LogonInfoError> {
        let at = self.at;
        let error = LogonInfoError { at, reason: "a SID that is not that of a domain" };
        DomainSid::try_from(self.sid()?).map_err(|_| error)
    }

    /// Reads a SID, a conformant structure: the number of its sub-authorities comes first, and again inside.
    fn sid(&mut self) -> Result<Sid, LogonInfoError> {
        let count = self.count()?;
        let begin = self.at;
        if count > crate::MAX_SUB_AUTHORITIES {
            return Err(self.error("a SID with too many sub-authorities"));
        }
        self.skip(count.saturating_mul(4).saturating_add(8))?;
        let bytes = self.bytes.get(begin..self.at).unwrap_or_default();
        Sid::decode(bytes).map_err(|_| LogonInfoError { at: begin, reason: "an invalid SID" })
    }
}

/// Returns whether a group grants access: it is enabled, and not for denials only.
fn is_enabled(attributes: u32) -> bool {
    /// `SE_GROUP_ENABLED`
    const ENABLED: u32 = 0x4;
    /// `SE_GROUP_USE_FOR_DENY_ONLY`
    const DENY_ONLY: u32 = 0x10;
    attributes & ENABLED != 0 && attributes & DENY_ONLY == 0
}

/// `LOGON_EXTRA_SIDS`: the array of SIDs is in use.
const EXTRA_SIDS: u32 = 0x20;
/// `LOGON_RESOURCE_GROUPS`: the groups of the domain of the service are in use.
const RESOURCE_GROUPS: u32 = 0x200;

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: [u32; 3] = [11, 22, 33];
    const ENABLED: u32 = 7;

    /// Builder of a buffer in the layout of MS-PAC 2.5.
    #[derive(Clone)]
    struct Ticket {
        groups: Vec<(u32, u32)>,
        extra: Vec<(Sid, u32)>,
        resource: Option<(DomainSid, Vec<(u32, u32)>)>,
        flags: u32,
    }

    impl Ticket {
        /// Ticket of the computer WEB1 in the groups domain computers (515, the primary one) and 1234.
        fn of_a_computer() -> Self {
            Self {
                groups: vec![(515, ENABLED), (1_234, ENABLED)],
                extra: Vec::new(),
                resource: None,
                flags: 0,
            }
        }

        fn encode(&self) -> Vec<u8> {
            let mut out = Vec::new();
            number(&mut out, 0x0002_0000);
            out.resize(out.len() + 48, 0xff);
            let texts = ["WEB1$", "", "", "", "", ""];
            texts.iter().for_each(|text| fixed_text(&mut out, text));
            out.extend([9, 0, 0, 0]);
            for value in [1_105, 515, u32::try_from(self.groups.len()).unwrap(), 0x0002_001c, self.flags] {
                number(&mut out, value);
            }
            out.extend([0; 16]);
            fixed_text(&mut out, "DC1");
            fixed_text(&mut out, "CORP");
            number(&mut out, 0x0002_0028);
            out.extend([0; 40]);
            let has_extra = u32::from(!self.extra.is_empty());
            number(&mut out, u32::try_from(self.extra.len()).unwrap());
            number(&mut out, has_extra * 0x0002_002c);
            let resource = self.resource.as_ref();
            number(&mut out, u32::from(resource.is_some()) * 0x0002_0030);
            number(&mut out, resource.map_or(0, |(_, groups)| u32::try_from(groups.len()).unwrap()));
            number(&mut out, u32::from(resource.is_some()) * 0x0002_0034);
            texts.iter().for_each(|text| characters(&mut out, text));
            memberships(&mut out, &self.groups);
            characters(&mut out, "DC1");
            characters(&mut out, "CORP");
            sid(&mut out, DomainSid::new(DOMAIN).sid());
            if has_extra != 0 {
                number(&mut out, u32::try_from(self.extra.len()).unwrap());
                for (_, attributes) in &self.extra {
                    number(&mut out, 0x0002_0038);
                    number(&mut out, *attributes);
                }
                self.extra.iter().for_each(|(extra, _)| sid(&mut out, *extra));
            }
            if let Some((domain, groups)) = resource {
                sid(&mut out, domain.sid());
                memberships(&mut out, groups);
            }
            let mut bytes = vec![1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc];
            number(&mut bytes, u32::try_from(out.len()).unwrap());
            number(&mut bytes, 0);
            bytes.extend(out);
            bytes
        }
    }

    fn number(out: &mut Vec<u8>, value: u32) {
        out.extend(value.to_le_bytes());
    }

    fn fixed_text(out: &mut Vec<u8>, text: &str) {
        let length = u16::try_from(text.len() * 2).unwrap().to_le_bytes();
        out.extend([length, length].concat());
        number(out, 0x0002_0004);
    }

    fn characters(out: &mut Vec<u8>, text: &str) {
        let count = u32::try_from(text.len()).unwrap();
        [count, 0, count].into_iter().for_each(|value| number(out, value));
        out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        out.resize(out.len().next_multiple_of(4), 0);
    }

    fn memberships(out: &mut Vec<u8>, groups: &[(u32, u32)]) {
        number(out, u32::try_from(groups.len()).unwrap());
        groups.iter().flat_map(|(rid, attributes)| [*rid, *attributes]).for_each(|value| number(out, value));
    }

    fn sid(out: &mut Vec<u8>, sid: Sid) {
        number(out, u32::try_from(sid.sub_authorities().len()).unwrap());
        out.extend(sid.encode());
    }

    fn in_domain(rids: &[u32]) -> Vec<Sid> {
        rids.iter().map(|rid| DomainSid::new(DOMAIN).account(*rid)).collect()
    }

    #[test]
    fn the_primary_group_and_the_groups_of_the_domain_are_read() {
        let info = LogonInfo::decode(&Ticket::of_a_computer().encode()).unwrap();
        assert_eq!(info.domain, DomainSid::new(DOMAIN));
        assert_eq!(info.user, DomainSid::new(DOMAIN).account(1_105));
        assert_eq!(info.groups, in_domain(&[515, 1_234]));
    }

    #[test]
    fn groups_of_other_domains_count_if_their_flags_are_set() {
        let (forest, service) = (DomainSid::new([7, 8, 9]), DomainSid::new([4, 5, 6]));
        let mut ticket = Ticket::of_a_computer();
        ticket.extra = vec![(forest.account(600), ENABLED), (crate::well_known::EVERYONE, ENABLED)];
        ticket.resource = Some((service, vec![(700, ENABLED), (701, 0)]));
        assert_eq!(LogonInfo::decode(&ticket.encode()).unwrap().groups, in_domain(&[515, 1_234]));
        ticket.flags = EXTRA_SIDS | RESOURCE_GROUPS;
        let expected = [
            in_domain(&[515, 1_234]),
            vec![forest.account(600), crate::well_known::EVERYONE, service.account(700)],
        ];
        assert_eq!(LogonInfo::decode(&ticket.encode()).unwrap().groups, expected.concat());
    }

    #[test]
    fn disabled_groups_and_groups_for_denials_only_are_omitted() {
        let mut ticket = Ticket::of_a_computer();
        ticket.groups = vec![(1, 3), (2, 0x14), (3, 4), (3, 4)];
        assert_eq!(LogonInfo::decode(&ticket.encode()).unwrap().groups, in_domain(&[515, 3]));
    }

    #[test]
    fn cut_buffers_and_wrong_counts_are_errors() {
        let bytes = Ticket::of_a_computer().encode();
        for length in 0..bytes.len() {
            assert!(LogonInfo::decode(&bytes[..length]).is_err(), "{length}");
        }
        // Version, length, pointer to the structure, numbers of groups, of SIDs, and of groups of the service's domain.
        for (at, value) in [(0, 2), (9, 0xff), (18, 0), (128, 3), (216, 1), (228, 1)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert!(LogonInfo::decode(&wrong).is_err(), "{at}");
        }
    }

    #[test]
    fn the_number_of_groups_is_bounded() {
        let mut ticket = Ticket::of_a_computer();
        ticket.groups = (1_000..2_023).map(|rid| (rid, ENABLED)).collect();
        assert_eq!(LogonInfo::decode(&ticket.encode()).unwrap().groups.len(), LogonInfo::MAX_GROUPS);
        ticket.groups.push((5, ENABLED));
        assert!(LogonInfo::decode(&ticket.encode()).is_err());
        assert!(LogonInfo::decode(&vec![0; LogonInfo::MAX_LENGTH + 1]).is_err());
    }
}
