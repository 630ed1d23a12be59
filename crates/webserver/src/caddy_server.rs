//! Caddy, administered through its admin API.
//!
//! The configuration is the JSON document of the running Caddy. It has no files: a change is one request that Caddy
//! accepts completely or not at all, so that there is nothing to restore after a crash.

mod admin;
mod configuration;
mod document;
mod draft;
mod features;
mod groups;
mod locations;
mod pools;
mod process;
mod sites;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub use self::admin::CaddyAdmin;
use self::configuration::{CaddyConfiguration, PATH, parse, to_text};
pub use self::document::CaddyDocument;
use self::draft::Draft;
use crate::certificate::CertificateFile;
use crate::change::Change;
use crate::control::{Operation, Worker};
use crate::engine::process::{TIME_LIMIT, wait_until, worker};
use crate::engine::{
    Checked, Disk, Drafted, End, Engine, Product, TemporaryFolder, find_program, recover, run, start_error,
    stop_error,
};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::history::Verdict;
use crate::log::LogFile;
use crate::model::{Capabilities, Info, Pool, Site};
use crate::plan::{PlannedFile, Problem, Severity, Validation};

/// Program and admin endpoint of a Caddy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaddyOptions {
    /// The program, which validates planned documents.
    pub program: PathBuf,
    /// Address of the admin endpoint.
    pub admin: CaddyAdmin,
    /// Private folder for the history. It is created if it is missing.
    pub state: PathBuf,
}

impl CaddyOptions {
    /// Uses the program in the search path.
    ///
    /// # Errors
    /// If there is no program, or the address is not local.
    pub fn of_admin(address: &str, state: &Path) -> Result<Self, WebServerError> {
        let admin = CaddyAdmin::parse(address)?;
        Ok(Self { program: find_program("caddy")?, admin, state: state.to_owned() })
    }
}

/// A Caddy of this machine.
pub struct Caddy {
    options: CaddyOptions,
    info: Info,
    engine: Engine,
}

impl std::fmt::Debug for Caddy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caddy").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Caddy {
    /// Opens the history. Caddy need not run.
    ///
    /// # Errors
    /// If the program cannot be run, or the folder of the state cannot be used.
    pub fn open(options: &CaddyOptions) -> Result<Self, WebServerError> {
        let engine = Engine::open(&options.state, &[])?;
        let stage = engine.stage()?;
        let (_, output) = run(Command::new(&options.program).arg("version"), &stage.0.join("output"))?;
        let version = output.split_whitespace().next().unwrap_or_default();
        let capabilities = Capabilities {
            operations: vec![Operation::Stop, Operation::Terminate, Operation::Reload],
            features: Feature::ALL.to_vec(),
            unsupported_fields: features::UNSUPPORTED_FIELDS.to_vec(),
            server_scope: false,
            stop_sites: false,
            pools: true,
            pool_units: false,
            application_protocols: locations::PROTOCOLS.to_vec(),
            raw_edit: true,
            http2: true,
            tls: true,
            default_site: false,
        };
        let info = Info {
            product: "Caddy".to_owned(),
            version: version.trim_start_matches('v').to_owned(),
            configuration: format!("{} of {}", PATH, options.admin),
            capabilities,
        };
        let caddy = Self { options: options.clone(), info, engine };
        recover(&caddy)?;
        Ok(caddy)
    }

    fn planned(
        &self,
        before: &CaddyConfiguration,
        (text, root): (Vec<u8>, Result<Value, Problem>),
    ) -> Result<Drafted, WebServerError> {
        let old = before.root()?;
        if let Ok(new) = &root {
            require_admin(old, new)?;
        }
        let is_changed = text != before.text;
        let file = PlannedFile {
            path: PATH.to_owned(),
            before: Some(before.text.clone()),
            after: Some(text),
            link: None,
        };
        Ok(Drafted { files: is_changed.then_some(file).into_iter().collect(), warnings: Vec::new() })
    }
}

/// Requires that the admin endpoint stays. Caddy moves it before it knows whether it can use the rest of the document, and
/// does not move it back.
fn require_admin(old: &Value, new: &Value) -> Result<(), WebServerError> {
    if old.get("admin") == new.get("admin") {
        return Ok(());
    }
    let reason = "Telarch would lose the connection to Caddy; keep the member \"admin\" as it is";
    Err(WebServerError::impossible("change the admin endpoint", reason))
}

impl Product for Caddy {
    type Configuration = CaddyConfiguration;
    type BeforeReload = ();

    fn engine(&self) -> &Engine {
        &self.engine
    }

    fn product_info(&self) -> &Info {
        &self.info
    }

    fn read(&self, disk: &mut Disk) -> Result<CaddyConfiguration, WebServerError> {
        CaddyConfiguration::read(&self.options.admin, disk)
    }

    fn sites(&self, configuration: &CaddyConfiguration) -> Vec<Site> {
        configuration.root.as_ref().map(sites::sites).unwrap_or_default()
    }

    fn pools(&self, configuration: &CaddyConfiguration) -> Vec<Pool> {
        configuration.root.as_ref().map(pools::pools).unwrap_or_default()
    }

