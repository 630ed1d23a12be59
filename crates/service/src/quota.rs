//! How much one user may have open at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sddl::Sid;
use wsman::{Fault, Subcode, code};

/// Counts the operations of every user: requests being answered, and enumerations not yet at their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations(Arc<Mutex<HashMap<Sid, u32>>>);

/// One operation, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Operation {
    user: Sid,
    all: Operations,
}

impl Operations {
    /// Counts one more.
    ///
    /// # Errors
    /// `w:QuotaLimit` if the user has as many as `limit` (`MaxConcurrentOperationsPerUser`).
    pub(crate) fn begin(&self, user: Sid, limit: u32) -> Result<Operation, Fault> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(user).or_default();
        if *count >= limit {
            return Err(Fault::new(
                Subcode::QuotaLimit,
                code::MAX_OPERATIONS_PER_USER,
                format!(
                    "this user has {count} operations open, as many as Service/MaxConcurrentOperationsPerUser allows: end some, or raise it"
                ),
            ));
        }
        *count += 1;
        Ok(Operation { user, all: self.clone() })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
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
