//! Changes of single entries in the descriptor of a namespace.

use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, AclFlags, Dacl, DomainSid, Principal, SecurityDescriptor, Sid,
};
use wmi::Rights;

/// Change of the rights of a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RightsChange {
    /// Adds rights to the entry of this kind, and removes them from that of the other kind.
    Set { kind: AccessKind, rights: Rights, reach: Reach },
    /// Removes rights from all entries.
    Remove { rights: Rights },
}

/// Namespaces that an entry applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The namespace and its children.
    WithChildren,
    /// The namespace itself.
    ThisOnly,
}

impl RightsChange {
    /// Changes the entries of a user or group in a list; returns whether the list changed. Inherited entries are left
    /// as they are.
    pub(crate) fn apply(self, dacl: &mut Dacl, sid: Sid) -> bool {
        let before = dacl.aces.clone();
        let is_protected = is_protected(dacl);
        let principal = Principal::Sid(sid);
        let mut own =
            dacl.aces.iter_mut().filter(|ace| !is_inherited(ace, is_protected) && ace.principal == principal);
        match self {
            Self::Remove { rights } => own.for_each(|ace| remove(&mut ace.rights, rights)),
            Self::Set { kind, rights, reach } => {
                let flags = reach.flags();
                let mut is_added = false;
                for ace in own.by_ref().filter(|ace| ace.flags == flags) {
                    match ace.kind == kind {
                        true if is_added => {}
                        true => {
                            ace.rights |= mask(rights);
                            is_added = true;
                        }
                        false => remove(&mut ace.rights, rights),
                    }
                }
                if !is_added {
                    let ace = Ace { kind, flags, rights: mask(rights), principal };
                    dacl.aces.insert(place(dacl, kind), ace);
                }
            }
        }
        dacl.aces.retain(|ace| !ace.rights.is_empty());
        dacl.aces != before
    }
}

impl Reach {
    /// Returns the flags of an entry with this reach.
    pub(crate) fn flags(self) -> AceFlags {
        match self {
            Self::WithChildren => AceFlags::CONTAINER_INHERIT,
            Self::ThisOnly => AceFlags::NONE,
        }
    }
}

/// Returns whether an entry of a list comes from a parent namespace. A protected list inherits nothing.
pub(crate) fn is_inherited(ace: &Ace<AccessKind>, is_protected: bool) -> bool {
    ace.flags.contains(AceFlags::INHERITED) && !is_protected
}

pub(crate) fn is_protected(dacl: &Dacl) -> bool {
    dacl.flags.contains(AclFlags::PROTECTED)
}

/// Returns a descriptor with only the entries of the namespace itself.
pub(crate) fn own_part(descriptor: &SecurityDescriptor) -> SecurityDescriptor {
    with_list(descriptor, |dacl| {
        let is_protected = is_protected(dacl);
        dacl.aces.retain(|ace| !is_inherited(ace, is_protected));
    })
}

/// Returns a descriptor in which aliases that depend on the machine are replaced by SIDs.
pub(crate) fn resolved(descriptor: &SecurityDescriptor, machine: DomainSid) -> SecurityDescriptor {
    with_list(descriptor, |dacl| {
        for ace in &mut dacl.aces {
            if let Principal::Relative(relative) = ace.principal
                && let Some(sid) = relative.resolve(machine, None)
            {
                ace.principal = Principal::Sid(sid);
            }
        }
    })
}

/// Returns a descriptor with a changed list of rights.
pub(crate) fn with_list(
    descriptor: &SecurityDescriptor,
    change: impl FnOnce(&mut Dacl),
) -> SecurityDescriptor {
    let Some(mut dacl) = descriptor.dacl().cloned() else { return descriptor.clone() };
    change(&mut dacl);
    let (owner, group) = (descriptor.owner(), descriptor.group());
    SecurityDescriptor::new(owner, group, Some(dacl), descriptor.sacl().cloned())
        .unwrap_or_else(|_| descriptor.clone())
}

