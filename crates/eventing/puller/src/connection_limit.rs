//! Limit of the connections to sources.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limit of the connections to all sources. Tasks get them in the order of their requests.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Counts a waiting task until it is dropped.
struct Waiting<'l>(&'l AtomicUsize);

impl ConnectionLimit {
    pub(crate) fn new(maximum: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(maximum)), waiting: AtomicUsize::new(0) }
    }

    /// Waits until a connection is free. Returns `None` after the limit was closed, which never happens.
    pub(crate) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Returns whether tasks wait for a connection.
    pub(crate) fn is_contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_tasks_are_counted_until_they_are_served_or_stop() {
        let limit = ConnectionLimit::new(1);
        let first = limit.acquire().await;
        assert!(first.is_some() && !limit.is_contended());
        {
            let mut second = Box::pin(limit.acquire());
            assert!(futures_pending(&mut second).await && limit.is_contended());
        }
        assert!(!limit.is_contended());
        drop(first);
        assert!(limit.acquire().await.is_some());
    }

    async fn futures_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
