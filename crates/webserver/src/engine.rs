//! Plans, commits, history and recovery, which are the same for all web servers.
//!
//! A web server implements [`Product`]: reading its files, planning changes, its validator, and its processes. Every
//! product is a [`WebServer`] through this module.

mod certificate_file;
mod commit;
mod disk;
mod draft_files;
mod include_pattern;
mod log_lines;
pub(crate) mod marker;
pub(crate) mod process;
mod program;
mod request_rate;
mod roots;
mod snapshot_cache;
mod source_watch;
mod stage;
mod store;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use self::certificate_file::{parse_certificate, read_certificate};
pub(crate) use self::disk::{Disk, names};
pub(crate) use self::draft_files::DraftFiles;
pub(crate) use self::include_pattern::IncludePattern;
pub(crate) use self::log_lines::log_file;
pub(crate) use self::program::{find_program, run};
pub(crate) use self::stage::TemporaryFolder;

use self::log_lines::{read_end, read_lines};
use self::request_rate::requests_per_second;
use self::roots::Roots;
use self::snapshot_cache::SnapshotCache;
use self::store::Store;
use crate::application_pool::{ApplicationPool, PoolOperation};
use crate::certificate::CertificateFile;
use crate::change::{Change, MAX_CHANGES};
use crate::control::{Operation, Status, Worker};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::history::{Commit, CommitDetails, CommitRequest, Verdict};
use crate::log::{LogFile, LogKind, LogLines, LogStart, RequestRate};
use crate::model::{ConfigurationFile, Info, Pool, Site, Snapshot};
use crate::plan::{Plan, PlannedFile, Problem, Validation};
use crate::revision::Revision;
use crate::web_server::WebServer;

/// Maximum number of logs of which the rates of requests are read.
const MAX_RATES: usize = 64;

/// Files of a configuration, as they were read.
pub(crate) trait Configuration: Sized {
    /// Returns contents by path, sorted.
    fn contents(&self) -> BTreeMap<&str, &[u8]>;

    /// Returns syntax errors and files that cannot be read.
    fn problems(&self) -> Vec<Problem>;

    fn revision(&self) -> Revision {
        Revision::of(self.contents())
    }
}

/// Checks that a file is part of a configuration.
pub(crate) fn require_file<C: Configuration>(configuration: &C, path: &str) -> Result<(), WebServerError> {
    match configuration.contents().contains_key(path) {
        true => Ok(()),
        false => Err(WebServerError::NotFound { kind: "file of the configuration", name: path.to_owned() }),
    }
}

/// Result of planned changes.
pub(crate) struct Drafted {
    pub(crate) files: Vec<PlannedFile>,
    pub(crate) warnings: Vec<Problem>,
}

/// Planned files to be checked.
pub(crate) struct Checked<'a, C> {
    /// The configuration with the planned files.
    pub(crate) planned: &'a C,
    /// Paths of deleted files.
    pub(crate) deleted: &'a BTreeSet<&'a str>,
    /// Private folder for copies.
    pub(crate) stage: &'a TemporaryFolder,
}

/// Parts of a web server that depend on the product.
pub(crate) trait Product: Send + Sync {
    /// Files of the configuration.
    type Configuration: Configuration;
    /// State of the processes before a reload.
    type BeforeReload;

    fn engine(&self) -> &Engine;

    fn product_info(&self) -> &Info;

    /// Reads the configuration, with planned contents in place of those on disk.
    fn read(&self, disk: &mut Disk) -> Result<Self::Configuration, WebServerError>;

    fn sites(&self, configuration: &Self::Configuration) -> Vec<Site>;

    fn pools(&self, configuration: &Self::Configuration) -> Vec<Pool>;

    fn feature_state(
        &self,
        configuration: &Self::Configuration,
        scope: &Scope,
        feature: Feature,
    ) -> Result<FeatureState, WebServerError>;

    /// Applies changes in memory.
    fn draft(
        &self,
        configuration: Self::Configuration,
        changes: &[Change],
    ) -> Result<Drafted, WebServerError>;

