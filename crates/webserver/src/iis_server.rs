//! IIS of a Windows machine, administered through the WMI namespace `root/WebAdministration`.
//!
//! WMI returns objects and no files, so the configuration consists of documents that this module makes from the objects.
//! A commit compares the planned documents with the current ones, performs the operations for the differences, reads the
//! configuration again, and undoes the operations if it is not the planned one. There is no journal: after a crash, the
//! operations performed so far appear as a change from outside.

mod configuration;
mod control;
mod document;
mod draft;
mod features;
mod instance;
mod operations;
mod pools;
mod section;
mod sites;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::configuration::{IisConfiguration, failed};
pub use self::control::{IisControl, IisOverview};
use self::document::{Documents, SERVER, position_of, site_file};
use self::draft::{Draft, missing, scope_site};
use self::features::{section_of, setting};
pub use self::instance::{
    CimCall, CimFailure, CimObject, CimOperation, CimValue, MAX_INSTANCES, MAX_PROPERTIES,
    WEB_ADMINISTRATION, WebAdministration,
};
use self::section::SECTIONS;
use crate::application_pool::{ApplicationPool, PoolOperation};
use crate::certificate::CertificateFile;
use crate::change::Change;
use crate::control::Worker;
use crate::engine::{
    Checked, Configuration, Disk, Drafted, End, Engine, Product, TemporaryFolder, recover, start_error,
};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope, Setting};
use crate::history::Verdict;
use crate::log::LogFile;
use crate::model::{Capabilities, Info, Pool, Site, SiteState};
use crate::plan::{PlannedFile, Problem, Validation};

/// PID of the System process of Windows, in which HTTP.sys accepts the connections of all sites.
const SYSTEM_PROCESS: u32 = 4;

/// An IIS of another machine.
pub struct Iis {
    connection: Box<dyn WebAdministration>,
    info: Info,
    engine: Engine,
}

impl std::fmt::Debug for Iis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iis").field("machine", &self.connection.machine()).finish_non_exhaustive()
    }
}

impl Iis {
    /// Opens the history in a private folder, which is created if it is missing. Nothing is sent to the machine.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn open(connection: Box<dyn WebAdministration>, state: &Path) -> Result<Self, WebServerError> {
        let engine = Engine::open(state, &[])?;
        let capabilities = Capabilities {
            features: SECTIONS.iter().map(|kind| kind.feature).collect(),
            unsupported_fields: features::UNSUPPORTED_FIELDS.to_vec(),
            stop_sites: true,
            server_scope: true,
            tls: true,
            ..Capabilities::default()
        };
        let info = Info {
            product: "IIS".to_owned(),
            // The namespace has no class with the version.
            version: String::new(),
            configuration: format!("{WEB_ADMINISTRATION} of {}", connection.machine()),
            capabilities,
        };
        let iis = Self { connection, info, engine };
        recover(&iis)?;
        Ok(iis)
    }

    fn connection(&self) -> &dyn WebAdministration {
        self.connection.as_ref()
    }

    /// Requires that IIS has the planned documents.
    fn verify(&self, target: &Documents, files: &BTreeSet<&str>) -> Result<(), WebServerError> {
        let found = self.read(&mut Disk::default())?;
        let (found, mut planned) = (found.contents(), target.texts());
        for file in files {
            let (planned, found) = (planned.remove(*file), found.get(file).map(|text| text.to_vec()));
            if planned != found {
                let file =
                    PlannedFile { path: (*file).to_owned(), before: planned, after: found, link: None };
                let failure = CimFailure::Failed(format!(
                    "IIS has another configuration than the planned one:\n{}",
                    file.diff().unified
                ));
                return Err(failed(self.connection(), "verify the change", &failure));
            }
        }
        Ok(())
    }

    fn change(
        &self,
        before: &Documents,
        target: &Documents,
        files: &BTreeSet<&str>,
    ) -> Result<(), WebServerError> {
        operations::perform(self.connection(), &operations::between(before, target, files))?;
        self.verify(target, files)
    }
}

/// Returns planned documents as changed files.
fn planned(before: &IisConfiguration, after: &Documents, warnings: Vec<Problem>) -> Drafted {
    let (old, mut new) = (before.contents(), after.texts());
    let mut files: Vec<PlannedFile> = Vec::new();
    for (path, text) in old {
        let after = new.remove(path);
        if after.as_deref() != Some(text) {
            files.push(PlannedFile { path: path.to_owned(), before: Some(text.to_vec()), after, link: None });
        }
    }
    let created = new.into_iter();
    files.extend(created.map(|(path, text)| PlannedFile {
        path,
        before: None,
        after: Some(text),
        link: None,
    }));
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Drafted { files, warnings }
}

impl Product for Iis {
    type Configuration = IisConfiguration;
    type BeforeReload = ();

    fn engine(&self) -> &Engine {
        &self.engine
    }

    fn product_info(&self) -> &Info {
        &self.info
    }

    fn read(&self, disk: &mut Disk) -> Result<IisConfiguration, WebServerError> {
        IisConfiguration::read(self.connection(), disk)
    }

    fn sites(&self, configuration: &IisConfiguration) -> Vec<Site> {
        sites::all(configuration)
    }

    fn pools(&self, _configuration: &IisConfiguration) -> Vec<Pool> {
        Vec::new()
    }