/// Returns the index of a new entry: entries that deny precede those that allow, and inherited entries are last.
fn place(dacl: &Dacl, kind: AccessKind) -> usize {
    let is_protected = is_protected(dacl);
    let first = match kind {
        AccessKind::Denied => Some(0),
        AccessKind::Allowed => dacl.aces.iter().position(|ace| is_inherited(ace, is_protected)),
    };
    first.unwrap_or(dacl.aces.len())
}

fn remove(from: &mut AccessMask, rights: Rights) {
    *from = from.without(mask(rights));
}

fn mask(rights: Rights) -> AccessMask {
    AccessMask::from_bits(rights.bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::USUAL;

    const INHERITED: &str = "(A;CIID;CCDCLCSWRPWPDTLORCWD;;;BA)(A;CIID;CCDCRP;;;AU)";

    fn changed(entries: &str, alias: &str, change: RightsChange) -> (String, bool) {
        let descriptor = SecurityDescriptor::parse(&format!("D:{entries}{INHERITED}")).unwrap();
        let Ok(Principal::Sid(sid)) = Principal::parse(alias) else { panic!("{alias}") };
        let mut dacl = descriptor.dacl().cloned().unwrap();
        let is_changed = change.apply(&mut dacl, sid);
        let text = dacl.to_string();
        (text.strip_suffix(INHERITED).unwrap_or(&text).to_owned(), is_changed)
    }

    fn set(kind: AccessKind, rights: Rights, reach: Reach) -> RightsChange {
        RightsChange::Set { kind, rights, reach }
    }

    #[test]
    fn rights_are_added_before_inherited_entries() {
        let allow = set(AccessKind::Allowed, USUAL, Reach::WithChildren);
        assert_eq!(changed("", "AU", allow), ("(A;CI;CCDCWP;;;AU)".to_owned(), true));
        let before = "(A;CI;CCRP;;;AU)(A;;CC;;;AU)";
        assert_eq!(changed(before, "AU", allow).0, "(A;CI;CCDCRPWP;;;AU)(A;;CC;;;AU)");
        assert!(!changed("(A;CI;CCDCRPWP;;;AU)", "AU", allow).1);
        let only = set(AccessKind::Allowed, Rights::ENABLE, Reach::ThisOnly);
        assert_eq!(changed("(A;CI;CCRP;;;AU)", "AU", only).0, "(A;CI;CCRP;;;AU)(A;;CC;;;AU)");
    }

    #[test]
    fn a_right_is_either_allowed_or_denied() {
        let deny = set(AccessKind::Denied, Rights::METHOD_EXECUTE, Reach::WithChildren);
        let before = "(A;CI;CCDC;;;BU)";
        assert_eq!(changed(before, "BU", deny).0, "(D;CI;DC;;;BU)(A;CI;CC;;;BU)");
        assert_eq!(changed("(A;CI;DC;;;BU)", "BU", deny).0, "(D;CI;DC;;;BU)");
        let allow = set(AccessKind::Allowed, Rights::all(), Reach::WithChildren);
        assert_eq!(changed("(D;CI;DC;;;BU)", "BU", allow).0, "(A;CI;CCDCLCSWRPWPDTLORCWD;;;BU)");
    }

    #[test]
    fn only_own_entries_are_removed() {
        let all = RightsChange::Remove { rights: Rights::all() };
        assert_eq!(changed("(D;;CC;;;AU)(A;CI;CC;;;AU)(A;;CC;;;BU)", "AU", all).0, "(A;;CC;;;BU)");
        assert_eq!(changed("", "AU", all), (String::new(), false));
        let one = RightsChange::Remove { rights: Rights::REMOTE_ENABLE };
        assert_eq!(changed("(A;CI;CCWP;;;AU)", "AU", one).0, "(A;CI;CC;;;AU)");
    }
}
