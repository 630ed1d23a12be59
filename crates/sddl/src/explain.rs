use std::{collections::BTreeMap, fmt};

use crate::{AccessKind, AccessMask, Principal, SecurityDescriptor};

/// Rights that a descriptor grants and denies one principal, for display.
///
/// Complete sets of rights are shown as `GA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Principal named by the entries. [`Principal::describe`] returns its text.
    pub principal: Principal,
    /// Rights granted to it.
    pub allowed: AccessMask,
    /// Rights denied to it.
    pub denied: AccessMask,
}

impl SecurityDescriptor {
    /// Returns the rights that the DACL grants and denies each principal, in the order in which they first
    /// appear.
    ///
    /// If two entries for a principal cover the same right, the first decides, as in an access check.
    /// The rights of a user who is in several groups depend on the order of the entries of all of them: use
    /// [`SecurityDescriptor::access_check`] for a user.
    /// Inherit-only entries are omitted.
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
