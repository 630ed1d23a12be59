//! The end of the service.

use std::time::Duration;

use service::Service;
use tokio::time::timeout;

/// Requests under way are answered; what still runs after a while is ended.
pub(crate) async fn end(service: &Service) {
    /// For commands whose end somebody waits for.
    const GRACE: Duration = Duration::from_secs(3);
    /// For telling those who still wait that it is over.
    const LAST_WORDS: Duration = Duration::from_secs(2);
    service.begin_shutdown();
    let drained = timeout(GRACE, service.drained()).await;
    service.close_plugins().await;
    if drained.is_err() && timeout(LAST_WORDS, service.drained()).await.is_err() {
        tracing::warn!("Connections are still open; they are cut off");
    }
}
