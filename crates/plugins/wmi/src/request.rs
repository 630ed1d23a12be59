//! A request with its parsed target, and its context.

use pusher::Pusher;
use service::{Call, Caller, CallerLocation};
use wmi::{Context, Engine};
use wsman::Fault;

use crate::error::WmiError;
use crate::fault::{Operation, ResponseContext};
use crate::target::RequestTarget;

/// A request with its parsed target and context.
pub(crate) struct WmiRequest<'c> {
    pub(crate) engine: &'c Engine,
    pub(crate) call: &'c Call,
    pub(crate) pusher: &'c Pusher,
    pub(crate) context: Context,
    pub(crate) target: RequestTarget,
    pub(crate) response: ResponseContext,
}

impl WmiRequest<'_> {
    /// Returns the fault of an operation on the target of the request.
    pub(crate) fn fault(&self, error: impl Into<WmiError>, operation: Operation) -> Fault {
        self.response.fault(error, operation, &self.target.to_string())
    }

    /// Returns the context of an operation limited to the client's timeout.
    pub(crate) fn context_in_time(&self) -> Context {
        self.context.clone().within(self.call.timeout)
    }

    /// Waits for an operation, at most for the client's timeout.
    pub(crate) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, wmi::Error>>,
    ) -> Result<T, WmiError> {
        match tokio::time::timeout(self.call.timeout, work).await {
            Ok(Err(wmi::Error::TimedOut(_))) | Err(_) => Err(WmiError::TimedOut),
            Ok(done) => Ok(done?),
        }
    }
}

/// Returns the context of a caller for access checks.
pub(crate) fn context(caller: &Caller) -> Context {
    let (name, token) = (caller.identity().account().to_string(), caller.token().clone());
    match caller.location() {
        CallerLocation::ThisMachine => Context::local(name, token),
        CallerLocation::Network => Context::remote(name, token),
    }
}
