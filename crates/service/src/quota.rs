//! Limit of concurrent operations per user.

use limits::{Capacity, KeyedLimit, Permit};
use sddl::Sid;
use wsman::{Fault, Subcode, code};

/// Limit of the operations of each user: requests in progress, open enumerations, and subscriptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationLimit(KeyedLimit<Sid>);

/// Permit for one operation, counted until it is dropped.
pub(crate) type OperationPermit = Permit<Sid>;

impl OperationLimit {
    /// Counts another operation of a user.
    ///
    /// # Errors
    /// `w:QuotaLimit` if the user already has `limit` operations (`MaxConcurrentOperationsPerUser`).
    pub(crate) fn acquire(&self, user: Sid, limit: u32) -> Result<OperationPermit, Fault> {
        let per_key = usize::try_from(limit).unwrap_or(usize::MAX);
        // As on Windows, there is no limit for all users together: MaxConcurrentOperations has no effect.
        self.0.acquire(user, Capacity { total: usize::MAX, per_key }).map_err(|_| {
            Fault::new(
                Subcode::QuotaLimit,
                code::MAX_OPERATIONS_PER_USER,
                format!(
                    "the user already has {} concurrent operations, the maximum; end some of them, or raise Service/MaxConcurrentOperationsPerUser",
                    self.0.held(&user)
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_cannot_exceed_the_limit_and_ended_operations_do_not_count() {
        let operations = OperationLimit::default();
        let (ada, ben) = (sddl::well_known::EVERYONE, sddl::well_known::NETWORK);
        let first = operations.acquire(ada, 2).expect("the first");
        let _second = operations.acquire(ada, 2).expect("the second");
        let refused = operations.acquire(ada, 2).expect_err("the third");
        assert_eq!(refused.code(), code::MAX_OPERATIONS_PER_USER);
        let _other = operations.acquire(ben, 2).expect("the first of another user");
        drop(first);
        let _third = operations.acquire(ada, 2).expect("one has ended");
    }
}
