//! Apache httpd, administered through its configuration files.

mod certificates;
mod configuration;
mod draft;
mod features;
mod listens;
mod logs;
mod pools;
mod program;
mod reload;
mod sites;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apache::{BuiltIn, UnquotableWord, environment_variables};
use rustix::process::Signal;

use self::configuration::ApacheConfiguration;
use self::draft::Draft;
use self::program::Invocation;
use self::reload::Before;
use crate::certificate::CertificateFile;
use crate::change::Change;
use crate::control::{Operation, Worker};
use crate::engine::process::{TIME_LIMIT, children, signal, wait_until, worker};
use crate::engine::{
    Checked, Disk, Drafted, End, Engine, Product, TemporaryFolder, error_logs, find_program, live, recover,
    run, start_error, stop_error, utf8,
};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::log::LogFile;
use crate::model::{Capabilities, Info, Pool, Site};
use crate::plan::Validation;

/// Program and files of an Apache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApacheOptions {
    /// The program: `apache2` or `httpd`.
    pub program: PathBuf,
    /// Main configuration file.
    pub configuration: PathBuf,
    /// Folder for relative paths (`-d`).
    pub server_root: PathBuf,
    /// Private folder for the history and staged files. It is created if it is missing.
    pub state: PathBuf,
    /// Directories in which files may be changed; empty for no restriction.
    pub roots: Vec<PathBuf>,
}

impl ApacheOptions {
    /// Finds the files below a folder: `apache2.conf`, `conf/httpd.conf` or `httpd.conf`. The program is the one in the
    /// search path or in `/usr/sbin`.
    ///
    /// # Errors
    /// If there is no main file or no program.
    pub fn of_folder(folder: &Path, state: &Path) -> Result<Self, WebServerError> {
        let server_root = fs::canonicalize(folder).map_err(WebServerError::disk("open", folder))?;
        let files = ["apache2.conf", "conf/httpd.conf", "httpd.conf"].map(|name| server_root.join(name));
        let found = files.iter().find(|file| file.is_file()).cloned();
        let [main, ..] = &files;
        let configuration = found.ok_or_else(|| WebServerError::not_found("file", &main.display()))?;
        let program = find_program("apache2").or_else(|_| find_program("httpd"));
        let program = program.map_err(|_| WebServerError::not_found("program", &"apache2"))?;
        Ok(Self { program, configuration, server_root, state: state.to_owned(), roots: Vec::new() })
    }
}

/// An Apache httpd of this machine.
pub struct Apache {
    invocation: Invocation,
    built_in: Arc<BuiltIn>,
    info: Info,
    engine: Engine,
}

impl std::fmt::Debug for Apache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apache").field("invocation", &self.invocation).finish_non_exhaustive()
    }
}

impl Apache {
    /// Opens the configuration. A commit that a crash interrupted is undone.
    ///
    /// The variables in the file `envvars` of the server root are set for the program, as `apache2ctl` of Debian does.
    ///
    /// # Errors
    /// If the program cannot be run, or the folder of the state cannot be used.
    pub fn open(options: &ApacheOptions) -> Result<Self, WebServerError> {
        let engine = Engine::open(&options.state, &options.roots)?;
        let server_root = utf8(&options.server_root)?;
        let script = options.server_root.join("envvars");
        let variables = match fs::read(&script) {
            Ok(script) => environment_variables(&script),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(WebServerError::disk("read", &script)(error)),
        };
        let invocation = Invocation {
            program: options.program.clone(),
            server_root: server_root.clone(),
            main: utf8(&options.configuration)?,
            variables: variables.clone(),
        };
        let output = engine.stage()?;
        let build = program::Build::read(&options.program, &output.0.join("output"))?;
        let built_in = Arc::new(BuiltIn { modules: build.modules, variables, server_root });
        let mut apache = Self {
            info: Info {
                product: "Apache".to_owned(),
                version: build.version,
                configuration: invocation.main.clone(),
                capabilities: Capabilities::default(),
            },
            invocation,
            built_in,
            engine,
        };
        recover(&apache)?;
        apache.info.capabilities = capabilities(&live(&apache)?);
        Ok(apache)
    }

    fn new_draft(&self, configuration: ApacheConfiguration) -> Draft<'_> {
        Draft::new(&self.invocation.main, &self.built_in, configuration)
    }
}

/// Returns the operations that the loaded modules and the layout of the files allow.
fn capabilities(configuration: &ApacheConfiguration) -> Capabilities {
    let protocols = pools::protocols(configuration);
    let has_pools = !protocols.is_empty() && pools::missing_module(configuration).is_none();
    Capabilities {
        operations: Operation::ALL.to_vec(),
        features: features::supported(configuration),
        server_scope: true,
        unsupported_fields: features::UNSUPPORTED_FIELDS.to_vec(),
        stop_sites: configuration.site_folder().is_some_and(|folder| folder.available.is_some()),
        pools: has_pools,
        pool_units: has_pools,
        application_protocols: if has_pools { protocols } else { Vec::new() },
        raw_edit: true,
        http2: configuration.has_module("http2_module"),
        tls: configuration.has_module("ssl_module"),
        default_site: false,
    }
}