    fn feature_state(
        &self,
        configuration: &IisConfiguration,
        scope: &Scope,
        feature: Feature,
    ) -> Result<FeatureState, WebServerError> {
        let kind = section_of(feature)?;
        let documents = &configuration.documents;
        let inherited = documents.server_section(kind.class);
        let name = scope_site(scope, feature)?.map(|id| documents.site_name(id)).transpose()?;
        let site = name.as_ref().and_then(|name| documents.sites.get(name));
        let local = site.and_then(|site| site.sections.get(kind.class));
        let readable = name.as_ref().map_or(Ok(()), |name| configuration.require_readable(name, kind));
        let value = readable.and_then(|()| local.or(inherited).ok_or_else(|| missing(kind)));
        let file = match (&name, local) {
            (Some(name), Some(_)) => site_file(name),
            _ => SERVER.to_owned(),
        };
        let text = configuration.contents().get(file.as_str()).copied().unwrap_or_default();
        Ok(FeatureState {
            feature,
            scope: scope.clone(),
            // One section without a value must not hide the others in a list.
            setting: value.map_or_else(
                |error| Setting::Unsupported { text: error.to_string() },
                |value| setting(feature, value),
            ),
            is_local: local.is_some() || name.is_none(),
            origins: vec![position_of(&file, text, Some(kind.class))],
        })
    }

    fn draft(&self, configuration: IisConfiguration, changes: &[Change]) -> Result<Drafted, WebServerError> {
        let mut draft = Draft::new(&configuration);
        changes.iter().try_for_each(|change| draft.apply(change))?;
        Ok(planned(&configuration, &draft.documents, draft.warnings))
    }

    fn restore(
        &self,
        configuration: IisConfiguration,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Drafted, WebServerError> {
        let texts = files.iter().map(|(file, text)| (file.as_str(), text.as_slice()));
        let mut documents = Documents::parse(texts)?;
        // A section that only one of them has belongs to a feature that was installed or removed meanwhile.
        let current = configuration.documents.server.as_ref().map(|server| server.sections.clone());
        let current = current.unwrap_or_default();
        if let Some(server) = &mut documents.server {
            server.sections.retain(|class, _| current.contains_key(class));
            let added = current.into_iter().filter(|(class, _)| !server.sections.contains_key(class));
            let added: Vec<_> = added.collect();
            server.sections.extend(added);
        }
        Ok(planned(&configuration, &documents, Vec::new()))
    }

    /// IIS has no validator. The planned documents were parsed, and IIS checks each operation.
    fn check(&self, checked: &Checked<'_, IisConfiguration>) -> Result<Validation, WebServerError> {
        let count = checked.planned.contents().len().saturating_add(checked.deleted.len());
        let output = format!("IIS has no validator; {count} documents are well-formed");
        Ok(Validation { accepted: true, problems: Vec::new(), output })
    }

    fn apply(&self, before: &IisConfiguration, files: &[PlannedFile]) -> Result<Verdict, WebServerError> {
        let mut target = before.texts_owned();
        for file in files {
            match &file.after {
                Some(text) => target.insert(file.path.clone(), text.clone()),
                None => target.remove(&file.path),
            };
        }
        let texts = target.iter().map(|(file, text)| (file.as_str(), text.as_slice()));
        let target = Documents::parse(texts)?;
        let names: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let Err(cause) = self.change(&before.documents, &target, &names) else {
            return Ok(Verdict::Active);
        };
        let restored = self
            .read(&mut Disk::default())
            .and_then(|now| self.change(&now.documents, &before.documents, &names));
        match restored {
            Ok(()) => Ok(Verdict::Failed { reason: cause.to_string() }),
            Err(restore) => {
                Err(WebServerError::Unrestored { cause: cause.to_string(), restore: restore.to_string() })
            }
        }
    }

    fn main_process(&self, configuration: &IisConfiguration) -> Option<u32> {
        let mut sites = configuration.documents.sites.values();
        sites.any(|site| site.state == SiteState::Started).then_some(SYSTEM_PROCESS)
    }

    fn workers(&self, _main_process: u32) -> Vec<Worker> {
        let workers = self.connection.enumerate("WorkerProcess").unwrap_or_default();
        let pids = workers.iter().filter_map(|worker| worker.text("ProcessID")?.parse().ok());
        pids.map(|pid| Worker { pid, memory: 0, cpu_milliseconds: 0, is_shutting_down: false }).collect()
    }

    fn before_reload(&self, _main_process: u32, _before: &IisConfiguration) {}

    /// IIS applies each change at once.
    fn reload(&self, _before: (), _after: &IisConfiguration) -> Result<Result<(), String>, WebServerError> {
        Ok(Ok(()))
    }

    fn resume(&self, _restored: &IisConfiguration) -> Result<(), WebServerError> {
        Ok(())
    }

    fn start(
        &self,
        _configuration: &IisConfiguration,
        _stage: &TemporaryFolder,
    ) -> Result<(), WebServerError> {
        Err(start_error("start a site, or the service W3SVC of the machine"))
    }

    fn stop(
        &self,
        _configuration: &IisConfiguration,
        _main_process: u32,
        _end: End,
    ) -> Result<(), WebServerError> {
        let reason = "stop its sites, or the service W3SVC of the machine".to_owned();
        Err(WebServerError::Control { operation: "stop", reason })
    }

    fn reopen_logs(
        &self,
        _configuration: &IisConfiguration,
        _main_process: u32,
    ) -> Result<(), WebServerError> {
        let reason = "IIS rotates its log files itself".to_owned();
        Err(WebServerError::Control { operation: "reopen the logs of", reason })
    }

    fn logs(&self, _configuration: &IisConfiguration) -> Vec<LogFile> {
        Vec::new()
    }

    fn certificate_files(&self, _configuration: &IisConfiguration) -> Vec<CertificateFile> {
        Vec::new()
    }

    fn application_pools(&self) -> Result<Vec<ApplicationPool>, WebServerError> {
        pools::list(self.connection())
    }

    fn control_application_pool(
        &self,
        name: &str,
        operation: PoolOperation,
    ) -> Result<ApplicationPool, WebServerError> {
        pools::control(self.connection(), name, operation)
    }
}
