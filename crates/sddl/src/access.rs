use std::fmt;

use crate::{AccessKind, AccessMask, Ace, Dacl, Principal, SecurityDescriptor, Token, well_known};

/// Result of an access check, with the rule that decided it.
///
/// `ace` is the index of an entry of the DACL, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All requested rights are granted; this entry granted the last of them.
    GrantedByAce {
        /// Index of the entry.
        ace: usize,
    },
    /// All requested rights are among those that an owner has implicitly.
    GrantedToOwner,
    /// This entry denies a requested right that no earlier entry granted.
    DeniedByAce {
        /// Index of the entry.
        ace: usize,
        /// Denied rights among those requested.
        rights: AccessMask,
    },
    /// No entry grants or denies some of the requested rights.
    DeniedByDefault {
        /// Requested rights that no entry grants or denies; empty if no right was requested.
        missing: AccessMask,
    },
}

impl Verdict {
    /// Returns whether access is granted.
    #[must_use]
    pub fn is_granted(self) -> bool {
        match self {
            Self::GrantedByAce { .. } | Self::GrantedToOwner => true,
            Self::DeniedByAce { .. } | Self::DeniedByDefault { .. } => false,
        }
    }

    /// Returns the index of the DACL entry that decided, if one did.
    #[must_use]
    pub fn ace(self) -> Option<usize> {
        match self {
            Self::GrantedByAce { ace } | Self::DeniedByAce { ace, .. } => Some(ace),
            Self::GrantedToOwner | Self::DeniedByDefault { .. } => None,
        }
    }
}

impl SecurityDescriptor {
    /// Checks whether the user has all rights in `desired` (MS-DTYP 2.5.3.2).
    ///
    /// Entries are evaluated in order, without inherit-only entries.
    /// An entry that allows rights grants them. An entry that denies a right not granted so far ends the
    /// check. Rights that no entry grants are denied.
    /// `GA` is expanded as by [`AccessMask::mapped`], both in entries and in `desired`.
    ///
    /// The owner implicitly has `RC` and `WD`, and nothing else.
    /// An entry for `OW` applies to the owner and replaces these two rights.
    /// No user bypasses the check: root is granted access only through the entries for administrators.
    ///
    /// The check is stricter than that of Windows in two cases: a descriptor without DACL grants nothing
    /// except to its owner, and a request for no rights is denied.
    pub fn access_check(&self, token: &Token, desired: AccessMask) -> Verdict {
        let mut missing = desired.mapped();
        if missing.is_empty() {
            return Verdict::DeniedByDefault { missing };
        }
        let caller = Caller::new(self, token);
        if caller.owns && !self.dacl().is_some_and(limits_owner) {
            missing = missing.without(OWNERS_OWN);
            if missing.is_empty() {
                return Verdict::GrantedToOwner;
            }
        }
        let aces = self.dacl().into_iter().flat_map(|dacl| &dacl.aces);
        for (index, ace) in aces.enumerate().filter(|(_, ace)| caller.is_meant_by(ace)) {
            let rights = ace.rights.mapped().intersection(missing);
            if rights.is_empty() {
                continue;
            }
            match ace.kind {
                AccessKind::Denied => return Verdict::DeniedByAce { ace: index, rights },
                AccessKind::Allowed => missing = missing.without(rights),
            }
            if missing.is_empty() {
                return Verdict::GrantedByAce { ace: index };
            }
        }
        Verdict::DeniedByDefault { missing }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GrantedByAce { ace } => write!(formatter, "granted by entry {ace}"),
            Self::GrantedToOwner => write!(formatter, "granted to the owner"),
            Self::DeniedByAce { ace, rights } => {
                write!(formatter, "denied by entry {ace}, which refuses {rights}")
            }
            Self::DeniedByDefault { missing } if missing.is_empty() => {
                write!(formatter, "denied, because no right was asked for")
            }
            Self::DeniedByDefault { missing } => {
                write!(formatter, "denied, because no entry gives {}", missing.collapsed())
            }
        }
    }
}

/// The user whose access is checked, relative to one object.
pub(crate) struct Caller<'a> {
    token: &'a Token,
    owns: bool,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(object: &SecurityDescriptor, token: &'a Token) -> Self {
        Self { token, owns: object.owner().is_some_and(|owner| token.holds(owner)) }
    }

    pub(crate) fn is_meant_by<Kind>(&self, ace: &Ace<Kind>) -> bool {
        ace.is_effective() && (self.token.holds(ace.principal) || self.owns && ace.principal == OWNER_RIGHTS)
    }
}

fn limits_owner(dacl: &Dacl) -> bool {
    dacl.aces.iter().any(|ace| ace.is_effective() && ace.principal == OWNER_RIGHTS)
}

const OWNER_RIGHTS: Principal = Principal::Sid(well_known::OWNER_RIGHTS);

/// Implicit rights of an owner: read the descriptor and change the DACL.
const OWNERS_OWN: AccessMask = AccessMask::READ_CONTROL.union(AccessMask::WRITE_DAC);