impl Product for Apache {
    type Configuration = ApacheConfiguration;
    type BeforeReload = Before;

    fn engine(&self) -> &Engine {
        &self.engine
    }

    fn product_info(&self) -> &Info {
        &self.info
    }

    fn read(&self, disk: &mut Disk) -> Result<ApacheConfiguration, WebServerError> {
        ApacheConfiguration::read(&self.invocation.main, &self.built_in, disk)
    }

    fn sites(&self, configuration: &ApacheConfiguration) -> Vec<Site> {
        sites::sites(configuration)
    }

    fn pools(&self, configuration: &ApacheConfiguration) -> Vec<Pool> {
        pools::pools(configuration)
    }

    fn feature_state(
        &self,
        configuration: &ApacheConfiguration,
        scope: &Scope,
        feature: Feature,
    ) -> Result<FeatureState, WebServerError> {
        features::state(configuration, scope, feature)
    }

    fn draft(
        &self,
        configuration: ApacheConfiguration,
        changes: &[Change],
    ) -> Result<Drafted, WebServerError> {
        let mut draft = self.new_draft(configuration);
        changes.iter().try_for_each(|change| draft.apply(change))?;
        Ok(draft.finish())
    }

    fn restore(
        &self,
        configuration: ApacheConfiguration,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Drafted, WebServerError> {
        let mut draft = self.new_draft(configuration);
        draft.restore(files);
        Ok(draft.finish())
    }

    fn check(&self, checked: &Checked<'_, ApacheConfiguration>) -> Result<Validation, WebServerError> {
        stage::validate(&self.invocation, checked)
    }

    fn main_process(&self, configuration: &ApacheConfiguration) -> Option<u32> {
        reload::main_process(&configuration.pid_file(), &self.invocation.program)
    }

    fn workers(&self, main_process: u32) -> Vec<Worker> {
        children(main_process).into_iter().map(|pid| worker(pid, false)).collect()
    }

    fn before_reload(&self, main_process: u32, before: &ApacheConfiguration) -> Before {
        Before::new(main_process, listens::addresses(before), &error_logs(self, before))
    }

    fn reload(
        &self,
        before: Before,
        after: &ApacheConfiguration,
    ) -> Result<Result<(), String>, WebServerError> {
        before.run(&listens::addresses(after))
    }

    fn resume(&self, restored: &ApacheConfiguration) -> Result<(), WebServerError> {
        // Apache ends if it cannot use the files of a reload.
        match self.main_process(restored) {
            Some(_) => Ok(()),
            None => Product::start(self, restored, &self.engine.stage()?),
        }
    }

    fn start(
        &self,
        configuration: &ApacheConfiguration,
        stage: &TemporaryFolder,
    ) -> Result<(), WebServerError> {
        let mut command = self.invocation.command();
        let (status, output) = run(command.args(["-k", "start"]), &stage.0.join("output"))?;
        if !status.success() {
            return Err(start_error(output.trim()));
        }
        let has_started = wait_until(TIME_LIMIT, || {
            self.main_process(configuration).is_some_and(|process| !children(process).is_empty())
        });
        if has_started {
            Ok(())
        } else {
            Err(start_error("no worker process was started within 5 seconds; see its error log"))
        }
    }

    fn stop(
        &self,
        _configuration: &ApacheConfiguration,
        main_process: u32,
        end: End,
    ) -> Result<(), WebServerError> {
        signal(main_process, if end == End::Graceful { Signal::WINCH } else { Signal::TERM })?;
        // The file of the PID disappears before the process ends.
        let program = &self.invocation.program;
        let has_ended = wait_until(TIME_LIMIT, || !reload::is_program(main_process, program));
        if has_ended { Ok(()) } else { Err(stop_error()) }
    }

    fn reopen_logs(
        &self,
        configuration: &ApacheConfiguration,
        main_process: u32,
    ) -> Result<(), WebServerError> {
        // Apache opens its logs again in a graceful restart only.
        let before = self.before_reload(main_process, configuration);
        self.reload(before, configuration)?
            .map_err(|reason| WebServerError::Control { operation: "reload", reason })
    }

    fn logs(&self, configuration: &ApacheConfiguration) -> Vec<LogFile> {
        logs::files(configuration)
    }

    fn certificate_files(&self, configuration: &ApacheConfiguration) -> Vec<CertificateFile> {
        certificates::inventory(configuration)
    }
}

impl From<UnquotableWord> for WebServerError {
    fn from(error: UnquotableWord) -> Self {
        Self::Impossible { action: "write the configuration".to_owned(), reason: error.to_string() }
    }
}
