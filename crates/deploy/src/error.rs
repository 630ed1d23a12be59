//! The error of this crate.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Reason why content cannot be deployed. The content of the site is unchanged, except after [`DeployError::Unrecorded`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// The failed operation, such as `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The archive is not of a known format, or damaged.
    #[error("the archive cannot be read: {0}\n  send a .zip, .tar or .tar.gz file")]
    Archive(String),
    /// The name of an entry is not allowed.
    #[error("the archive contains \"{name}\", which is not allowed: {reason}")]
    Name {
        /// The name, escaped.
        name: String,
        /// The violated rule.
        reason: &'static str,
    },
    /// An entry is not a file or folder.
    #[error("the archive contains \"{path}\", which is a {kind}; only files and folders can be deployed")]
    Kind {
        /// The path.
        path: String,
        /// Kind of the entry.
        kind: &'static str,
    },
    /// Two entries have the same path, or one is a file and the other one a folder with it.
    #[error("the archive contains \"{0}\" more than once, or as a file and as a folder")]
    Repeated(String),
    /// A limit is exceeded.
    #[error("{what} is more than the limit of {limit}")]
    Limit {
        /// The limited quantity.
        what: &'static str,
        /// The limit with its unit.
        limit: String,
    },
    /// The folder of the site contains an entry that cannot be copied.
    #[error(
        "the folder of the site contains \"{0}\", which is not a file, folder or link\n  remove it, or replace all content"
    )]
    Special(String),
    /// The site has no folder that deployments may replace.
    #[error("content cannot be deployed to {}: {reason}", folder.display())]
    Folder {
        /// The folder of the site.
        folder: PathBuf,
        /// The reason, with a solution in its next line.
        reason: String,
    },
    /// The content was changed since the revision that the caller has seen.
    #[error("the content of the site was changed meanwhile; its revision is {current}")]
    Conflict {
        /// The current revision.
        current: String,
    },
    /// The deployment does not exist, or its old content is not stored any more.
    #[error("the content before deployment {0} is not stored")]
    NotStored(u64),
    /// Another deployment to this site is in progress.
    #[error("another deployment to this site is in progress")]
    Busy,
    /// The history of deployments is malformed.
    #[error("{}: {problem}\n  move it away to deploy without the older versions", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// The invalid part.
        problem: String,
    },
    /// The new content is in place, but the history could not be written; the next deployment completes it.
    #[error("the new content is in place, but the history could not be written: {0}")]
    Unrecorded(Box<Self>),
}

impl DeployError {
    /// Returns a function that adds the operation and the path to the error of a system call.
    pub(crate) fn disk(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(Errno) -> Self {
        let path = path.as_ref().to_owned();
        move |errno| Self::Disk { action, path, source: errno.into() }
    }

    /// Returns a function that adds the operation and the path to an input or output error.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Disk { action, path, source }
    }
}
