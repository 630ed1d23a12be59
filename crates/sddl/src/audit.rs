use crate::{AccessMask, AceFlags, SecurityDescriptor, Token, Verdict, access::Caller};

/// Outcome of an access, for auditing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Access was granted: entries with `SA` apply.
    Granted,
    /// Access was denied: entries with `FA` apply.
    Denied,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        if verdict.is_granted() { Self::Granted } else { Self::Denied }
    }
}

impl SecurityDescriptor {
    /// Returns whether the SACL requests an audit record of this access (MS-DTYP 2.4.4.10).
    ///
    /// It does if an entry names the user or one of the user's groups, at least one of the requested rights,
    /// and the outcome.
    #[must_use]
    pub fn audit(&self, token: &Token, desired: AccessMask, outcome: Outcome) -> bool {
        let flag = match outcome {
            Outcome::Granted => AceFlags::SUCCESSFUL_ACCESS,
            Outcome::Denied => AceFlags::FAILED_ACCESS,
        };
        let caller = Caller::new(self, token);
        let desired = desired.mapped();
        self.sacl().is_some_and(|sacl| {
            sacl.aces.iter().any(|ace| {
                ace.flags.contains(flag)
                    && !ace.rights.mapped().intersection(desired).is_empty()
                    && caller.is_meant_by(ace)
            })
        })
    }
}
