//! Requests to paths with secrets: few at the same time for each secret.

use limits::{Capacity, KeyedLimit};
use service::{EventAnswer, PathAccess};

use crate::request::Target;
use crate::status;

/// Limit of the requests to each path with a secret.
#[derive(Default)]
pub(crate) struct PathPermits(KeyedLimit<String>);

/// A source sends the next message after the response to the previous one, or after it has lost the connection.
const CAPACITY: Capacity = Capacity { per_key: 2, total: 4_096 };

impl PathPermits {
    /// Returns the access that a path grants. `check` asks the collector whether the secret is valid: then the response
    /// has the status 204.
    pub(crate) async fn access<F: Future<Output = EventAnswer>>(
        &self,
        path: &str,
        check: impl FnOnce() -> F,
    ) -> PathAccess {
        let Some(secret) = Target::secret_of(path) else { return PathAccess::Authenticated };
        let checked = check().await;
        if checked.status != 204 {
            return PathAccess::Refused(checked);
        }
        match self.0.acquire(secret.to_owned(), CAPACITY) {
            Ok(permit) => PathAccess::Granted(permit),
            Err(_) => PathAccess::Refused(status(503)),
        }
    }
}
