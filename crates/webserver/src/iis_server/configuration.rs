//! Reading the configuration from a machine.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{
    ApplicationDocument, Documents, ServerDocument, SiteBinding, SiteDocument, problem, site_file,
};
use super::instance::{CimCall, CimFailure, CimObject, CimOperation, WebAdministration};
use super::section::{SECTIONS, SectionKind, SectionValue, boolean, is_displayable};
use crate::engine::{Configuration, Disk};
use crate::error::WebServerError;
use crate::model::SiteState;
use crate::plan::{Problem, Severity};

/// Path of the configuration that all sites inherit.
const APPHOST: &str = "MACHINE/WEBROOT/APPHOST";
/// Maximum number of sites.
const MAX_SITES: usize = 1_000;
/// Maximum size of all documents in bytes.
const MAX_TEXT: usize = 32 << 20;

/// The configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct IisConfiguration {
    pub(super) documents: Documents,
    texts: BTreeMap<String, Vec<u8>>,
    problems: Vec<Problem>,
    /// Sections of sites that cannot be read, as name of the site and class.
    unreadable: BTreeSet<(String, &'static str)>,
}

impl IisConfiguration {
    /// Reads the planned documents, or the configuration of a machine.
    pub(super) fn read(iis: &dyn WebAdministration, disk: &Disk) -> Result<Self, WebServerError> {
        if disk.planned.is_empty() {
            return Reader { iis, problems: Vec::new(), unreadable: BTreeSet::new() }.read();
        }
        let planned = disk.planned.iter();
        let planned = planned.filter_map(|(file, text)| Some((file.as_str(), text.as_deref()?)));
        let documents = Documents::parse(planned)?;
        Ok(Self { texts: documents.texts(), documents, ..Self::default() })
    }

    /// Reads the sites of a machine with their states, without the sections of features.
    pub(super) fn read_sites(iis: &dyn WebAdministration) -> Result<Self, WebServerError> {
        let mut reader = Reader { iis, problems: Vec::new(), unreadable: BTreeSet::new() };
        let mut sites = reader.sites()?;
        reader.applications(&mut sites)?;
        reader.states_and_sections(&mut sites, &[]);
        let documents = Documents { server: None, sites };
        Ok(Self { texts: documents.texts(), documents, problems: reader.problems, ..Self::default() })
    }

    /// Returns a copy of the texts of all documents.
    pub(super) fn texts_owned(&self) -> BTreeMap<String, Vec<u8>> {
        self.texts.clone()
    }

    /// Requires that a section was read, so that its value is known.
    pub(super) fn require_readable(&self, site: &str, kind: &SectionKind) -> Result<(), WebServerError> {
        if !self.unreadable.contains(&(site.to_owned(), kind.class)) {
            return Ok(());
        }
        let reason = "IIS cannot read it; correct the file web.config of the site first";
        Err(WebServerError::impossible(format!("use {} of the site {site}", kind.class), reason))
    }
}

impl Configuration for IisConfiguration {
    fn contents(&self) -> BTreeMap<&str, &[u8]> {
        self.texts.iter().map(|(file, text)| (file.as_str(), text.as_slice())).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        self.problems.clone()
    }
}

/// Returns the error for a failed operation.
pub(super) fn failed(iis: &dyn WebAdministration, action: &str, failure: &CimFailure) -> WebServerError {
    WebServerError::Windows {
        machine: iis.machine().to_owned(),
        action: action.to_owned(),
        reason: failure.to_string(),
    }
}

/// Performs one call.
pub(super) fn call(iis: &dyn WebAdministration, call: CimCall) -> Result<CimObject, CimFailure> {
    let results = iis.call(std::slice::from_ref(&call));
    results.into_iter().next().unwrap_or_else(|| Err(CimFailure::Invalid("there is no result".to_owned())))
}

/// Returns the call that reads a section of a site, or of the server.
pub(super) fn section_call(site: Option<&str>, kind: &SectionKind) -> CimCall {
    match site {
        None => CimCall::new(kind.class, &[("Path", APPHOST), ("Location", "")], CimOperation::Get),
        Some(site) => {
            let input = CimObject::new("Site").with("SectionName", kind.class);
            CimCall::method("Site", &[("Name", site)], "GetSection", input)
        }
    }
}

