//! Access rights of shares (net(8), `USERSHARE`).

use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, AclFlags, Dacl, SddlError, SecurityDescriptor, Sid, linux,
    well_known,
};

use super::Origin;
use crate::Machine;

/// Access right of a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// SID as Samba knows it: users and groups of the machine are below `S-1-22`.
    sid: Sid,
    right: Right,
}

/// Extent of the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Read,
    Full,
    Denied,
}

/// Parses a list such as `S-1-1-0:R,S-1-5-32-544:F`; invalid entries are left out, as in Samba.
pub fn parse(text: &str) -> Vec<Entry> {
    text.split(',').filter_map(parse_entry).collect()
}

fn parse_entry(text: &str) -> Option<Entry> {
    let (sid, right) = text.trim().split_once(':')?;
    let right = match right {
        "R" | "r" => Right::Read,
        "F" | "f" => Right::Full,
        "D" | "d" => Right::Denied,
        _ => return None,
    };
    Some(Entry { sid: Sid::parse(sid).ok()?, right })
}

/// Writes a list in the form that [`parse`] reads.
pub fn written(entries: &[Entry]) -> String {
    entries.iter().map(written_entry).collect::<Vec<_>>().join(",")
}

fn written_entry(entry: &Entry) -> String {
    let right = match entry.right {
        Right::Read => 'R',
        Right::Full => 'F',
        // `net` accepts this letter only in lower case.
        Right::Denied => 'd',
    };
    format!("{}:{right}", entry.sid.numeric())
}

/// Returns the default rights of a share: everyone may read.
pub fn default() -> Vec<Entry> {
    vec![Entry { sid: well_known::EVERYONE, right: Right::Read }]
}

/// Converts a descriptor to entries; `None` if Samba cannot express it. Samba knows only reading, full access
/// and no access.
pub fn of_descriptor(machine: &Machine, descriptor: &SecurityDescriptor) -> Option<Vec<Entry>> {
    let domain = machine.sid();
    let entries: Option<Vec<Entry>> = descriptor.dacl()?.aces.iter().map(|ace| entry(ace, domain)).collect();
    // Without an entry, Samba would let everyone read.
    entries.filter(|entries| !entries.is_empty())
}

fn entry(ace: &Ace<AccessKind>, domain: Option<sddl::DomainSid>) -> Option<Entry> {
    let sid = match ace.principal {
        sddl::Principal::Sid(sid) => sid,
        sddl::Principal::Relative(relative) => relative.resolve(domain?, None)?,
    };
    let may_read = has_any(ace.rights, [READ_DATA, GENERIC_READ, GENERIC_ALL]);
    let may_write = has_any(ace.rights, [WRITE_DATA, GENERIC_WRITE, GENERIC_ALL]);
    let right = match (ace.kind, may_read, may_write) {
        (AccessKind::Allowed, true, true) => Right::Full,
        (AccessKind::Allowed, true, false) => Right::Read,
        (AccessKind::Denied, true, true) => Right::Denied,
        _ => return None,
    };
    Some(Entry { sid: domain.map_or(sid, |domain| linux::to_unix(sid, domain)), right })
}

fn has_any(mask: AccessMask, rights: [u32; 3]) -> bool {
    rights.into_iter().any(|rights| mask.contains(AccessMask::from_bits(rights)))
}

/// Returns the descriptor of a share.
pub fn descriptor(machine: &Machine, origin: &Origin) -> Result<SecurityDescriptor, SddlError> {
    let aces = match origin {
        Origin::Users(entries) => entries
            .iter()
            .map(|entry| match entry.right {
                Right::Read => ace(machine, entry.sid, AccessKind::Allowed, READ),
                Right::Full => ace(machine, entry.sid, AccessKind::Allowed, FULL),
                Right::Denied => ace(machine, entry.sid, AccessKind::Denied, FULL),
            })
            .collect(),
        other => vec![ace(machine, well_known::EVERYONE, AccessKind::Allowed, most(other))],
    };
    SecurityDescriptor::new(None, None, Some(Dacl { flags: AclFlags::NONE, aces }), None)
}

fn ace(machine: &Machine, sid: Sid, kind: AccessKind, rights: u32) -> Ace<AccessKind> {
    Ace {
        kind,
        flags: AceFlags::NONE,
        rights: AccessMask::from_bits(rights),
        principal: machine.sid().map_or(sid, |domain| linux::from_unix(sid, domain)).into(),
    }
}

/// Returns the maximum rights that a share grants.
pub fn most(origin: &Origin) -> u32 {
    let is_full = match origin {
        Origin::Configuration { is_read_only } => !is_read_only,
        Origin::Users(entries) => entries.iter().any(|entry| entry.right == Right::Full),
        Origin::Nfs => true,
    };
    if is_full { FULL } else { READ }
}

/// `FILE_ALL_ACCESS`
const FULL: u32 = 0x001F_01FF;
/// `FILE_GENERIC_READ` and `FILE_GENERIC_EXECUTE`
const READ: u32 = 0x0012_00A9;
const READ_DATA: u32 = 1;
const WRITE_DATA: u32 = 2;
const GENERIC_READ: u32 = 0x8000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const GENERIC_ALL: u32 = 0x1000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_become_descriptors_and_entries_again() {
        let machine = Machine::at("/nowhere").with_sid(sddl::DomainSid::new([1, 2, 3]));
        let text = "S-1-1-0:R,S-1-22-1-1000:F,S-1-22-2-100:d";
        let entries = parse(text);
        assert_eq!(written(&entries), text);
        let made = descriptor(&machine, &Origin::Users(entries.clone())).expect("few entries");
        assert_eq!(
            made.to_string(),
            "D:(A;;0x1200a9;;;WD)(A;;FA;;;S-1-5-21-1-2-3-3000)(D;;FA;;;S-1-5-21-1-2-3-1201)"
        );
        assert_eq!(of_descriptor(&machine, &made), Some(entries));
        for unsayable in ["D:(A;;DC;;;WD)", "D:(D;;CC;;;WD)", "D:", "O:BA"] {
            let descriptor = SecurityDescriptor::parse(unsayable).expect("it is one");
            assert_eq!(of_descriptor(&machine, &descriptor), None, "{unsayable}");
        }
    }

    #[test]
    fn invalid_entries_are_skipped() {
        assert_eq!(written(&parse("S-1-1-0:r, ,x:R,S-1-5-18:Q,S-1-5-18:f,")), "S-1-1-0:R,S-1-5-18:F");
    }
}
