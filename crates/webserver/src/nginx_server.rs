//! nginx, administered through its configuration files.

mod certificates;
mod commit;
mod configuration;
mod disk;
mod draft;
mod features;
mod logs;
mod process;
mod program;
mod roots;
mod sites;
mod stage;
mod store;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;

use self::configuration::Configuration;
use self::draft::Draft;
use self::process::{TIME_LIMIT, master, wait_until, workers};
use self::program::{Build, Invocation};
use self::roots::Roots;
use self::stage::TemporaryFolder;
use self::store::Store;
use crate::certificate::CertificateFile;
use crate::change::{Change, MAX_CHANGES};
use crate::control::{Operation, Status};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::history::{Commit, CommitDetails, CommitRequest};
use crate::log::{LogFile, LogKind, LogLines, LogStart};
use crate::model::{Capabilities, ConfigurationFile, Info, Snapshot};
use crate::plan::{Plan, Validation};
use crate::revision::Revision;
use crate::web_server::WebServer;

/// Program and files of an nginx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxOptions {
    /// The program.
    pub program: PathBuf,
    /// Main configuration file.
    pub configuration: PathBuf,
    /// Prefix for relative paths of logs and content; `None` for the one with which the program was built.
    pub prefix: Option<PathBuf>,
    /// Private folder for the history and staged files. It is created if it is missing.
    pub state: PathBuf,
    /// Directories in which files may be changed; empty for no restriction.
    pub roots: Vec<PathBuf>,
}

impl NginxOptions {
    /// Finds the files below a folder: `nginx.conf` or `conf/nginx.conf`. The program is the one in the search path or in
    /// `/usr/sbin`. The folder is also the prefix, except for `/etc/nginx`, whose prefix is built into the program.
    ///
    /// # Errors
    /// If there is no main file or no program.
    pub fn of_folder(folder: &Path, state: &Path) -> Result<Self, WebServerError> {
        let folder = fs::canonicalize(folder).map_err(WebServerError::disk("open", folder))?;
        let files = [folder.join("nginx.conf"), folder.join("conf/nginx.conf")];
        let configuration = files
            .iter()
            .find(|file| file.is_file())
            .ok_or_else(|| WebServerError::not_found("file", &files[0].display()))?
            .clone();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = programs.map(|folder| folder.join("nginx")).find(|program| program.is_file());
        let program =
            program.ok_or(WebServerError::NotFound { kind: "program", name: "nginx".to_owned() })?;
        let prefix = (folder != Path::new("/etc/nginx")).then_some(folder);
        Ok(Self { program, configuration, prefix, state: state.to_owned(), roots: Vec::new() })
    }
}

/// An nginx of this machine.
pub struct Nginx {
    invocation: Invocation,
    build: Build,
    info: Info,
    state: PathBuf,
    store: Store,
    roots: Roots,
    /// Excludes the other threads; a file lock excludes other processes.
    changes: locks::Mutex<()>,
    /// Number of the next staging folder.
    stages: AtomicU64,
}

impl std::fmt::Debug for Nginx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nginx").field("invocation", &self.invocation).finish_non_exhaustive()
    }
}

impl Nginx {
    /// Opens the configuration. A commit that a crash interrupted is undone.
    ///
    /// # Errors
    /// If the program cannot be run, or the folder of the state cannot be used.
    pub fn open(options: &NginxOptions) -> Result<Self, WebServerError> {
        let state = &options.state;
        create_private(state)?;
        let state = fs::canonicalize(state).map_err(WebServerError::disk("open", state))?;
        let configuration = &options.configuration;
        let invocation = Invocation {
            program: options.program.clone(),
            prefix: options.prefix.as_deref().map(utf8).transpose()?,
            main: utf8(configuration)?,
        };
        let build = Build::read(&options.program, &state.join(format!("version-{}", std::process::id())))?;
        let _ = fs::remove_file(state.join(format!("version-{}", std::process::id())));
        let info = info(&build, &invocation);
        let roots = Roots::open(&options.roots)?;
        let store = Store::open(&state.join("history.sqlite"))?;
        let stages = AtomicU64::new(0);
        let changes = locks::Mutex::new(());
        let nginx = Self { invocation, build, info, state, store, roots, changes, stages };
        drop(nginx.lock()?);
        Ok(nginx)
    }