/// Returns the section in the result of its call.
pub(super) fn section_instance(
    site: Option<&str>,
    kind: &SectionKind,
    result: CimObject,
) -> Result<CimObject, CimFailure> {
    if site.is_none() {
        return Ok(result);
    }
    let section = result.objects("Section").next().cloned();
    section.ok_or_else(|| CimFailure::Invalid(format!("GetSection returned no {}", kind.class)))
}

/// Returns the state of a site: 0 and 1 are starting and started; others are stopped or unknown.
pub(super) fn state(result: &CimObject) -> SiteState {
    match result.text("ReturnValue") {
        Some("0" | "1") => SiteState::Started,
        _ => SiteState::Stopped,
    }
}

/// Returns the call that reads the state of a site.
pub(super) fn state_call(site: &str) -> CimCall {
    CimCall::method("Site", &[("Name", site)], "GetState", CimObject::new("Site"))
}

/// Returns all instances of a class. If the namespace is missing, the error says how to install it.
pub(super) fn enumerate(iis: &dyn WebAdministration, class: &str) -> Result<Vec<CimObject>, WebServerError> {
    iis.enumerate(class).map_err(|failure| match failure {
        CimFailure::NotFound => WebServerError::Windows {
            machine: iis.machine().to_owned(),
            action: "use the WMI namespace root/WebAdministration".to_owned(),
            reason: MISSING.to_owned(),
        },
        failure => failed(iis, &format!("list the instances of {class}"), &failure),
    })
}

