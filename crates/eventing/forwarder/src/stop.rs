//! Signal to stop.

use tokio::sync::watch;

/// Waits until the signal is given, or its sender is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender the forwarder must stop as well.
    let _ = stop.wait_for(|is_stopped| *is_stopped).await;
}
