//! The interface of all web servers.

use std::sync::Arc;

use crate::application_pool::{ApplicationPool, PoolOperation};
use crate::certificate::CertificateFile;
use crate::change::Change;
use crate::control::{Operation, Status};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::history::{Commit, CommitDetails, CommitRequest};
use crate::log::{LogFile, LogLines, LogStart, RequestRate};
use crate::model::{Info, Snapshot};
use crate::plan::{Plan, Validation};
use crate::revision::Revision;

/// A web server that can be administered.
///
/// Its own configuration files are the only source of the configuration. A change is made in three steps: `plan` computes
/// new files, `validate` lets the web server's validator check a copy of them, and `commit` writes them, reloads the web
/// server and restores the old files if the web server rejects the new ones.
///
/// All methods block the calling thread on files and processes, for at most some seconds. An implementation may be
/// called from several threads. Changes of several processes exclude each other.
pub trait WebServer: Send + Sync {
    /// Returns product, version and capabilities.
    fn info(&self) -> &Info;

    /// Reads the configuration. If it was changed by others since the last commit, the history receives a commit of kind
    /// [`External`](crate::CommitKind::External).
    ///
    /// # Errors
    /// If the main file cannot be read, or the history cannot be written. Errors in single files are
    /// [problems](Snapshot::problems) of the snapshot.
    fn snapshot(&self) -> Result<Arc<Snapshot>, WebServerError>;

    /// Returns the last snapshot if no file of the configuration has changed since. This only reads the state of these
    /// files. `None` means that [`snapshot`](Self::snapshot) must read the configuration.
    fn unchanged_snapshot(&self) -> Option<Arc<Snapshot>>;

    /// Reads the value of a feature.
    ///
    /// # Errors
    /// If the scope does not exist, or the feature does not exist in it.
    fn feature(&self, scope: &Scope, feature: Feature) -> Result<FeatureState, WebServerError>;

    /// Reads the values of several features of a scope at once. Those that do not exist at this scope are omitted.
    ///
    /// # Errors
    /// As for [`feature`](Self::feature).
    fn features(&self, scope: &Scope, features: &[Feature]) -> Result<Vec<FeatureState>, WebServerError>;

    /// Computes the effect of changes, applied in their order, without any effect of its own.
    ///
    /// # Errors
    /// [`Conflict`](WebServerError::Conflict) if `base` is not the current revision, and the reasons why a change is not
    /// possible.
    fn plan(&self, base: &Revision, changes: &[Change]) -> Result<Plan, WebServerError>;

    /// Computes the changes that restore the files of a commit.
    ///
    /// # Errors
    /// [`Conflict`](WebServerError::Conflict), [`NotFound`](WebServerError::NotFound).
    fn plan_rollback(&self, base: &Revision, commit: u64) -> Result<Plan, WebServerError>;

    /// Lets the web server's validator check the planned files. The live files are not changed.
    ///
    /// # Errors
    /// If the validator cannot be run.
    fn validate(&self, plan: &Plan) -> Result<Validation, WebServerError>;

    /// Validates a plan, writes its files, reloads the web server, and waits for the result. If the web server rejects
    /// the files, the old ones are restored, and the [verdict](Commit::verdict) is `Failed`.
    ///
    /// # Errors
    /// [`Conflict`](WebServerError::Conflict), [`Rejected`](WebServerError::Rejected), and errors of the file system. The
    /// files are then unchanged, except with [`Unrestored`](WebServerError::Unrestored).
    fn commit(&self, plan: &Plan, request: &CommitRequest) -> Result<Commit, WebServerError>;

    /// Returns at most `limit` commits with numbers below `before`, newest first.
    ///
    /// # Errors
    /// If the history cannot be read.
    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<Commit>, WebServerError>;

    /// Returns a commit with its differences.
    ///
    /// # Errors
    /// [`NotFound`](WebServerError::NotFound), or if the history cannot be read.
    fn commit_details(&self, number: u64) -> Result<CommitDetails, WebServerError>;

    /// Returns the state of the web server.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn status(&self) -> Result<Status, WebServerError>;

    /// Starts, stops or reloads the web server, and waits until that is done.
    ///
    /// # Errors
    /// [`NotRunning`](WebServerError::NotRunning), [`Control`](WebServerError::Control).
    fn control(&self, operation: Operation) -> Result<Status, WebServerError>;

    /// Returns the log files that the configuration names.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    fn log_files(&self) -> Result<Vec<LogFile>, WebServerError>;

    /// Reads at most 1 MiB of complete lines of a log file that the configuration names.
    ///
    /// # Errors
    /// [`NotFound`](WebServerError::NotFound) if the configuration does not name the file, and errors of the file system.
    fn read_log(&self, path: &str, start: LogStart) -> Result<LogLines, WebServerError>;

    /// Returns the requests per second in the last minute, for each log of requests with times in the combined format or,
    /// of Caddy, in JSON. At most 64 logs are read.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    fn request_rates(&self) -> Result<Vec<RequestRate>, WebServerError>;

    /// Returns the certificates that the configuration names, sorted by path.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    fn certificates(&self) -> Result<Vec<CertificateFile>, WebServerError>;

    /// Returns the application pools, sorted by name. Only IIS has some.
    ///
    /// # Errors
    /// If the pools cannot be read.
    fn application_pools(&self) -> Result<Vec<ApplicationPool>, WebServerError>;

    /// Performs an operation on an application pool, and waits until it is done.
    ///
    /// # Errors
    /// [`NotFound`](WebServerError::NotFound), or if the operation fails.
    fn control_application_pool(
        &self,
        name: &str,
        operation: PoolOperation,
    ) -> Result<ApplicationPool, WebServerError>;
}
