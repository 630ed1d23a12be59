use crate::{AccessMask, AceFlags, SecurityDescriptor, Token, Verdict, access::Caller};

/// How an access ended, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was granted: `SA` entries ask for a record.
    Granted,
    /// It was denied: `FA` entries ask for a record.
    Denied,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        if verdict.is_granted() { Self::Granted } else { Self::Denied }
    }
}

impl SecurityDescriptor {
    /// Whether the SACL asks for a record of this access (MS-DTYP 2.4.4.10).
    ///
    /// It does if one entry names the user or a group of the user, any of the rights, and the outcome.
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
