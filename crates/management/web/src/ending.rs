//! The end of the service: connections end after their current requests.

use std::time::Duration;

use tokio::sync::watch;

/// Time that connections have for their current requests.
const DRAIN: Duration = Duration::from_secs(2);

/// Sender of the announcement that the service ends.
#[derive(Debug)]
pub(crate) struct Ending(watch::Sender<bool>);

/// Receiver of the announcement. The service waits until all of them are dropped.
#[derive(Clone, Debug)]
pub(crate) struct EndNotice(watch::Receiver<bool>);

impl Ending {
    /// Returns the sender and a receiver.
    pub(crate) fn new() -> (Self, EndNotice) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), EndNotice(receiver))
    }

    /// Announces the end, and waits until all receivers are dropped, but at most two seconds.
    pub(crate) async fn finish(self) {
        self.0.send_replace(true);
        if tokio::time::timeout(DRAIN, self.0.closed()).await.is_err() {
            tracing::debug!("Connections did not end in time");
        }
    }
}

impl EndNotice {
    /// Waits for the announcement.
    pub(crate) async fn announced(&self) {
        // An error means that the service has ended.
        let _ = self.0.clone().wait_for(|is_ending| *is_ending).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_receivers_but_not_for_ever() {
        let (ending, notice) = Ending::new();
        let slow = notice.clone();
        let connection = tokio::spawn(async move {
            notice.announced().await;
            tokio::time::sleep(DRAIN / 2).await;
        });
        let begin = tokio::time::Instant::now();
        let finishing = tokio::spawn(ending.finish());
        connection.await.unwrap();
        assert!(!finishing.is_finished() && begin.elapsed() == DRAIN / 2);
        finishing.await.unwrap();
        assert_eq!(begin.elapsed(), DRAIN, "a receiver that stays delays the end by {DRAIN:?}");
        slow.announced().await;
    }
}
