//! Sources that are missing in a result.

use std::fmt;

pub use wsman::Omission;

/// Classes that are missing in the result of a query or in the events of a subscription, at least in part, because their
/// source is not available on the service: for example no service manager, or no log.
///
/// Only Telarch's service reports them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialResults {
    /// INVARIANT: not empty.
    omissions: Vec<Omission>,
}

impl PartialResults {
    /// Returns `None` without omissions.
    pub(crate) fn of(omissions: &[Omission]) -> Option<Self> {
        (!omissions.is_empty()).then(|| Self { omissions: omissions.to_vec() })
    }

    /// Returns the missing sources, each with the reason.
    #[must_use]
    pub fn omissions(&self) -> &[Omission] {
        &self.omissions
    }
}

impl fmt::Display for PartialResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the results are incomplete")?;
        self.omissions.iter().try_for_each(|Omission { source, reason }| write!(f, "; {source}: {reason}"))
    }
}
