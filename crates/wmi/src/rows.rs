//! Rows on their way out.

use std::time::Duration;

use cim::{Instance, Name, Status};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use crate::{Error, ProviderError};

/// Rows, as they come. Dropping it ends the search for more.
#[derive(Debug)]
pub struct Rows {
    pub(crate) rows: Receiver<Result<Instance, Error>>,
    pub(crate) patience: Duration,
    /// What gives the rows; `None` once it is known how it ended.
    pub(crate) search: Option<JoinHandle<()>>,
    /// The class that was asked for, for errors.
    pub(crate) class: Name,
}

impl Rows {
    /// The next row, or `None` at the end. After an error nothing follows.
    ///
    /// May be dropped and called again: no row is lost by that.
    pub async fn next(&mut self) -> Option<Result<Instance, Error>> {
        let next = match tokio::time::timeout(self.patience, self.rows.recv()).await {
            Ok(Some(next)) => next,
            Ok(None) => return self.end().await.map(Err),
            Err(_) => {
                self.search = None;
                Err(Error::TimedOut(self.class.clone()))
            }
        };
        if next.is_err() {
            self.rows.close();
            // What was sent before it was closed is of no use behind an error.
            while self.rows.try_recv().is_ok() {}
        }
        Some(next)
    }

    /// How the search ended: an end without error may be that of a provider that panicked.
    async fn end(&mut self) -> Option<Error> {
        let ended = self.search.as_mut()?.await;
        self.search = None;
        let panicked = || ProviderError::failed(Status::ProviderFailure, "the provider panicked");
        ended.err().map(|_| panicked().of(&self.class))
    }
}
