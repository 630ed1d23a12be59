//! nginx, administered through its configuration files.

mod certificates;
mod configuration;
mod draft;
mod features;
mod logs;
mod process;
mod program;
mod sites;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use self::configuration::NginxConfiguration;
use self::draft::Draft;
use self::process::{Reload, master, workers};
use self::program::{Build, Invocation};
use crate::certificate::CertificateFile;
use crate::change::Change;
use crate::control::{Operation, Worker};
use crate::engine::process::{TIME_LIMIT, signal, wait_until};
use crate::engine::{
    Checked, Disk, Drafted, End, Engine, Product, TemporaryFolder, error_logs, find_program, recover, run,
    start_error, stop_error, utf8,
};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::log::LogFile;
use crate::model::{Capabilities, Info, Pool, ProxyProtocol, Site};
use crate::plan::Validation;

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
        let program = find_program("nginx")?;
        let prefix = (folder != Path::new("/etc/nginx")).then_some(folder);
        Ok(Self { program, configuration, prefix, state: state.to_owned(), roots: Vec::new() })
    }
}

/// An nginx of this machine.
pub struct Nginx {
    invocation: Invocation,
    build: Build,
    info: Info,
    engine: Engine,
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
        let engine = Engine::open(&options.state, &options.roots)?;
        let invocation = Invocation {
            program: options.program.clone(),
            prefix: options.prefix.as_deref().map(utf8).transpose()?,
            main: utf8(&options.configuration)?,
        };
        let build = Build::read(&options.program, &engine.stage()?.0.join("output"))?;
        let info = info(&build, &invocation);
        let nginx = Self { invocation, build, info, engine };
        recover(&nginx)?;
        Ok(nginx)
    }

    /// Returns the file with the PID of the main process.
    fn pid_file(&self, configuration: &NginxConfiguration) -> String {
        let set = configuration.find(&[], "pid").and_then(|pid| pid.directive.word(1));
        let path = set.or(self.build.path("--pid-path=")).unwrap_or("logs/nginx.pid");
        self.invocation.below_prefix(&self.build, path)
    }

    fn new_draft(&self, configuration: NginxConfiguration) -> Draft<'_> {
        Draft::new(&self.invocation.main, &self.build, configuration)
    }
}

impl Product for Nginx {
    type Configuration = NginxConfiguration;
    type BeforeReload = Reload;

    fn engine(&self) -> &Engine {
        &self.engine
    }

    fn product_info(&self) -> &Info {
        &self.info
    }

    fn read(&self, disk: &mut Disk) -> Result<NginxConfiguration, WebServerError> {
        NginxConfiguration::read(&self.invocation.main, disk)
    }

    fn sites(&self, configuration: &NginxConfiguration) -> Vec<Site> {
        sites::sites(configuration)
    }

    fn pools(&self, configuration: &NginxConfiguration) -> Vec<Pool> {
        sites::pools(configuration)
    }

    fn feature_state(
        &self,
        configuration: &NginxConfiguration,
        scope: &Scope,
        feature: Feature,
    ) -> Result<FeatureState, WebServerError> {
        features::state(configuration, scope, feature)
    }

    fn draft(
        &self,
        configuration: NginxConfiguration,
        changes: &[Change],
    ) -> Result<Drafted, WebServerError> {
        let mut draft = self.new_draft(configuration);
        changes.iter().try_for_each(|change| draft.apply(change))?;
        Ok(draft.finish())
    }

    fn restore(
        &self,
        configuration: NginxConfiguration,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Drafted, WebServerError> {
        let mut draft = self.new_draft(configuration);
        draft.restore(files);
        Ok(draft.finish())
    }

    fn check(&self, checked: &Checked<'_, NginxConfiguration>) -> Result<Validation, WebServerError> {
        let logs = self.logs(checked.planned).into_iter().map(|log| log.path).collect::<Vec<_>>();
        stage::validate(&self.invocation, checked, &logs)
    }

    fn main_process(&self, configuration: &NginxConfiguration) -> Option<u32> {
        master(&self.pid_file(configuration))
    }

    fn workers(&self, main_process: u32) -> Vec<Worker> {
        workers(main_process)
    }

    fn before_reload(&self, main_process: u32, before: &NginxConfiguration) -> Reload {
        Reload::prepare(main_process, &error_logs(self, before))
    }

    fn reload(
        &self,
        before: Reload,
        _after: &NginxConfiguration,
    ) -> Result<Result<(), String>, WebServerError> {
        before.run()
    }

    fn resume(&self, _restored: &NginxConfiguration) -> Result<(), WebServerError> {
        // nginx keeps running with the old configuration.
        Ok(())
    }

    fn start(
        &self,
        configuration: &NginxConfiguration,
        stage: &TemporaryFolder,
    ) -> Result<(), WebServerError> {
        if configuration.find(&[], "daemon").is_some_and(|daemon| daemon.directive.word(1) == Some("off")) {
            return Err(start_error("daemon is off in its configuration, so another program must start it"));
        }
        let (status, output) = run(&mut self.invocation.command(), &stage.0.join("output"))?;
        if !status.success() {
            return Err(start_error(output.trim()));
        }
        let has_started = wait_until(TIME_LIMIT, || {
            self.main_process(configuration).is_some_and(|master| !workers(master).is_empty())
        });
        if has_started { Ok(()) } else { Err(start_error("no worker process was started within 5 seconds")) }
    }

    fn stop(
        &self,
        configuration: &NginxConfiguration,
        main_process: u32,
        end: End,
    ) -> Result<(), WebServerError> {
        signal(main_process, if end == End::Graceful { Signal::QUIT } else { Signal::TERM })?;
        let file = self.pid_file(configuration);
        let has_ended = wait_until(TIME_LIMIT, || master(&file) != Some(main_process));
        if has_ended { Ok(()) } else { Err(stop_error()) }
    }

    fn reopen_logs(
        &self,
        _configuration: &NginxConfiguration,
        main_process: u32,
    ) -> Result<(), WebServerError> {
        signal(main_process, Signal::USR1)
    }

    fn logs(&self, configuration: &NginxConfiguration) -> Vec<LogFile> {
        logs::files(configuration, &self.invocation, &self.build)
    }

    fn certificate_files(&self, configuration: &NginxConfiguration) -> Vec<CertificateFile> {
        certificates::inventory(configuration)
    }
}

fn info(build: &Build, invocation: &Invocation) -> Info {
    let capabilities = Capabilities {
        operations: Operation::ALL.to_vec(),
        features: features::supported(),
        unsupported_fields: vec!["basic-authentication.users"],
        server_scope: true,
        stop_sites: true,
        pools: true,
        pool_units: true,
        application_protocols: ProxyProtocol::ALL.to_vec(),
        raw_edit: true,
        http2: build.has("--with-http_v2_module"),
        tls: build.has("--with-http_ssl_module"),
        default_site: true,
    };
    Info {
        product: "nginx".to_owned(),
        version: build.version_text(),
        configuration: invocation.main.clone(),
        capabilities,
    }
}
