//! Temporary folders for staged files and for the output of commands.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::WebServerError;

/// Folder that is deleted when it is dropped.
pub(crate) struct TemporaryFolder(pub(crate) PathBuf);

impl TemporaryFolder {
    /// Creates an empty folder. Its name contains the PID, because several processes may validate at a time.
    pub(crate) fn create(state: &Path, number: u64) -> Result<Self, WebServerError> {
        let path = state.join(format!("stage-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).map_err(WebServerError::disk("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