    fn read(&self) -> Result<Configuration, WebServerError> {
        configuration::live(&self.invocation.main)
    }

    /// Returns the file with the PID of the main process.
    fn pid_file(&self, configuration: &Configuration) -> String {
        let set = configuration.find(&[], "pid").and_then(|pid| pid.directive.word(1));
        let path = set.or(self.build.path("--pid-path=")).unwrap_or("logs/nginx.pid");
        self.invocation.below_prefix(&self.build, path)
    }

    fn master(&self, configuration: &Configuration) -> Option<u32> {
        master(&self.pid_file(configuration))
    }

    fn status_of(&self, configuration: &Configuration) -> Status {
        self.master(configuration)
            .map_or(Status::Stopped, |pid| Status::Running { pid, workers: workers(pid) })
    }

    fn logs(&self, configuration: &Configuration) -> Vec<LogFile> {
        logs::files(configuration, &self.invocation, &self.build)
    }

    /// Returns the error logs of all levels.
    fn error_logs(&self, configuration: &Configuration) -> Vec<String> {
        let logs = self.logs(configuration).into_iter();
        logs.filter(|log| log.kind == LogKind::Error).map(|log| log.path).collect()
    }

    fn stage(&self) -> Result<TemporaryFolder, WebServerError> {
        TemporaryFolder::create(&self.state, self.stages.fetch_add(1, Ordering::Relaxed))
    }

    fn require_base(base: &Revision, configuration: &Configuration) -> Result<(), WebServerError> {
        let current = configuration.revision();
        if *base == current { Ok(()) } else { Err(WebServerError::Conflict { current }) }
    }

    fn start(&self, configuration: &Configuration) -> Result<(), WebServerError> {
        if configuration.find(&[], "daemon").is_some_and(|daemon| daemon.directive.word(1) == Some("off")) {
            return Err(start_error(
                "daemon is off in its configuration, so another program must start it".to_owned(),
            ));
        }
        let stage = self.stage()?;
        let (status, output) = program::run(&mut self.invocation.command(), &stage.0.join("output"))?;
        if !status.success() {
            return Err(start_error(output.trim().to_owned()));
        }
        let has_started = wait_until(TIME_LIMIT, || {
            self.master(configuration).is_some_and(|master| !workers(master).is_empty())
        });
        if has_started {
            Ok(())
        } else {
            Err(start_error("no worker process was started within 5 seconds".to_owned()))
        }
    }

    fn stop(&self, configuration: &Configuration, how: Signal) -> Result<(), WebServerError> {
        let master = self.master(configuration).ok_or(WebServerError::NotRunning)?;
        process::signal(master, how)?;
        let file = self.pid_file(configuration);
        if wait_until(TIME_LIMIT, || process::master(&file) != Some(master)) {
            return Ok(());
        }
        let reason = "it still answers requests; stop it at once, or wait for them".to_owned();
        Err(WebServerError::Control { operation: "stop", reason })
    }
}

impl WebServer for Nginx {
    fn info(&self) -> &Info {
        &self.info
    }

    fn snapshot(&self) -> Result<Snapshot, WebServerError> {
        let lock = self.lock()?;
        let configuration = self.read()?;
        self.record_external(&lock, &configuration)?;
        let files = configuration.contents().into_iter().map(|(path, content)| ConfigurationFile {
            path: path.to_owned(),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        });
        Ok(Snapshot {
            revision: configuration.revision(),
            sites: sites::sites(&configuration),
            pools: sites::pools(&configuration),
            files: files.collect(),
            problems: configuration.problems(),
        })
    }

    fn feature(&self, scope: &Scope, feature: Feature) -> Result<FeatureState, WebServerError> {
        features::state(&self.read()?, scope, feature)
    }

