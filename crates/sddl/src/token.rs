use std::collections::BTreeSet;

use crate::{DomainSid, Principal, RelativeSid, Sid, well_known};

/// Who asks: a user and the groups the user belongs to, as SIDs (MS-DTYP 2.5.2).
///
/// There is no empty or default token, and none that passes every check.
///
/// It knows its machine, so that an entry for `LA` cannot be overlooked because nobody resolved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    user: Sid,
    groups: BTreeSet<Sid>,
    machine: DomainSid,
    domain: Option<Domain>,
}

/// The Active Directory domain that a machine has joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The SID of the domain: `DA`, `DU`, `DC` and `DD` belong to it.
    pub sid: DomainSid,
    /// The SID of the first domain of its forest, which may be the same: `EA` belongs to it.
    pub forest_root: DomainSid,
}

impl Token {
    /// A token for `user` on `machine`, which belongs to no domain.
    #[must_use]
    pub fn new(user: Sid, groups: impl IntoIterator<Item = Sid>, machine: DomainSid) -> Self {
        Self { user, groups: groups.into_iter().collect(), machine, domain: None }
    }

    /// The same token on a machine that has joined `domain`, without which `DA`, `DU`, `DC`, `DD` and `EA`
    /// match nobody.
    #[must_use]
    pub fn in_domain(self, domain: Domain) -> Self {
        Self { domain: Some(domain), ..self }
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Sid {
        self.user
    }

    /// The machine that it was made for.
    #[must_use]
    pub fn machine(&self) -> DomainSid {
        self.machine
    }

    /// The groups, each once, in ascending order.
    pub fn groups(&self) -> impl Iterator<Item = Sid> {
        self.groups.iter().copied()
    }

    /// The SID that an alias stands for on this user's machine; none if it needs a domain and there is none.
    #[must_use]
    pub fn resolve(&self, relative: RelativeSid) -> Option<Sid> {
        relative.resolve(self.machine, self.domain)
    }

    /// Whether the user is, or belongs to, `principal`.
    ///
    /// Never for `CO`, `CG` and `OW`, even if the token was made with them: who creates or owns an object
    /// is a matter of the object, not of the user.
    #[must_use]
    pub fn holds(&self, principal: Principal) -> bool {
        let sid = match principal {
            Principal::Sid(
                well_known::CREATOR_OWNER | well_known::CREATOR_GROUP | well_known::OWNER_RIGHTS,
            ) => None,
            Principal::Sid(sid) => Some(sid),
            Principal::Relative(relative) => self.resolve(relative),
        };
        sid.is_some_and(|sid| sid == self.user || self.groups.contains(&sid))
    }
}
