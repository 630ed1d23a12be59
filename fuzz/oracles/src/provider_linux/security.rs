//! Properties of access control lists of files.

use std::collections::BTreeSet;

use provider_linux::fuzzing::acl::{EXECUTE_FILE, Entry, READ_DATA, Tag, WRITE_DATA, entries, parse};
use sddl::{AccessMask, AclFlags, Dacl, DomainSid, Guard, SecurityDescriptor, Token, linux};

/// Checks that a descriptor grants the same access as the list it was made from, for lists that the kernel
/// accepts.
pub(super) fn access_list(octets: &[u8]) {
    if let Some(list) = parse(octets)
        && is_valid(&list)
    {
        judge(&list);
    }
}

/// Returns whether the kernel would accept the list (acl_valid(3)) and it is short enough to test quickly.
fn is_valid(list: &[Entry]) -> bool {
    let count = |wanted: fn(&Tag) -> bool| list.iter().filter(|entry| wanted(&entry.tag)).count();
    let of_name: Vec<_> = list.iter().filter_map(named).collect();
    let masks = count(|tag| *tag == Tag::Mask);
    count(|tag| *tag == Tag::Owner) == 1
        && count(|tag| *tag == Tag::OwningGroup) == 1
        && count(|tag| *tag == Tag::Others) == 1
        && masks <= 1
        && (masks == 1 || of_name.is_empty())
        && of_name.len() <= 6
        && of_name.iter().collect::<BTreeSet<_>>().len() == of_name.len()
        && of_name.iter().all(|(_, id)| (1_001..=1_000_000).contains(id) && *id != GROUP)
}

/// Returns the kind and number of the named account of an entry.
fn named(entry: &Entry) -> Option<(u8, u32)> {
    match entry.tag {
        Tag::User(id) => Some((0, id)),
        Tag::Group(id) => Some((1, id)),
        _ => None,
    }
}

/// Checks the access of every user named in the list and of a stranger, with each group alone and with all
/// groups.
fn judge(list: &[Entry]) {
    let (owner, group) = (linux::user_sid(OWNER, MACHINE), linux::group_sid(GROUP, MACHINE));
    let aces = entries(list, owner, group, false, &sid_of);
    let dacl = Dacl { flags: AclFlags::PROTECTED, aces };
    let made = SecurityDescriptor::new(Some(owner.into()), Some(group.into()), Some(dacl), None);
    let guard = Guard::new(made.expect("few entries")).expect("it has a list");
    let users = list.iter().filter_map(|entry| if let Tag::User(uid) = entry.tag { Some(uid) } else { None });
    let groups =
        list.iter().filter_map(|entry| if let Tag::Group(gid) = entry.tag { Some(gid) } else { None });
    let all: Vec<u32> = groups.chain([GROUP]).collect();
    let mut circles: Vec<Vec<u32>> = all.iter().map(|gid| vec![*gid]).collect();
    circles.extend([Vec::new(), vec![STRANGER], all]);
    for uid in users.chain([OWNER, STRANGER]) {
        for gids in &circles {
            let sids = gids.iter().map(|gid| linux::group_sid(*gid, MACHINE));
            let sids = sids.chain([sddl::well_known::EVERYONE]);
            let token = Token::new(linux::user_sid(uid, MACHINE), sids, MACHINE);
            for (wanted, right) in [(4, READ_DATA), (2, WRITE_DATA), (1, EXECUTE_FILE)] {
                let granted = guard.access_check(&token, AccessMask::from_bits(right)).is_granted();
                let admitted = admits(list, uid, gids, wanted);
                assert_eq!(granted, admitted, "{uid} in {gids:?} wants {wanted} of {list:?}: {guard}");
            }
        }
    }
}

fn sid_of(entry: &Entry) -> Option<sddl::Sid> {
    match entry.tag {
        Tag::User(uid) => Some(linux::user_sid(uid, MACHINE)),
        Tag::Group(gid) => Some(linux::group_sid(gid, MACHINE)),
        _ => None,
    }
}

/// Returns whether POSIX grants the access (acl(5), "Access check algorithm").
fn admits(list: &[Entry], uid: u32, gids: &[u32], wanted: u8) -> bool {
    let bits = |wanted: Tag| list.iter().find(|entry| entry.tag == wanted).map(|entry| entry.bits);
    let mask = bits(Tag::Mask).unwrap_or(7);
    if uid == OWNER {
        return bits(Tag::Owner).unwrap_or(0) & wanted == wanted;
    }
    if let Some(bits) = bits(Tag::User(uid)) {
        return bits & mask & wanted == wanted;
    }
    let of_groups: Vec<u8> = list
        .iter()
        .filter(|entry| match entry.tag {
            Tag::OwningGroup => gids.contains(&GROUP),
            Tag::Group(gid) => gids.contains(&gid),
            _ => false,
        })
        .map(|entry| entry.bits & mask)
        .collect();
    if of_groups.is_empty() {
        return bits(Tag::Others).unwrap_or(0) & wanted == wanted;
    }
    of_groups.iter().any(|bits| bits & wanted == wanted)
}

const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
const OWNER: u32 = 1000;
const GROUP: u32 = 2000;
const STRANGER: u32 = 2_000_000;