    /// Plans the files of an earlier commit.
    fn restore(
        &self,
        configuration: Self::Configuration,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Drafted, WebServerError>;

    /// Lets the validator of the product check copies of the planned files.
    fn check(&self, checked: &Checked<'_, Self::Configuration>) -> Result<Validation, WebServerError>;

    /// Replaces the files and lets a running web server load them. If it rejects them, the old ones are restored.
    fn apply(&self, before: &Self::Configuration, files: &[PlannedFile]) -> Result<Verdict, WebServerError>
    where
        Self: Sized,
    {
        commit::replace_files(self, before, files)
    }

    /// Returns the PID of the main process.
    fn main_process(&self, configuration: &Self::Configuration) -> Option<u32>;

    fn workers(&self, main_process: u32) -> Vec<Worker>;

    /// Notes the state of the processes before the files are replaced.
    fn before_reload(&self, main_process: u32, before: &Self::Configuration) -> Self::BeforeReload;

    /// Loads the files and waits for the result. Returns the messages of the web server if it rejects them.
    fn reload(
        &self,
        before: Self::BeforeReload,
        after: &Self::Configuration,
    ) -> Result<Result<(), String>, WebServerError>;

    /// Starts the web server again if a failed reload ended it. The old files are in place.
    fn resume(&self, restored: &Self::Configuration) -> Result<(), WebServerError>;

    fn start(
        &self,
        configuration: &Self::Configuration,
        stage: &TemporaryFolder,
    ) -> Result<(), WebServerError>;

    /// Stops the web server, after its current requests or at once.
    fn stop(
        &self,
        configuration: &Self::Configuration,
        main_process: u32,
        end: End,
    ) -> Result<(), WebServerError>;

    fn reopen_logs(
        &self,
        configuration: &Self::Configuration,
        main_process: u32,
    ) -> Result<(), WebServerError>;

    fn logs(&self, configuration: &Self::Configuration) -> Vec<LogFile>;

    fn certificate_files(&self, configuration: &Self::Configuration) -> Vec<CertificateFile>;

    /// Returns the application pools of products that have them.
    fn application_pools(&self) -> Result<Vec<ApplicationPool>, WebServerError> {
        Ok(Vec::new())
    }

    fn control_application_pool(
        &self,
        name: &str,
        _operation: PoolOperation,
    ) -> Result<ApplicationPool, WebServerError> {
        Err(WebServerError::not_found("application pool", &name))
    }
}

/// End of a web server's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// After the current requests.
    Graceful,
    /// At once.
    Immediate,
}

/// History, locks and temporary folders of a web server.
pub(crate) struct Engine {
    state: PathBuf,
    store: Store,
    /// Directories in which files may be changed.
    roots: Roots,
    /// Excludes the other threads; a file lock excludes other processes.
    changes: locks::Mutex<()>,
    /// Number of the next temporary folder.
    stages: AtomicU64,
    snapshots: SnapshotCache,
}

impl Engine {
    /// Opens the private folder for history and staged files, and creates it if it is missing. Files are changed in the
    /// `roots` only, or everywhere if there are none.
    pub(crate) fn open(state: &Path, roots: &[PathBuf]) -> Result<Self, WebServerError> {
        create_private(state)?;
        let state = fs::canonicalize(state).map_err(WebServerError::disk("open", state))?;
        let store = Store::open(&state.join("history.sqlite"))?;
        let (roots, changes) = (Roots::open(roots)?, locks::Mutex::new(()));
        let (stages, snapshots) = (AtomicU64::new(0), SnapshotCache::default());
        Ok(Self { state, store, roots, changes, stages, snapshots })
    }