struct Reader<'a> {
    iis: &'a dyn WebAdministration,
    problems: Vec<Problem>,
    unreadable: BTreeSet<(String, &'static str)>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<IisConfiguration, WebServerError> {
        let mut sites = self.sites()?;
        self.applications(&mut sites)?;
        let server = self.server_sections()?;
        self.states_and_sections(&mut sites, &server);
        let server = server.into_iter().map(|(kind, value)| (kind.class.to_owned(), value)).collect();
        let documents = Documents { server: Some(ServerDocument { sections: server }), sites };
        let texts = documents.texts();
        if texts.values().map(Vec::len).sum::<usize>() > MAX_TEXT {
            return Err(limit("the size of the configuration in bytes", MAX_TEXT));
        }
        let Self { problems, unreadable, .. } = self;
        Ok(IisConfiguration { documents, texts, problems, unreadable })
    }

    fn sites(&mut self) -> Result<BTreeMap<String, SiteDocument>, WebServerError> {
        let found = enumerate(self.iis, "Site")?;
        if found.len() > MAX_SITES {
            return Err(limit("the number of sites", MAX_SITES));
        }
        let mut sites = BTreeMap::new();
        for instance in found {
            match site(&instance) {
                Ok((name, site)) => {
                    sites.insert(name, site);
                }
                Err(reason) => self.problems.push(problem(Severity::Error, reason, None)),
            }
        }
        Ok(sites)
    }

    fn applications(&mut self, sites: &mut BTreeMap<String, SiteDocument>) -> Result<(), WebServerError> {
        for instance in enumerate(self.iis, "Application")? {
            let names =
                printable(&instance, "SiteName").and_then(|site| Ok((site, printable(&instance, "Path")?)));
            let pool = printable(&instance, "ApplicationPool").unwrap_or_default();
            let Some((site, path)) = self.noted(names) else { continue };
            if let Some(site) = sites.get_mut(&site) {
                site.applications.entry(path).or_default().pool = pool;
            }
        }
        for instance in enumerate(self.iis, "VirtualDirectory")? {
            let names = ["SiteName", "ApplicationPath", "Path", "PhysicalPath"];
            let texts: Result<Vec<String>, String> =
                names.iter().map(|name| printable(&instance, name)).collect();
            let Some(texts) = self.noted(texts) else { continue };
            let [site, application, path, folder] = texts.as_slice() else { continue };
            if let Some(site) = sites.get_mut(site) {
                let application: &mut ApplicationDocument =
                    site.applications.entry(application.clone()).or_default();
                application.directories.insert(path.clone(), folder.clone());
            }
        }
        Ok(())
    }

    /// Records the problem of an instance that is ignored.
    fn noted<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|reason| self.problems.push(problem(Severity::Error, reason, None))).ok()
    }

    /// Reads the sections of the server. A section whose feature is not installed is missing.
    fn server_sections(&mut self) -> Result<Vec<(&'static SectionKind, SectionValue)>, WebServerError> {
        let calls: Vec<CimCall> = SECTIONS.iter().map(|kind| section_call(None, kind)).collect();
        let results = self.iis.call(&calls);
        let mut sections = Vec::new();
        for (kind, result) in SECTIONS.iter().zip(results) {
            match result {
                Err(CimFailure::NotFound) => {}
                Err(failure) => return Err(failed(self.iis, &format!("read {}", kind.class), &failure)),
                Ok(instance) => {
                    let value = kind.read(&instance);
                    let value = value.map_err(|reason| {
                        failed(self.iis, &format!("read {}", kind.class), &CimFailure::Invalid(reason))
                    })?;
                    sections.push((kind, value));
                }
            }
        }
        Ok(sections)
    }

    fn states_and_sections(
        &mut self,
        sites: &mut BTreeMap<String, SiteDocument>,
        server: &[(&'static SectionKind, SectionValue)],
    ) {
        let mut calls = Vec::new();
        for name in sites.keys() {
            calls.push(state_call(name));
            calls.extend(server.iter().map(|(kind, _)| section_call(Some(name), kind)));
        }
        let mut results = self.iis.call(&calls).into_iter();
        for (name, site) in sites {
            match results.next() {
                Some(Ok(result)) => site.state = state(&result),
                Some(Err(failure)) => self.note_failure(name, "the state", &failure.to_string()),
                None => {}
            }
            for (kind, inherited) in server {
                let Some(result) = results.next() else { return };
                let value = result
                    .and_then(|result| section_instance(Some(name), kind, result))
                    .map_err(|failure| failure.to_string())
                    .and_then(|instance| kind.read(&instance));
                match value {
                    Ok(value) if value == *inherited => {}
                    Ok(value) => {
                        site.sections.insert(kind.class.to_owned(), value);
                    }
                    Err(reason) => {
                        self.unreadable.insert((name.clone(), kind.class));
                        self.note_failure(name, kind.class, &reason);
                    }
                }
            }
        }
    }

    fn note_failure(&mut self, site: &str, part: &str, reason: &str) {
        let message = format!("cannot read {part} of the site {site}: {reason}");
        self.problems.push(problem(Severity::Error, message, Some(site_file(site))));
    }
}

/// Advice for a machine without the namespace.
const MISSING: &str = "it does not exist\n  install IIS and its feature IIS Management Scripts and Tools on the machine: \
                       Install-WindowsFeature Web-Server, Web-Scripting-Tools";

fn limit(what: &str, limit: usize) -> WebServerError {
    WebServerError::Limit { what: what.to_owned(), limit }
}

fn site(instance: &CimObject) -> Result<(String, SiteDocument), String> {
    let name = printable(instance, "Name")?;
    let bindings = instance.objects("Bindings").map(|binding| {
        let protocol = printable(binding, "Protocol")?.to_ascii_lowercase();
        if protocol.is_empty() || protocol.contains(' ') {
            return Err(format!("the site {name} has a binding with the protocol {protocol:?}"));
        }
        Ok(SiteBinding { protocol, information: printable(binding, "BindingInformation")? })
    });
    let site = SiteDocument {
        state: SiteState::Stopped,
        auto_start: instance.text("ServerAutoStart").and_then(boolean).unwrap_or(true),
        bindings: bindings.collect::<Result<_, String>>()?,
        applications: BTreeMap::new(),
        sections: BTreeMap::new(),
    };
    Ok((name, site))
}

/// Returns a text without control characters. Others could not be shown or written back.
fn printable(instance: &CimObject, name: &str) -> Result<String, String> {
    let text = instance.text(name).unwrap_or_default();
    if !is_displayable(text) || text.len() > 2_048 {
        let beginning: String = text.chars().take(80).collect();
        return Err(format!("{name} of a {} has the value {beginning:?}; it is ignored", instance.class));
    }
    Ok(text.to_owned())
}
