//! Limit of operations that one user has open at the same time.

use limits::{Capacity, KeyedLimit, Permit};
use sddl::Sid;
use wsman::{Fault, Subcode, code};

/// Counts the operations of each user: requests in work, open enumerations and subscriptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations(KeyedLimit<Sid>);

/// One operation, counted until it is dropped.
pub(crate) type Operation = Permit<Sid>;

impl Operations {
    /// Counts one more operation of a user.
    ///
    /// # Errors
    /// `w:QuotaLimit` if the user has as many as `limit` (`MaxConcurrentOperationsPerUser`).
    pub(crate) fn begin(&self, user: Sid, limit: u32) -> Result<Operation, Fault> {
        let per_key = usize::try_from(limit).unwrap_or(usize::MAX);
        // Windows has no limit for all users together: MaxConcurrentOperations has no effect.
        self.0.acquire(user, Capacity { total: usize::MAX, per_key }).map_err(|_| {
            Fault::new(
                Subcode::QuotaLimit,
                code::MAX_OPERATIONS_PER_USER,
                format!(
                    "this user has {} operations open, as many as Service/MaxConcurrentOperationsPerUser allows: end some, or raise it",
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
    fn a_user_may_not_have_more_than_the_limit_and_ended_ones_do_not_count() {
        let operations = Operations::default();
        let (ada, ben) = (sddl::well_known::EVERYONE, sddl::well_known::NETWORK);
        let first = operations.begin(ada, 2).expect("the first");
        let _second = operations.begin(ada, 2).expect("the second");
        let refused = operations.begin(ada, 2).expect_err("the third");
        assert_eq!(refused.code(), code::MAX_OPERATIONS_PER_USER);
        let _other = operations.begin(ben, 2).expect("someone else's first");
        drop(first);
        let _third = operations.begin(ada, 2).expect("one has ended");
    }
}