    pub(crate) fn stage(&self) -> Result<TemporaryFolder, WebServerError> {
        TemporaryFolder::create(&self.state, self.stages.fetch_add(1, Ordering::Relaxed))
    }
}

/// Undoes a commit that a crash interrupted.
pub(crate) fn recover<P: Product>(product: &P) -> Result<(), WebServerError> {
    commit::lock(product).map(drop)
}

/// Reads the files on disk.
pub(crate) fn live<P: Product>(product: &P) -> Result<P::Configuration, WebServerError> {
    product.read(&mut Disk::default())
}

/// Returns the error logs of all levels.
pub(crate) fn error_logs<P: Product>(product: &P, configuration: &P::Configuration) -> Vec<String> {
    let logs = product.logs(configuration).into_iter();
    logs.filter(|log| log.kind == LogKind::Error).map(|log| log.path).collect()
}

pub(crate) fn start_error(reason: impl Into<String>) -> WebServerError {
    WebServerError::Control { operation: "start", reason: reason.into() }
}

/// Returns the error of a web server that still runs some seconds after it was told to stop.
pub(crate) fn stop_error() -> WebServerError {
    let reason = "it still answers requests; stop it at once, or wait for them".to_owned();
    WebServerError::Control { operation: "stop", reason }
}

/// Returns a path as text.
pub(crate) fn utf8(path: &Path) -> Result<String, WebServerError> {
    path.to_str().map(str::to_owned).ok_or_else(|| WebServerError::Impossible {
        action: format!("use {}", path.display()),
        reason: "the path is not UTF-8".to_owned(),
    })
}

fn require_base<C: Configuration>(base: &Revision, configuration: &C) -> Result<(), WebServerError> {
    let current = configuration.revision();
    if *base == current { Ok(()) } else { Err(WebServerError::Conflict { current }) }
}

fn status<P: Product>(product: &P, configuration: &P::Configuration) -> Status {
    product
        .main_process(configuration)
        .map_or(Status::Stopped, |pid| Status::Running { pid, workers: product.workers(pid) })
}

// Products are types of this crate, so that no caller can implement the private trait.
#[allow(private_bounds)]
impl<P: Product> WebServer for P {
    fn info(&self) -> &Info {
        self.product_info()
    }

