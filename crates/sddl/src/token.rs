use std::collections::BTreeSet;

use crate::{DomainSid, Principal, RelativeSid, Sid, well_known};

/// Access token: the SIDs of a user and of the groups the user belongs to (MS-DTYP 2.5.2).
///
/// There is no empty or default token, and none that passes every check.
///
/// The token includes the machine, so that entries for relative aliases such as `LA` are always resolved.
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
    /// SID of the domain, for `DA`, `DU`, `DC` and `DD`.
    pub sid: DomainSid,
    /// SID of the root domain of the forest, which may be the same domain, for `EA`.
    pub forest_root: DomainSid,
}

impl Token {
    /// Returns a token for `user` on `machine`, without a domain.
    #[must_use]
    pub fn new(user: Sid, groups: impl IntoIterator<Item = Sid>, machine: DomainSid) -> Self {
        Self { user, groups: groups.into_iter().collect(), machine, domain: None }
    }

    /// Returns the token with more groups.
    #[must_use]
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = Sid>) -> Self {
        self.groups.extend(groups);
        self
    }

    /// Returns the token for a machine that has joined `domain`. Without a domain, `DA`, `DU`, `DC`, `DD` and
    /// `EA` match no user.
    #[must_use]
    pub fn in_domain(self, domain: Domain) -> Self {
        Self { domain: Some(domain), ..self }
    }

    /// Returns the SID of the user.
    #[must_use]
    pub fn user(&self) -> Sid {
        self.user
    }

    /// Returns the SID of the machine that the token was made for.
    #[must_use]
    pub fn machine(&self) -> DomainSid {
        self.machine
    }

    /// Returns the SIDs of the groups, without duplicates, in ascending order.
    pub fn groups(&self) -> impl Iterator<Item = Sid> {
        self.groups.iter().copied()
    }

    /// Returns the SID of an alias on this token's machine; `None` if it needs a domain and the token has none.
    #[must_use]
    pub fn resolve(&self, relative: RelativeSid) -> Option<Sid> {
        relative.resolve(self.machine, self.domain)
    }

    /// Returns whether the user is `principal` or belongs to it.
    ///
    /// Always `false` for `CO`, `CG` and `OW`, even if the token contains them: creator and owner are
    /// properties of the object, not of the user.
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
