//! Operations that change one configuration into another.

use std::collections::BTreeSet;

use super::configuration::{call, failed, section_call, section_instance, state, state_call};
use super::document::{ApplicationDocument, Documents, SERVER, SiteBinding, SiteDocument, site_file};
use super::instance::{CimCall, CimFailure, CimObject, CimOperation, CimValue, WebAdministration};
use super::section::{Collection, Order, Scalars, SectionKind, SectionValue};
use crate::engine::process::{TIME_LIMIT, wait_until};
use crate::error::WebServerError;
use crate::model::SiteState;

/// An operation, in the order in which operations are performed: stopped and deleted objects release addresses and paths
/// before others use them, and sites start at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation<'a> {
    Stop {
        site: &'a str,
    },
    DeleteSite {
        site: &'a str,
    },
    CreateSite {
        site: &'a str,
        document: &'a SiteDocument,
    },
    DeleteApplication {
        site: &'a str,
        application: &'a str,
    },
    CreateApplication {
        site: &'a str,
        application: &'a str,
        folder: &'a str,
    },
    SetPool {
        site: &'a str,
        application: &'a str,
        pool: &'a str,
    },
    DeleteDirectory {
        directory: Directory<'a>,
    },
    CreateDirectory {
        directory: Directory<'a>,
        folder: &'a str,
    },
    SetFolder {
        directory: Directory<'a>,
        folder: &'a str,
    },
    SetBindings {
        site: &'a str,
        bindings: &'a [SiteBinding],
    },
    SetAutoStart {
        site: &'a str,
        auto_start: bool,
    },
    RevertSection {
        site: &'a str,
        class: &'a str,
    },
    SetSection {
        site: Option<&'a str>,
        class: &'a str,
        value: &'a SectionValue,
    },
    Start {
        site: &'a str,
    },
    /// Stops a new site, which IIS may have started by itself.
    StopCreated {
        site: &'a str,
    },
}

/// Keys of a virtual directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory<'a> {
    site: &'a str,
    application: &'a str,
    path: &'a str,
}

/// Returns the operations that change the documents with some names.
pub(super) fn between<'a>(
    before: &'a Documents,
    after: &'a Documents,
    files: &BTreeSet<&str>,
) -> Vec<Operation<'a>> {
    let mut operations = Vec::new();
    let names: BTreeSet<&String> = before.sites.keys().chain(after.sites.keys()).collect();
    for name in names.into_iter().filter(|name| files.contains(site_file(name).as_str())) {
        match (before.sites.get(name), after.sites.get(name)) {
            (Some(_), None) => operations.push(Operation::DeleteSite { site: name }),
            (None, Some(document)) => create(&mut operations, name, document),
            (Some(old), Some(new)) => change(&mut operations, name, old, new),
            (None, None) => {}
        }
    }
    if let (true, Some(old), Some(new)) = (files.contains(SERVER), &before.server, &after.server) {
        for (class, value) in &new.sections {
            if old.sections.get(class) != Some(value) {
                operations.push(Operation::SetSection { site: None, class, value });
            }
        }
    }
    operations.sort_by_key(Operation::rank);
    operations
}

/// Performs operations. Stops at the first failure.
pub(super) fn perform(
    iis: &dyn WebAdministration,
    operations: &[Operation<'_>],
) -> Result<(), WebServerError> {
    operations.iter().try_for_each(|operation| {
        perform_one(iis, operation).map_err(|failure| failed(iis, &operation.description(), &failure))
    })
}

impl Operation<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Stop { .. } => 0,
            Self::DeleteSite { .. } => 1,
            Self::CreateSite { .. } => 2,
            Self::DeleteApplication { .. } => 3,
            Self::DeleteDirectory { .. } => 4,
            Self::CreateApplication { .. } => 5,
            Self::CreateDirectory { .. } => 6,
            Self::SetPool { .. } | Self::SetFolder { .. } | Self::SetBindings { .. } => 7,
            Self::SetAutoStart { .. } => 8,
            Self::RevertSection { .. } | Self::SetSection { .. } => 9,
            Self::Start { .. } | Self::StopCreated { .. } => 10,
        }
    }

    /// Returns the operation for a message, as in "cannot …".
    fn description(&self) -> String {
        match self {
            Self::Stop { site } | Self::StopCreated { site } => format!("stop the site {site}"),
            Self::DeleteSite { site } => format!("delete the site {site}"),
            Self::CreateSite { site, .. } => format!("create the site {site}"),
            Self::DeleteApplication { site, application } => {
                format!("delete the application {site}{application}")
            }
            Self::CreateApplication { site, application, .. } => {
                format!("create the application {site}{application}")
            }
            Self::SetPool { site, application, pool } => {
                format!("move the application {site}{application} to the pool {pool}")
            }
            Self::DeleteDirectory { directory } => format!("delete {directory}"),
            Self::CreateDirectory { directory, .. } => format!("create {directory}"),
            Self::SetFolder { directory, folder } => format!("set the folder of {directory} to {folder}"),
            Self::SetBindings { site, .. } => format!("set the bindings of the site {site}"),
            Self::SetAutoStart { site, .. } => format!("set ServerAutoStart of the site {site}"),
            Self::RevertSection { site, class } => format!("revert {class} of the site {site}"),
            Self::SetSection { site: Some(site), class, .. } => format!("set {class} of the site {site}"),
            Self::SetSection { site: None, class, .. } => format!("set {class} of the server"),
            Self::Start { site } => format!("start the site {site}"),
        }
    }
}

