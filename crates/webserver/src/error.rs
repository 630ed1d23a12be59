//! Errors of a web server's administration.

use std::io;
use std::path::{Path, PathBuf};

use crate::feature::Feature;
use crate::plan::Validation;
use crate::revision::Revision;
use crate::value::InvalidValue;

/// Error of an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebServerError {
    /// The configuration was changed since the revision on which a plan is based.
    #[error(
        "the configuration was changed meanwhile: its revision is {current}\n  read it again, and repeat the change"
    )]
    Conflict {
        /// Revision of the files now.
        current: Revision,
    },
    /// The web server's validator rejects the planned files. Nothing was written.
    #[error("the planned configuration is invalid: {}\n  correct the change; nothing was written", first_problem(.0))]
    Rejected(Box<Validation>),
    /// A file has a syntax error, so it cannot be changed by a typed change.
    #[error("{file}:{line}: {reason}\n  correct the file first")]
    Syntax {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Description.
        reason: String,
    },
    /// An object does not exist.
    #[error("the {kind} {name:?} does not exist")]
    NotFound {
        /// Kind of the object, such as `site`.
        kind: &'static str,
        /// Name of the object.
        name: String,
    },
    /// An object already exists.
    #[error("the {kind} {name:?} already exists\n  choose another name")]
    Exists {
        /// Kind of the object.
        kind: &'static str,
        /// Name of the object.
        name: String,
    },
    /// The change affects a file outside the directories in which files may be changed.
    #[error(
        "cannot change {file}: it is outside {roots}\n  add its directory to ConfigurationRoots on the server"
    )]
    Outside {
        /// The file.
        file: String,
        /// The permitted directories.
        roots: String,
    },
    /// The change is not possible with this configuration.
    #[error("cannot {action}: {reason}")]
    Impossible {
        /// The change.
        action: String,
        /// Reason, with a remedy.
        reason: String,
    },
    /// The feature does not exist in this scope.
    #[error("the feature {feature} cannot be set in this scope\n  set it in {instead}")]
    Scope {
        /// The feature.
        feature: Feature,
        /// Scopes in which the feature exists.
        instead: &'static str,
    },
    /// A value is invalid.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// The admin endpoint of Caddy does not answer.
    #[error(
        "cannot use the admin endpoint {address} of Caddy: {reason}\n  start Caddy with systemctl start caddy, or with caddy run --resume, which keeps the changes made through the admin endpoint"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// Description.
        reason: String,
    },
    /// An operation on the IIS of another machine failed.
    #[error("cannot {action} on {machine}: {reason}")]
    Windows {
        /// The machine.
        machine: String,
        /// The operation.
        action: String,
        /// Description, with a remedy.
        reason: String,
    },
    /// The web server does not run.
    #[error("the web server does not run")]
    NotRunning,
    /// A control operation failed.
    #[error("cannot {operation} the web server: {reason}")]
    Control {
        /// The operation.
        operation: &'static str,
        /// Messages of the web server.
        reason: String,
    },
    /// A limit is exceeded.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// The measured quantity.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// The operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Files were written, and restoring them failed. Both errors need an administrator.
    #[error("{cause}\n  restoring the old files failed, too: {restore}")]
    Unrestored {
        /// Error because of which the files had to be restored.
        cause: String,
        /// Error of the restoration.
        restore: String,
    },
    /// The store of the history failed.
    #[error("the history cannot be used: {0}")]
    History(String),
}

impl WebServerError {
    pub(crate) fn not_found(kind: &'static str, name: &dyn std::fmt::Display) -> Self {
        Self::NotFound { kind, name: name.to_string() }
    }

    pub(crate) fn impossible(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Impossible { action: action.into(), reason: reason.into() }
    }

    pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { action, path: path.to_owned(), source }
    }
}

fn first_problem(validation: &Validation) -> String {
    validation.problems.first().map_or_else(|| validation.output.trim().to_owned(), ToString::to_string)
}
