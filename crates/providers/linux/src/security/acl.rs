//! Conversion of a file's mode and POSIX access control list (acl(5)) to a security descriptor.
//!
//! POSIX evaluates only the entries of one class: the owner, else a named user, else the groups, else others.
//! A DACL is evaluated entry by entry. Therefore each allowing entry that grants less than a later one is
//! followed by an entry that denies the difference. For groups, all allowing entries come before the denying
//! ones, because membership in one permitted group is enough.

use std::io;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, AclFlags, Dacl, Principal, SddlError, SecurityDescriptor, Sid,
};

use crate::Machine;
use crate::storage::file::{EXECUTE, READ, WRITE};

/// Returns the descriptor of a file; links are followed.
///
/// # Errors
/// Errors of the operating system; [`io::ErrorKind::Unsupported`] if the machine has no SID.
pub(crate) fn descriptor(machine: &Machine, path: &Path) -> io::Result<SecurityDescriptor> {
    let facts = rustix::fs::stat(path)?;
    // An account without a SID.
    let (Some(owner), Some(group)) = (machine.user_sid(facts.st_uid), machine.group_sid(facts.st_gid)) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let is_folder = FileType::from_raw_mode(facts.st_mode).is_dir();
    let sids = |entry: &Entry| match entry.tag {
        Tag::User(uid) => machine.user_sid(uid),
        Tag::Group(gid) => machine.group_sid(gid),
        _ => None,
    };
    let list = listed(path, "system.posix_acl_access")?.unwrap_or_else(|| of_mode(facts.st_mode));
    let mut aces = entries(&list, owner, group, is_folder, &sids);
    if is_folder && let Some(list) = listed(path, "system.posix_acl_default")? {
        let inherited = entries(&list, CREATOR_OWNER, CREATOR_GROUP, is_folder, &sids);
        let flags = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT | AceFlags::INHERIT_ONLY;
        aces.extend(inherited.into_iter().map(|ace| Ace { flags, ..ace }));
    }
    // Protected: Linux copies inherited entries when a file is created and does not update them later.
    let dacl = Dacl { flags: AclFlags::PROTECTED, aces };
    SecurityDescriptor::new(Some(owner.into()), Some(group.into()), Some(dacl), None)
        .map_err(|error: SddlError| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Subject of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Owner of the file.
    Owner,
    /// User with this number.
    User(u32),
    /// Group of the file.
    OwningGroup,
    /// Group with this number.
    Group(u32),
    /// Upper limit of the rights of named users, named groups and the owning group.
    Mask,
    /// All other users.
    Others,
}

/// Entry of an access control list: its subject, and the bits read (4), write (2) and execute (1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Subject.
    pub tag: Tag,
    /// Granted bits.
    pub bits: u8,
}

/// Returns the list that is equivalent to a mode.
fn of_mode(mode: u32) -> Vec<Entry> {
    let classes = [(Tag::Owner, 6), (Tag::OwningGroup, 3), (Tag::Others, 0)];
    classes.map(|(tag, shift)| Entry { tag, bits: ((mode >> shift) & 7) as u8 }).to_vec()
}

