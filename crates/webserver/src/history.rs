//! Commits and their results.

use serde::{Deserialize, Serialize};

use crate::plan::FileDiff;
use crate::revision::Revision;
use crate::value::{Author, CommitMessage};

/// A commit in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Number, from 1 without gaps.
    pub number: u64,
    /// Time in seconds since 1970.
    pub time: i64,
    /// Person or account; `None` for changes that were made outside this program.
    pub author: Option<Author>,
    /// Message.
    pub message: CommitMessage,
    /// Kind of the commit.
    pub kind: CommitKind,
    /// Revision of the files after the commit.
    pub revision: Revision,
    /// Result of the commit.
    pub verdict: Verdict,
}

/// Kind of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CommitKind {
    /// Files were changed outside this program, or were found at the first start.
    External,
    /// Changes of a plan.
    Change,
    /// The files of an earlier commit were restored.
    Rollback {
        /// Number of the earlier commit.
        to: u64,
    },
    /// An interrupted commit was undone after a crash.
    Recovery,
}

/// Result of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The web server runs with the new files.
    Active,
    /// The files were written. The web server was not running.
    Written,
    /// The web server rejected the new files while reloading. The old files were restored, and the web server still
    /// runs with them.
    Failed {
        /// Messages of the web server, with the paths of the live files.
        reason: String,
    },
}

impl Verdict {
    /// Returns whether the new files remain in place.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// A commit with its differences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommitDetails {
    /// The commit.
    pub commit: Commit,
    /// Changed files.
    pub diffs: Vec<FileDiff>,
    /// Output of the validator.
    pub validator: String,
}

/// Author and message of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRequest {
    /// Person or account that makes the change.
    pub author: Author,
    /// Message.
    #[serde(default)]
    pub message: CommitMessage,
}
