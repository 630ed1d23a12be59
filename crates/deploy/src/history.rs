//! The stored deployments of a site.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use files::{Attributes, replace};
use serde::{Deserialize, Serialize};

use crate::error::DeployError;

/// A deployment or rollback that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Number, counted from 1 for each site.
    pub number: u64,
    /// Time in seconds since 1970.
    pub time: u64,
    /// Name of the user.
    pub author: String,
    /// Reason that the user gave.
    pub message: String,
    /// Kind, with details.
    #[serde(flatten)]
    pub kind: DeploymentKind,
    /// Number of files that were added.
    pub added: usize,
    /// Number of files whose content was changed.
    pub changed: usize,
    /// Number of files that were removed.
    pub removed: usize,
    /// The content before this deployment is stored, so that it can be restored.
    pub is_restorable: bool,
}

/// Kind of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DeploymentKind {
    /// Content of an archive.
    Deployment,
    /// Content before an earlier deployment.
    Rollback {
        /// Number of that deployment.
        restored_before: u64,
    },
}

/// File of the history.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// Deployments, the oldest first.
    pub(crate) deployments: Vec<Deployment>,
    /// Deployment that is being carried out.
    pub(crate) pending: Option<Pending>,
}

/// Deployment that is being carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) deployment: Deployment,
    /// Name of the new folder in the store.
    pub(crate) source: String,
    /// Inode of the new folder. If the folder of the site has it, the exchange has happened.
    pub(crate) inode: u64,
}

impl History {
    /// Reads the file; a missing one means that there was no deployment.
    pub(crate) fn read(path: &Path) -> Result<Self, DeployError> {
        let mut text = String::new();
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(DeployError::io("read", path)(error)),
            Ok(file) => {
                file.take(MAX_FILE).read_to_string(&mut text).map_err(DeployError::io("read", path))?
            }
        };
        serde_json::from_str(&text)
            .map_err(|error| DeployError::History { path: path.to_owned(), problem: error.to_string() })
    }

    /// Replaces the file. The oldest deployments are forgotten.
    pub(crate) fn write(&mut self, path: &Path) -> Result<(), DeployError> {
        let surplus = self.deployments.len().saturating_sub(MAX_LISTED);
        self.deployments.drain(..surplus);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| DeployError::History { path: path.to_owned(), problem: error.to_string() })?;
        replace(path, text.as_bytes(), Attributes::PRIVATE).map_err(DeployError::io("write", path))
    }

    /// Returns the number of the next deployment.
    pub(crate) fn next_number(&self) -> u64 {
        self.deployments.last().map_or(1, |last| last.number.saturating_add(1))
    }
}

/// Maximum number of deployments in the list.
const MAX_LISTED: usize = 200;
/// Maximum size of the file in bytes. Each deployment has a message of limited length.
const MAX_FILE: u64 = 4 << 20;
