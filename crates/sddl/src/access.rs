use std::fmt;

use crate::{AccessKind, AccessMask, Ace, Dacl, Principal, SecurityDescriptor, Token, well_known};

/// The answer of an access check, with what decided it.
///
/// `ace` is the index of an entry of the DACL, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every right asked for is given; this entry gave the last of them.
    GrantedByAce {
        /// Its index.
        ace: usize,
    },
    /// Every right asked for is one that owners have by themselves.
    GrantedToOwner,
    /// This entry refuses a right that no earlier entry had given.
    DeniedByAce {
        /// Its index.
        ace: usize,
        /// The refused rights among those asked for.
        rights: AccessMask,
    },
    /// No entry says anything about some of the rights asked for.
    DeniedByDefault {
        /// Those rights; empty if no right was asked for.
        missing: AccessMask,
    },
}

impl Verdict {
    /// Whether access is granted.
    #[must_use]
    pub fn is_granted(self) -> bool {
        match self {
            Self::GrantedByAce { .. } | Self::GrantedToOwner => true,
            Self::DeniedByAce { .. } | Self::DeniedByDefault { .. } => false,
        }
    }

    /// The index of the entry of the DACL that decided, if one did.
    #[must_use]
    pub fn ace(self) -> Option<usize> {
        match self {
            Self::GrantedByAce { ace } | Self::DeniedByAce { ace, .. } => Some(ace),
            Self::GrantedToOwner | Self::DeniedByDefault { .. } => None,
        }
    }
}

impl SecurityDescriptor {
    /// Whether the user may do all that `desired` says (MS-DTYP 2.5.3.2).
    ///
    /// The entries are looked at in their order, without those that are only there to be inherited.
    /// An entry that gives rights settles them; one that refuses a right not yet settled ends the check;
    /// what nobody gave is denied.
    /// `GA` means what [`AccessMask::mapped`] says, on both sides.
    ///
    /// The owner has `RC` and `WD` by itself, and nothing else.
    /// An entry for `OW` matches the owner and takes the place of these two.
    /// No user passes without an entry: root passes where administrators do.
    ///
    /// Where Windows would let everyone pass, this does not: a descriptor without DACL gives nothing
    /// to anyone but its owner, and asking for no right at all is denied.
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

/// Who asks, seen from one object.
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

/// What an owner may do without an entry: read the descriptor and change the DACL.
const OWNERS_OWN: AccessMask = AccessMask::READ_CONTROL.union(AccessMask::WRITE_DAC);