impl std::fmt::Display for Directory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { site, application, path } = self;
        write!(f, "the virtual directory {path} of the application {site}{application}")
    }
}

impl Directory<'_> {
    fn keys(&self) -> [(&str, &str); 3] {
        [("SiteName", self.site), ("ApplicationPath", self.application), ("Path", self.path)]
    }
}

fn create<'a>(operations: &mut Vec<Operation<'a>>, site: &'a str, document: &'a SiteDocument) {
    operations.push(Operation::CreateSite { site, document });
    for (application, found) in &document.applications {
        if application != "/" {
            create_application(operations, site, application, found);
            continue;
        }
        operations.push(Operation::SetPool { site, application, pool: &found.pool });
        directories(operations, site, application, found);
    }
    let sections = document.sections.iter();
    operations.extend(sections.map(|(class, value)| Operation::SetSection {
        site: Some(site),
        class,
        value,
    }));
    operations.push(match document.state {
        SiteState::Started => Operation::Start { site },
        SiteState::Stopped => Operation::StopCreated { site },
    });
}

fn create_application<'a>(
    operations: &mut Vec<Operation<'a>>,
    site: &'a str,
    application: &'a str,
    found: &'a ApplicationDocument,
) {
    let folder = found.directories.get("/").map_or("", String::as_str);
    operations.push(Operation::CreateApplication { site, application, folder });
    operations.push(Operation::SetPool { site, application, pool: &found.pool });
    directories(operations, site, application, found);
}

/// Adds the operations that create the virtual directories of an application, besides the one of the application itself.
fn directories<'a>(
    operations: &mut Vec<Operation<'a>>,
    site: &'a str,
    application: &'a str,
    found: &'a ApplicationDocument,
) {
    for (path, folder) in found.directories.iter().filter(|(path, _)| *path != "/") {
        operations
            .push(Operation::CreateDirectory { directory: Directory { site, application, path }, folder });
    }
}

fn change<'a>(
    operations: &mut Vec<Operation<'a>>,
    site: &'a str,
    old: &'a SiteDocument,
    new: &'a SiteDocument,
) {
    if old.bindings != new.bindings {
        operations.push(Operation::SetBindings { site, bindings: &new.bindings });
    }
    if old.auto_start != new.auto_start {
        operations.push(Operation::SetAutoStart { site, auto_start: new.auto_start });
    }
    match (old.state, new.state) {
        (SiteState::Started, SiteState::Stopped) => operations.push(Operation::Stop { site }),
        (SiteState::Stopped, SiteState::Started) => operations.push(Operation::Start { site }),
        _ => {}
    }
    for application in old.applications.keys().filter(|path| !new.applications.contains_key(*path)) {
        operations.push(Operation::DeleteApplication { site, application });
    }
    for (application, found) in &new.applications {
        match old.applications.get(application) {
            None => create_application(operations, site, application, found),
            Some(known) => change_application(operations, site, application, [known, found]),
        }
    }
    for class in old.sections.keys().filter(|class| !new.sections.contains_key(*class)) {
        operations.push(Operation::RevertSection { site, class });
    }
    for (class, value) in &new.sections {
        if old.sections.get(class) != Some(value) {
            operations.push(Operation::SetSection { site: Some(site), class, value });
        }
    }
}