    fn unchanged_snapshot(&self) -> Option<Arc<Snapshot>> {
        self.engine().snapshots.current()
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>, WebServerError> {
        if let Some(snapshot) = self.unchanged_snapshot() {
            return Ok(snapshot);
        }
        let lock = commit::lock(self)?;
        let (mut disk, begin) = (Disk::default(), SystemTime::now());
        let configuration = self.read(&mut disk)?;
        lock.record_external(&configuration)?;
        let files = configuration.contents().into_iter().map(|(path, content)| ConfigurationFile {
            path: path.to_owned(),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        });
        let snapshot = Arc::new(Snapshot {
            revision: configuration.revision(),
            sites: self.sites(&configuration),
            pools: self.pools(&configuration),
            files: files.collect(),
            problems: configuration.problems(),
        });
        self.engine().snapshots.keep(disk.sources, &snapshot, begin);
        Ok(snapshot)
    }

    fn feature(&self, scope: &Scope, feature: Feature) -> Result<FeatureState, WebServerError> {
        self.feature_state(&live(self)?, scope, feature)
    }

    fn features(&self, scope: &Scope, features: &[Feature]) -> Result<Vec<FeatureState>, WebServerError> {
        let configuration = live(self)?;
        let states = features.iter().map(|feature| self.feature_state(&configuration, scope, *feature));
        states.filter(|state| !matches!(state, Err(WebServerError::Scope { .. }))).collect()
    }

    fn plan(&self, base: &Revision, changes: &[Change]) -> Result<Plan, WebServerError> {
        if changes.len() > MAX_CHANGES {
            return Err(WebServerError::Limit {
                what: "the number of changes".to_owned(),
                limit: MAX_CHANGES,
            });
        }
        let configuration = live(self)?;
        require_base(base, &configuration)?;
        let drafted = self.draft(configuration, changes)?;
        Ok(Plan { base: *base, files: drafted.files, warnings: drafted.warnings, restores: None })
    }

    fn plan_rollback(&self, base: &Revision, commit: u64) -> Result<Plan, WebServerError> {
        let configuration = live(self)?;
        require_base(base, &configuration)?;
        let files = self.engine().store.files(commit)?;
        let files = files.ok_or_else(|| WebServerError::not_found("commit", &commit))?;
        let drafted = Product::restore(self, configuration, files)?;
        Ok(Plan { base: *base, files: drafted.files, warnings: drafted.warnings, restores: Some(commit) })
    }

    fn validate(&self, plan: &Plan) -> Result<Validation, WebServerError> {
        require_base(&plan.base, &live(self)?)?;
        commit::validate(self, plan)
    }

    fn commit(&self, plan: &Plan, request: &CommitRequest) -> Result<Commit, WebServerError> {
        commit::commit(self, plan, request)
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<Commit>, WebServerError> {
        self.engine().store.list(before, limit.min(1_000))
    }

    fn commit_details(&self, number: u64) -> Result<CommitDetails, WebServerError> {
        self.engine().details(number)
    }

    fn status(&self) -> Result<Status, WebServerError> {
        match live(self) {
            Err(WebServerError::Unreachable { .. }) => Ok(Status::Stopped),
            configuration => Ok(status(self, &configuration?)),
        }
    }

    fn control(&self, operation: Operation) -> Result<Status, WebServerError> {
        let lock = commit::lock(self)?;
        let configuration = live(self)?;
        let running = self.main_process(&configuration);
        let main_process = running.ok_or(WebServerError::NotRunning);
        match operation {
            Operation::Start if running.is_some() => {}
            Operation::Start => self.start(&configuration, &self.engine().stage()?)?,
            Operation::Stop => self.stop(&configuration, main_process?, End::Graceful)?,
            Operation::Terminate => self.stop(&configuration, main_process?, End::Immediate)?,
            Operation::ReopenLogs => self.reopen_logs(&configuration, main_process?)?,
            Operation::Reload => {
                let before = self.before_reload(main_process?, &configuration);
                self.reload(before, &configuration)?
                    .map_err(|reason| WebServerError::Control { operation: "reload", reason })?;
            }
        }
        drop(lock);
        self.status()
    }

    fn log_files(&self) -> Result<Vec<LogFile>, WebServerError> {
        Ok(self.logs(&live(self)?))
    }

    fn read_log(&self, path: &str, start: LogStart) -> Result<LogLines, WebServerError> {
        if self.log_files()?.iter().any(|log| log.path == path) {
            read_lines(path, start)
        } else {
            Err(WebServerError::NotFound { kind: "log file", name: path.to_owned() })
        }
    }

    fn request_rates(&self) -> Result<Vec<RequestRate>, WebServerError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let logs = self.log_files()?.into_iter().filter(|log| log.kind == LogKind::Access);
        let rates = logs.take(MAX_RATES).filter_map(|LogFile { path, sites, .. }| {
            // A log that cannot be read has no rate.
            let end = read_end(&path).ok()?;
            Some(RequestRate { per_second: requests_per_second(&end, now)?, log: path, sites })
        });
        Ok(rates.collect())
    }

    fn certificates(&self) -> Result<Vec<CertificateFile>, WebServerError> {
        Ok(self.certificate_files(&live(self)?))
    }

    fn application_pools(&self) -> Result<Vec<ApplicationPool>, WebServerError> {
        Product::application_pools(self)
    }

    fn control_application_pool(
        &self,
        name: &str,
        operation: PoolOperation,
    ) -> Result<ApplicationPool, WebServerError> {
        Product::control_application_pool(self, name, operation)
    }
}

/// Creates a folder that only this user can read. An existing one must belong to this user.
fn create_private(folder: &Path) -> Result<(), WebServerError> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).map_err(WebServerError::disk("create", folder))?;
    let metadata = fs::metadata(folder).map_err(WebServerError::disk("read", folder))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let reason = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "it belongs to another user");
        return Err(WebServerError::disk("use", folder)(reason));
    }
    // The history contains everything that the configuration contains.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(WebServerError::disk("protect", folder))
}
