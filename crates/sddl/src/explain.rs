use std::{collections::BTreeMap, fmt};

use crate::{AccessKind, AccessMask, Principal, SecurityDescriptor};

/// What a descriptor says about one principal, for people to read.
///
/// `GA` stands in place of all that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whom the entries name. [`Principal::describe`] is its text.
    pub principal: Principal,
    /// The rights given to it.
    pub allowed: AccessMask,
    /// The rights refused to it.
    pub denied: AccessMask,
}

impl SecurityDescriptor {
    /// What the DACL says about each principal, in the order in which it first names them.
    ///
    /// Of two entries for the same principal the first decides about a right, as in an access check.
    /// A user who is in several groups gets what the order of the entries of all of them says:
    /// ask [`SecurityDescriptor::access_check`] about a user.
    /// Entries that are only there to be inherited are left out.
    pub fn explain(&self) -> impl Iterator<Item = Explanation> + use<> {
        let mut explanations: Vec<Explanation> = Vec::new();
        let mut places: BTreeMap<Principal, usize> = BTreeMap::new();
        let aces = self.dacl().into_iter().flat_map(|dacl| &dacl.aces);
        for ace in aces.filter(|ace| ace.is_effective()) {
            let place = *places.entry(ace.principal).or_insert(explanations.len());
            if place == explanations.len() {
                let (allowed, denied) = (AccessMask::NONE, AccessMask::NONE);
                explanations.push(Explanation { principal: ace.principal, allowed, denied });
            }
            if let Some(explanation) = explanations.get_mut(place) {
                explanation.add(ace.kind, ace.rights);
            }
        }
        explanations.into_iter().map(Explanation::collapsed)
    }
}

impl Explanation {
    fn add(&mut self, kind: AccessKind, rights: AccessMask) {
        let new = rights.mapped().without(self.allowed | self.denied);
        match kind {
            AccessKind::Allowed => self.allowed |= new,
            AccessKind::Denied => self.denied |= new,
        }
    }

    fn collapsed(self) -> Self {
        Self { allowed: self.allowed.collapsed(), denied: self.denied.collapsed(), ..self }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.principal.describe())?;
        match (self.allowed.is_empty(), self.denied.is_empty()) {
            (true, true) => write!(formatter, ": no rights"),
            (false, true) => write!(formatter, ": allowed {}", self.allowed),
            (true, false) => write!(formatter, ": denied {}", self.denied),
            (false, false) => write!(formatter, ": allowed {}, denied {}", self.allowed, self.denied),
        }
    }
}