fn change_application<'a>(
    operations: &mut Vec<Operation<'a>>,
    site: &'a str,
    application: &'a str,
    [old, new]: [&'a ApplicationDocument; 2],
) {
    if old.pool != new.pool {
        operations.push(Operation::SetPool { site, application, pool: &new.pool });
    }
    for path in old.directories.keys().filter(|path| !new.directories.contains_key(*path)) {
        operations.push(Operation::DeleteDirectory { directory: Directory { site, application, path } });
    }
    for (path, folder) in &new.directories {
        let directory = Directory { site, application, path };
        match old.directories.get(path) {
            None => operations.push(Operation::CreateDirectory { directory, folder }),
            Some(known) if known != folder => operations.push(Operation::SetFolder { directory, folder }),
            Some(_) => {}
        }
    }
}

fn perform_one(iis: &dyn WebAdministration, operation: &Operation<'_>) -> Result<(), CimFailure> {
    match *operation {
        Operation::Stop { site } | Operation::StopCreated { site } => {
            set_state(iis, site, SiteState::Stopped)
        }
        Operation::Start { site } => set_state(iis, site, SiteState::Started),
        Operation::DeleteSite { site } => delete(iis, "Site", &[("Name", site)]),
        Operation::CreateSite { site, document } => create_site(iis, site, document),
        Operation::DeleteApplication { site, application } => {
            delete(iis, "Application", &[("SiteName", site), ("Path", application)])
        }
        Operation::CreateApplication { site, application, folder } => {
            let input = CimObject::new("Application")
                .with("ApplicationPath", application)
                .with("PhysicalPath", folder)
                .with("SiteName", site);
            call(iis, CimCall::method("Application", &[], "Create", input)).map(drop)
        }
        Operation::SetPool { site, application, pool } => {
            let keys = [("SiteName", site), ("Path", application)];
            put(iis, "Application", &keys, "ApplicationPool", pool.into())
        }
        Operation::DeleteDirectory { directory } => delete(iis, "VirtualDirectory", &directory.keys()),
        Operation::CreateDirectory { directory, folder } => {
            let input = CimObject::new("VirtualDirectory")
                .with("ApplicationPath", directory.application)
                .with("PhysicalPath", folder)
                .with("SiteName", directory.site)
                .with("VirtualDirectoryPath", directory.path);
            call(iis, CimCall::method("VirtualDirectory", &[], "Create", input)).map(drop)
        }
        Operation::SetFolder { directory, folder } => {
            put(iis, "VirtualDirectory", &directory.keys(), "PhysicalPath", folder.into())
        }
        Operation::SetBindings { site, bindings } => set_bindings(iis, site, bindings),
        Operation::SetAutoStart { site, auto_start } => {
            let value = if auto_start { "true" } else { "false" };
            put(iis, "Site", &[("Name", site)], "ServerAutoStart", value.into())
        }
        Operation::RevertSection { site, class } => {
            let section = Section::read(iis, Some(site), class)?;
            section.method(iis, "RevertToParent", CimObject::new(class))
        }
        Operation::SetSection { site, class, value } => set_section(iis, site, class, value),
    }
}

fn delete(iis: &dyn WebAdministration, class: &str, keys: &[(&str, &str)]) -> Result<(), CimFailure> {
    call(iis, CimCall::new(class, keys, CimOperation::Delete)).map(drop)
}

/// Reads an instance, replaces a property, and writes the instance.
fn put(
    iis: &dyn WebAdministration,
    class: &str,
    keys: &[(&str, &str)],
    property: &str,
    value: CimValue,
) -> Result<(), CimFailure> {
    let mut instance = call(iis, CimCall::new(class, keys, CimOperation::Get))?;
    instance.set(property, [value]);
    call(iis, CimCall::new(class, keys, CimOperation::Put(instance))).map(drop)
}

fn binding_instance(binding: &SiteBinding) -> CimObject {
    CimObject::new("BindingElement")
        .with("BindingInformation", binding.information.as_str())
        .with("Protocol", binding.protocol.as_str())
}

fn create_site(iis: &dyn WebAdministration, site: &str, document: &SiteDocument) -> Result<(), CimFailure> {
    let root = document.applications.get("/").and_then(|root| root.directories.get("/"));
    let mut input = CimObject::new("Site");
    input.set("Bindings", document.bindings.iter().map(|binding| binding_instance(binding).into()));
    let input = input
        .with("Name", site)
        .with("PhysicalPath", root.map_or("", String::as_str))
        .with("ServerAutoStart", if document.auto_start { "true" } else { "false" });
    call(iis, CimCall::method("Site", &[], "Create", input)).map(drop)
}

