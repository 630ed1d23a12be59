//! Shutdown of the service.

use std::time::Duration;

use service::Service;
use tokio::time::timeout;

/// Answers pending requests, closes the plug-ins, and waits for connections to close.
pub(crate) async fn run(service: &Service) {
    /// Time for pending requests, which may wait for the end of a command.
    const GRACE: Duration = Duration::from_secs(3);
    /// Time for the responses to requests that were pending when the plug-ins closed.
    const CLOSE_TIME: Duration = Duration::from_secs(2);
    service.begin_shutdown();
    let drained = timeout(GRACE, service.drained()).await;
    service.close_plugins().await;
    if drained.is_err() && timeout(CLOSE_TIME, service.drained()).await.is_err() {
        tracing::warn!("Cutting off connections that are still open");
    }
}