    fn plan(&self, base: &Revision, changes: &[Change]) -> Result<Plan, WebServerError> {
        if changes.len() > MAX_CHANGES {
            return Err(WebServerError::Limit {
                what: "the number of changes".to_owned(),
                limit: MAX_CHANGES,
            });
        }
        let configuration = self.read()?;
        Self::require_base(base, &configuration)?;
        let mut draft = Draft::new(&self.invocation.main, &self.build, configuration);
        changes.iter().try_for_each(|change| draft.apply(change))?;
        let drafted = draft.finish();
        Ok(Plan { base: *base, files: drafted.files, warnings: drafted.warnings, restores: None })
    }

    fn plan_rollback(&self, base: &Revision, commit: u64) -> Result<Plan, WebServerError> {
        let configuration = self.read()?;
        Self::require_base(base, &configuration)?;
        let files = self.store.files(commit)?;
        let mut draft = Draft::new(&self.invocation.main, &self.build, configuration);
        draft.restore(files.ok_or_else(|| WebServerError::not_found("commit", &commit))?);
        let drafted = draft.finish();
        Ok(Plan { base: *base, files: drafted.files, warnings: drafted.warnings, restores: Some(commit) })
    }

    fn validate(&self, plan: &Plan) -> Result<Validation, WebServerError> {
        let configuration = self.read()?;
        Self::require_base(&plan.base, &configuration)?;
        self.validate_files(plan)
    }

    fn commit(&self, plan: &Plan, request: &CommitRequest) -> Result<Commit, WebServerError> {
        self.commit_plan(plan, request)
    }

    fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<Commit>, WebServerError> {
        self.store.list(before, limit.min(1_000))
    }

    fn commit_details(&self, number: u64) -> Result<CommitDetails, WebServerError> {
        self.details(number)
    }

    fn status(&self) -> Result<Status, WebServerError> {
        Ok(self.status_of(&self.read()?))
    }

    fn control(&self, operation: Operation) -> Result<Status, WebServerError> {
        let lock = self.lock()?;
        let configuration = self.read()?;
        let master = self.master(&configuration);
        match operation {
            Operation::Start if master.is_some() => {}
            Operation::Start => self.start(&configuration)?,
            Operation::Stop => self.stop(&configuration, Signal::QUIT)?,
            Operation::Terminate => self.stop(&configuration, Signal::TERM)?,
            Operation::ReopenLogs => {
                process::signal(master.ok_or(WebServerError::NotRunning)?, Signal::USR1)?;
            }
            Operation::Reload => {
                let master = master.ok_or(WebServerError::NotRunning)?;
                let reload = process::Reload::prepare(master, &self.error_logs(&configuration));
                reload.run()?.map_err(|reason| WebServerError::Control { operation: "reload", reason })?;
            }
        }
        drop(lock);
        Ok(self.status_of(&self.read()?))
    }

    fn log_files(&self) -> Result<Vec<LogFile>, WebServerError> {
        Ok(self.logs(&self.read()?))
    }

    fn read_log(&self, path: &str, start: LogStart) -> Result<LogLines, WebServerError> {
        if self.log_files()?.iter().any(|log| log.path == path) {
            logs::read(path, start)
        } else {
            Err(WebServerError::NotFound { kind: "log file", name: path.to_owned() })
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateFile>, WebServerError> {
        Ok(certificates::inventory(&self.read()?))
    }
}

fn start_error(reason: String) -> WebServerError {
    WebServerError::Control { operation: "start", reason }
}

fn utf8(path: &Path) -> Result<String, WebServerError> {
    path.to_str().map(str::to_owned).ok_or_else(|| WebServerError::Impossible {
        action: format!("use {}", path.display()),
        reason: "the path is not UTF-8".to_owned(),
    })
}

fn info(build: &Build, invocation: &Invocation) -> Info {
    let capabilities = Capabilities {
        features: features::supported(),
        stop_sites: true,
        pools: true,
        raw_edit: true,
        http2: build.has("--with-http_v2_module"),
        tls: build.has("--with-http_ssl_module"),
    };
    Info {
        product: "nginx".to_owned(),
        version: build.version_text(),
        configuration: invocation.main.clone(),
        capabilities,
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