/// Replaces the bindings. Unchanged ones keep their other properties, such as their certificates.
fn set_bindings(iis: &dyn WebAdministration, site: &str, bindings: &[SiteBinding]) -> Result<(), CimFailure> {
    let mut instance = call(iis, CimCall::new("Site", &[("Name", site)], CimOperation::Get))?;
    let values: Vec<CimValue> = bindings
        .iter()
        .map(|binding| {
            let mut known = instance.objects("Bindings");
            let known = known.find(|known| {
                known.text("Protocol").is_some_and(|text| text.eq_ignore_ascii_case(&binding.protocol))
                    && known.text("BindingInformation") == Some(&binding.information)
            });
            CimValue::Object(known.cloned().unwrap_or_else(|| binding_instance(binding)))
        })
        .collect();
    instance.set("Bindings", values);
    call(iis, CimCall::new("Site", &[("Name", site)], CimOperation::Put(instance))).map(drop)
}

fn set_state(iis: &dyn WebAdministration, site: &str, target: SiteState) -> Result<(), CimFailure> {
    if has_state(iis, site, target) {
        return Ok(());
    }
    let method = match target {
        SiteState::Started => "Start",
        SiteState::Stopped => "Stop",
    };
    call(iis, CimCall::method("Site", &[("Name", site)], method, CimObject::new("Site")))?;
    if wait_until(TIME_LIMIT, || has_state(iis, site, target)) {
        return Ok(());
    }
    let reason = "it does not reach the new state; another site may use the same binding, see the event log System of \
                  the machine";
    Err(CimFailure::Failed(reason.to_owned()))
}

fn has_state(iis: &dyn WebAdministration, site: &str, target: SiteState) -> bool {
    call(iis, state_call(site)).is_ok_and(|result| state(&result) == target)
}

/// A section of a site or of the server, as IIS returned it.
struct Section {
    kind: &'static SectionKind,
    instance: CimObject,
}

impl Section {
    fn read(iis: &dyn WebAdministration, site: Option<&str>, class: &str) -> Result<Self, CimFailure> {
        let kind = SectionKind::of_class(class);
        let kind = kind.ok_or_else(|| CimFailure::Invalid(format!("there is no section {class}")))?;
        let result = call(iis, section_call(site, kind))?;
        Ok(Self { kind, instance: section_instance(site, kind, result)? })
    }

    /// Returns the keys that IIS gave the section.
    fn keys(&self) -> [(&str, &str); 2] {
        ["Path", "Location"].map(|name| (name, self.instance.text(name).unwrap_or_default()))
    }

    fn method(
        &self,
        iis: &dyn WebAdministration,
        method: &'static str,
        input: CimObject,
    ) -> Result<(), CimFailure> {
        call(iis, CimCall::method(self.kind.class, &self.keys(), method, input)).map(drop)
    }

    fn element(
        &self,
        iis: &dyn WebAdministration,
        method: &'static str,
        collection: &Collection,
        element: &Scalars,
    ) -> Result<(), CimFailure> {
        let input = CimObject::new(self.kind.class)
            .with("CollectionName", collection.name)
            .with("Element", collection.instance(element));
        self.method(iis, method, input)
    }
}

fn set_section(
    iis: &dyn WebAdministration,
    site: Option<&str>,
    class: &str,
    value: &SectionValue,
) -> Result<(), CimFailure> {
    let section = Section::read(iis, site, class)?;
    let current = section.kind.read(&section.instance).map_err(CimFailure::Invalid)?;
    if current.settings != value.settings {
        let mut instance = section.instance.clone();
        section.kind.write_settings(value, &mut instance);
        call(iis, CimCall::new(class, &section.keys(), CimOperation::Put(instance)))?;
    }
    let Some(collection) = &section.kind.collection else { return Ok(()) };
    if current.elements == value.elements {
        return Ok(());
    }
    if collection.order == Order::Significant {
        let input = CimObject::new(class).with("CollectionName", collection.name);
        section.method(iis, "Clear", input)?;
        return value
            .elements
            .iter()
            .try_for_each(|element| section.element(iis, "Add", collection, element));
    }
    for element in current.elements.iter().filter(|element| !value.elements.contains(element)) {
        section.element(iis, "Remove", collection, element)?;
    }
    for element in value.elements.iter().filter(|element| !current.elements.contains(element)) {
        section.element(iis, "Add", collection, element)?;
    }
    Ok(())
}
