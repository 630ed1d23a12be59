//! File transfer.

use std::path::Path;

use copy::{CarrierChoice, Copied, Copier, CopyError, CopyOptions, NoProgress, RemotePath};

use crate::error::Error;
use crate::session::Session;

impl Session {
    /// Copies a local file to `remote`, a path on the remote machine, and returns its absolute path there.
    ///
    /// An existing file is replaced only after all data has arrived and its SHA-256 matches.
    ///
    /// # Errors
    /// [`Error::File`] for the local file, [`Error::Copy`] for the remote file, [`Error`] if a request fails.
    pub async fn copy(&self, local: impl AsRef<Path>, remote: &str) -> Result<String, Error> {
        let copier = self.copier().await?;
        let remote = RemotePath::from(remote);
        let options = CopyOptions::default();
        let copied = copier.upload(local.as_ref(), &remote, None, options, &NoProgress).await;
        self.close_copier(copier, copied).await.map(|copied| copied.path)
    }

    /// Fetches `remote`, a file on the remote machine, to the local path `local`.
    ///
    /// An existing file is replaced only after all data has arrived and its SHA-256 matches.
    ///
    /// # Errors
    /// [`Error::File`] for the local file, [`Error::Copy`] for the remote file, [`Error`] if a request fails.
    pub async fn fetch(&self, remote: &str, local: impl AsRef<Path>) -> Result<(), Error> {
        let copier = self.copier().await?;
        let remote = RemotePath::from(remote);
        let fetched = copier.download(&remote, local.as_ref(), CopyOptions::default(), &NoProgress).await;
        self.close_copier(copier, fetched).await.map(drop)
    }

    async fn copier(&self) -> Result<Copier, Error> {
        Copier::open(&self.client, CarrierChoice::Automatic).await.map_err(|error| self.copy_error(error))
    }

    /// Closes the copier after its work; an error of the work takes precedence.
    async fn close_copier(&self, copier: Copier, copied: Result<Copied, CopyError>) -> Result<Copied, Error> {
        let closed = copier.close().await;
        let copied = copied.map_err(|error| self.copy_error(error))?;
        closed.map_err(|error| self.copy_error(error))?;
        Ok(copied)
    }

    fn copy_error(&self, error: CopyError) -> Error {
        match error {
            CopyError::Local { path, source } => Error::File { path: path.display().to_string(), source },
            CopyError::Remote { path, reason } => Error::Copy { path, reason },
            CopyError::Request(error) => self.explain(error),
            other => Error::Copy { path: String::new(), reason: other.to_string() },
        }
    }
}
