//! An open transfer.

use std::sync::Arc;
use std::time::Duration;

use copy_proto::{ContentDigest, Finished};
use locks::Mutex;
use sddl::Sid;
use tokio::sync::watch;
use tokio::time::{Instant as Clock, timeout};

use crate::download::DownloadFile;
use crate::error::TransferError;
use crate::upload::UploadFile;

/// Transfer of one file.
///
/// Requests may arrive at the same time and in any order; each waits for the pieces before its own. The work on the file
/// is done by one thread at a time, and completes even if the client disappears.
pub(crate) struct Transfer {
    id: String,
    owner: Sid,
    /// Key of the temporary file, if the copy can be resumed.
    key: Option<String>,
    /// `None` after an error, and after the end.
    content: Arc<tokio::sync::Mutex<Option<Content>>>,
    /// End of the processed pieces; the maximum after an error.
    position: watch::Sender<u64>,
    last_used: Mutex<Clock>,
}

/// Content of a transfer.
pub(crate) enum Content {
    Upload(UploadFile),
    Download(DownloadFile),
}

impl Content {
    fn position(&self) -> u64 {
        match self {
            Self::Upload(file) => file.length(),
            Self::Download(file) => file.position(),
        }
    }
}

impl Transfer {
    pub(crate) fn new(id: String, owner: Sid, key: Option<String>, content: Content) -> Self {
        Self {
            id,
            owner,
            key,
            position: watch::Sender::new(content.position()),
            content: Arc::new(tokio::sync::Mutex::new(Some(content))),
            last_used: Mutex::new(Clock::now()),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn owner(&self) -> Sid {
        self.owner
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Time since the last request.
    pub(crate) fn idle_time(&self) -> Duration {
        self.last_used.lock().elapsed()
    }

    /// Writes a piece of an upload.
    pub(crate) async fn write(
        self: &Arc<Self>,
        offset: u64,
        piece: Vec<u8>,
        wait: Duration,
    ) -> Result<(), TransferError> {
        self.reach(offset, wait).await?;
        self.work(move |content| match content {
            Content::Upload(file) => file.write(offset, &piece),
            Content::Download(_) => Err(TransferError::Piece("this transfer is a download; use Receive")),
        })
        .await
    }

    /// Reads a piece of a download.
    pub(crate) async fn read(
        self: &Arc<Self>,
        offset: u64,
        length: usize,
        wait: Duration,
    ) -> Result<Vec<u8>, TransferError> {
        self.reach(offset, wait).await?;
        self.work(move |content| match content {
            Content::Download(file) => file.read(offset, length),
            Content::Upload(_) => Err(TransferError::Piece("this transfer is an upload; use Send")),
        })
        .await
    }

    /// Completes the transfer.
    pub(crate) async fn finish(&self, digest: Option<ContentDigest>) -> Result<Finished, TransferError> {
        let content = Arc::clone(&self.content).lock_owned().await.take().ok_or(TransferError::Failed)?;
        blocking(move || match content {
            Content::Upload(file) => file.finish(digest),
            Content::Download(file) => file.finish(),
        })
        .await
    }

    /// Ends the transfer and removes its temporary file.
    pub(crate) async fn abandon(&self) {
        let content = Arc::clone(&self.content).lock_owned().await.take();
        self.position.send_replace(u64::MAX);
        let _ = blocking(move || {
            drop(content);
            Ok(())
        })
        .await;
    }

    /// Waits until all bytes before an offset are processed.
    async fn reach(&self, offset: u64, wait: Duration) -> Result<(), TransferError> {
        *self.last_used.lock() = Clock::now();
        let mut position = self.position.subscribe();
        let reached = timeout(wait, position.wait_for(|position| *position >= offset)).await;
        reached.map_err(|_| TransferError::TimedOut)?.map(drop).map_err(|_| TransferError::Failed)
    }

    /// Works on the file in a thread for blocking operations. After an error the transfer has failed.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Content) -> Result<T, TransferError> + Send + 'static,
    ) -> Result<T, TransferError> {
        let mut guard = Arc::clone(&self.content).lock_owned().await;
        let transfer = Arc::clone(self);
        blocking(move || {
            let content = guard.as_mut().ok_or(TransferError::Failed)?;
            let result = work(content);
            let position = match &result {
                Ok(_) => content.position(),
                Err(_) => {
                    *guard = None;
                    u64::MAX
                }
            };
            transfer.position.send_replace(position);
            *transfer.last_used.lock() = Clock::now();
            result
        })
        .await
    }
}

/// Runs work on files in a thread for blocking operations.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransferError> + Send + 'static,
) -> Result<T, TransferError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(TransferError::Failed))
}