    fn feature_state(
        &self,
        configuration: &CaddyConfiguration,
        scope: &Scope,
        feature: Feature,
    ) -> Result<FeatureState, WebServerError> {
        features::state(configuration.root()?, scope, feature)
    }

    fn draft(
        &self,
        configuration: CaddyConfiguration,
        changes: &[Change],
    ) -> Result<Drafted, WebServerError> {
        let mut draft = Draft::new(configuration.root()?.clone());
        changes.iter().try_for_each(|change| draft.apply(change))?;
        self.planned(&configuration, draft.finish())
    }

    fn restore(
        &self,
        configuration: CaddyConfiguration,
        mut files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Drafted, WebServerError> {
        let text = files.remove(PATH).ok_or_else(|| WebServerError::not_found("file", &PATH))?;
        let root = parse(&text);
        self.planned(&configuration, (root.as_ref().map_or(text, to_text), root))
    }

    fn check(&self, checked: &Checked<'_, CaddyConfiguration>) -> Result<Validation, WebServerError> {
        let planned = checked.planned;
        if let Err(problem) = &planned.root {
            let problems = vec![problem.clone()];
            return Ok(Validation { accepted: false, problems, output: problem.to_string() });
        }
        let stage = &checked.stage.0;
        let file = stage.join("config.json");
        fs::write(&file, &planned.text).map_err(WebServerError::disk("write", &file))?;
        let mut command = Command::new(&self.options.program);
        command.args(["validate", "--config"]).arg(&file);
        // Caddy creates its folders, and keys of its own authority, while it validates.
        for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(name, stage);
        }
        let (status, output) = run(&mut command, &stage.join("output"))?;
        let output = output.replace(&*file.to_string_lossy(), PATH);
        let accepted = status.success();
        let message = output.lines().rev().find_map(|line| line.strip_prefix("Error: "));
        let message = message.unwrap_or_else(|| output.trim());
        let problem = (!accepted).then(|| Problem {
            severity: Severity::Error,
            message: message.to_owned(),
            position: None,
        });
        Ok(Validation { accepted, problems: problem.into_iter().collect(), output })
    }

    fn apply(&self, before: &CaddyConfiguration, files: &[PlannedFile]) -> Result<Verdict, WebServerError> {
        let Some(text) = files.first().and_then(|file| file.after.as_deref()) else {
            return Err(WebServerError::impossible("change Caddy", "the plan deletes its configuration"));
        };
        let etag = before.etag.as_deref().ok_or_else(|| {
            WebServerError::impossible(
                "change Caddy",
                "its response has no entity tag; Caddy 2.6 or newer is needed",
            )
        })?;
        let answer = self.options.admin.load(etag, text)?;
        match answer.status {
            200 => Ok(Verdict::Active),
            412 => {
                let current = crate::engine::Configuration::revision(&self.read(&mut Disk::default())?);
                Err(WebServerError::Conflict { current })
            }
            _ => Ok(Verdict::Failed { reason: answer.message() }),
        }
    }

    fn main_process(&self, _configuration: &CaddyConfiguration) -> Option<u32> {
        process::main_process(&self.options.admin)
    }

    fn workers(&self, main_process: u32) -> Vec<Worker> {
        vec![worker(main_process, false)]
    }

    fn before_reload(&self, _main_process: u32, _before: &CaddyConfiguration) {}

    fn reload(&self, _before: (), after: &CaddyConfiguration) -> Result<Result<(), String>, WebServerError> {
        let answer = self.options.admin.reload(&after.text)?;
        Ok(if answer.status == 200 { Ok(()) } else { Err(answer.message()) })
    }

    fn resume(&self, _restored: &CaddyConfiguration) -> Result<(), WebServerError> {
        Ok(())
    }

    fn start(
        &self,
        _configuration: &CaddyConfiguration,
        _stage: &TemporaryFolder,
    ) -> Result<(), WebServerError> {
        Err(start_error("Telarch cannot start Caddy; run systemctl start caddy, or caddy run --resume"))
    }

    fn stop(
        &self,
        _configuration: &CaddyConfiguration,
        main_process: u32,
        _end: End,
    ) -> Result<(), WebServerError> {
        self.options.admin.stop()?;
        let has_ended =
            wait_until(TIME_LIMIT, || process::main_process(&self.options.admin) != Some(main_process));
        if has_ended { Ok(()) } else { Err(stop_error()) }
    }

    fn reopen_logs(
        &self,
        _configuration: &CaddyConfiguration,
        _main_process: u32,
    ) -> Result<(), WebServerError> {
        let reason = "Caddy rotates its log files itself".to_owned();
        Err(WebServerError::Control { operation: "reopen the logs of", reason })
    }

    fn logs(&self, configuration: &CaddyConfiguration) -> Vec<LogFile> {
        configuration.root.as_ref().map(features::log_files).unwrap_or_default()
    }

    fn certificate_files(&self, configuration: &CaddyConfiguration) -> Vec<CertificateFile> {
        configuration.root.as_ref().map(features::certificates).unwrap_or_default()
    }
}