/// Reads the list in an extended attribute; `None` if the file does not have it.
fn listed(path: &Path, attribute: &str) -> io::Result<Option<Vec<Entry>>> {
    let mut octets = vec![0_u8; MAX_LIST];
    match rustix::fs::getxattr(path, attribute, octets.as_mut_slice()) {
        Ok(length) => {
            octets.truncate(length);
            parse(&octets).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Parses a list in the form used by the kernel (linux/posix_acl_xattr.h).
pub fn parse(octets: &[u8]) -> Option<Vec<Entry>> {
    let (version, entries) = octets.split_first_chunk::<4>()?;
    let (entries, []) = entries.as_chunks::<8>() else { return None };
    if u32::from_le_bytes(*version) != 2 {
        return None;
    }
    entries.iter().map(entry).collect()
}

fn entry(&[tag, tag_high, bits, bits_high, a, b, c, d]: &[u8; 8]) -> Option<Entry> {
    let (tag, bits) = (u16::from_le_bytes([tag, tag_high]), u16::from_le_bytes([bits, bits_high]));
    let id = u32::from_le_bytes([a, b, c, d]);
    let tag = match tag {
        0x01 => Tag::Owner,
        0x02 => Tag::User(id),
        0x04 => Tag::OwningGroup,
        0x08 => Tag::Group(id),
        0x10 => Tag::Mask,
        0x20 => Tag::Others,
        _ => return None,
    };
    Some(Entry { tag, bits: u8::try_from(bits & 7).ok()? })
}

/// Returns the entries of a DACL that grant the same access as the list.
pub fn entries(
    list: &[Entry],
    owner: Sid,
    group: Sid,
    is_folder: bool,
    sids: &dyn Fn(&Entry) -> Option<Sid>,
) -> Vec<Ace<AccessKind>> {
    let mask = list.iter().find(|entry| entry.tag == Tag::Mask).map_or(7, |entry| entry.bits);
    let all = |wanted: fn(Tag) -> bool| list.iter().filter(move |entry| wanted(entry.tag));
    let others = all(|tag| tag == Tag::Others).fold(0, |bits, entry| bits | entry.bits);
    let groups: Vec<(Sid, u8)> = all(|tag| matches!(tag, Tag::OwningGroup | Tag::Group(_)))
        .filter_map(|entry| {
            let sid = if entry.tag == Tag::OwningGroup { Some(group) } else { sids(entry) };
            Some((sid?, entry.bits & mask))
        })
        .collect();
    let users: Vec<(Sid, u8)> = all(|tag| matches!(tag, Tag::User(_)))
        .filter_map(|entry| Some((sids(entry)?, entry.bits & mask)))
        .collect();
    let owners = all(|tag| tag == Tag::Owner).fold(0, |bits, entry| bits | entry.bits);

    let of_groups = groups.iter().fold(others, |all, (_, bits)| all | bits);
    let of_users = users.iter().fold(of_groups, |all, (_, bits)| all | bits);
    let mut aces = Aces { is_folder, list: Vec::new() };
    aces.allow(owner, owners, WRITE_DAC | WRITE_ATTRIBUTES);
    aces.deny(owner, of_users & !owners);
    for (user, bits) in users {
        aces.allow(user, bits, 0);
        aces.deny(user, of_groups & !bits);
    }
    for (group, bits) in &groups {
        aces.allow(*group, *bits, 0);
    }
    for (group, bits) in groups {
        aces.deny(group, others & !bits);
    }
    // Everyone who can reach a file may read its attributes.
    aces.allow(sddl::well_known::EVERYONE, others, READ_CONTROL | SYNCHRONIZE | READ_ATTRIBUTES);
    aces.list
}

/// Entries of a DACL under construction.
struct Aces {
    is_folder: bool,
    list: Vec<Ace<AccessKind>>,
}

impl Aces {
    fn allow(&mut self, who: Sid, bits: u8, also: u32) {
        self.push(AccessKind::Allowed, who, rights(bits, [READ, WRITE, EXECUTE], self.is_folder) | also);
    }

    /// Denies only the bits themselves, not the rights that reading and writing have in common.
    fn deny(&mut self, who: Sid, bits: u8) {
        let only = [READ_DATA, WRITE_DATA | APPEND_DATA, EXECUTE_FILE];
        self.push(AccessKind::Denied, who, rights(bits, only, self.is_folder));
    }

    fn push(&mut self, kind: AccessKind, who: Sid, rights: u32) {
        if rights != 0 {
            let rights = AccessMask::from_bits(rights);
            self.list.push(Ace { kind, flags: AceFlags::NONE, rights, principal: Principal::Sid(who) });
        }
    }
}

fn rights(bits: u8, [read, write, execute]: [u32; 3], is_folder: bool) -> u32 {
    let write = if is_folder { write | DELETE_CHILD } else { write };
    let set = [(4, read), (2, write), (1, execute)].into_iter().filter(|(bit, _)| bits & bit != 0);
    set.fold(0, |all, (_, mask)| all | mask)
}

/// Maximum size of an extended attribute in bytes (linux/limits.h, `XATTR_SIZE_MAX`).
const MAX_LIST: usize = 64 << 10;

/// `S-1-3-0`, replaced by the owner of the inheriting object.
const CREATOR_OWNER: Sid = sddl::well_known::CREATOR_OWNER;
/// `S-1-3-1`, replaced by the group of the inheriting object.
const CREATOR_GROUP: Sid = sddl::well_known::CREATOR_GROUP;

// Rights of files (MS-DTYP 2.4.3).
/// Right to read the data of a file.
pub const READ_DATA: u32 = 0x1;
/// Right to change the data of a file.
pub const WRITE_DATA: u32 = 0x2;
const APPEND_DATA: u32 = 0x4;
/// Right to execute a file.
pub const EXECUTE_FILE: u32 = 0x20;
const DELETE_CHILD: u32 = 0x40;
const READ_ATTRIBUTES: u32 = 0x80;
const WRITE_ATTRIBUTES: u32 = 0x100;
const READ_CONTROL: u32 = 0x2_0000;
const WRITE_DAC: u32 = 0x4_0000;
const SYNCHRONIZE: u32 = 0x10_0000;

#[cfg(test)]
mod tests {
    use sddl::{DomainSid, linux};

    use super::*;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

    #[test]
    fn mode_becomes_a_descriptor_with_three_classes() {
        let sids = |_: &Entry| None;
        let (owner, group) = (linux::user_sid(0, MACHINE), linux::group_sid(0, MACHINE));
        let dacl = Dacl {
            flags: AclFlags::PROTECTED,
            aces: entries(&of_mode(0o100_640), owner, group, false, &sids),
        };
        let made = SecurityDescriptor::new(Some(owner.into()), Some(group.into()), Some(dacl), None);
        assert_eq!(
            made.expect("few entries").to_string(),
            "O:S-1-5-21-1-2-3-500G:S-1-5-21-1-2-3-1001D:P(A;;0x16019f;;;S-1-5-21-1-2-3-500)\
             (A;;FR;;;S-1-5-21-1-2-3-1001)(A;;0x120080;;;WD)"
        );
    }

    #[test]
    fn truncated_acl_is_rejected() {
        let octets = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0];
        let list = parse(&octets).expect("it is one");
        assert_eq!(list, [Entry { tag: Tag::Owner, bits: 7 }, Entry { tag: Tag::User(1000), bits: 4 }]);
        for length in (0..octets.len()).filter(|length| *length != 4 && *length != 12) {
            assert_eq!(octets.get(..length).and_then(parse), None, "{length} octets");
        }
        assert_eq!(parse(&[3, 0, 0, 0]), None);
    }
}
