//! Changes of the documents in memory.

use std::collections::BTreeMap;

use super::configuration::IisConfiguration;
use super::document::{ApplicationDocument, Documents, SiteDocument, problem};
use super::features::{section, section_of};
use super::section::SectionKind;
use super::sites::{bindings, joined, windows_folder};
use crate::change::{Change, NewSite};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureValue, Scope};
use crate::model::{Listener, NewLocation, SiteState};
use crate::plan::{Problem, Severity};
use crate::value::{FilePath, HostPattern, SiteId, UrlPath};

/// Application pool of new sites.
const DEFAULT_POOL: &str = "DefaultAppPool";

/// Documents with changes.
pub(super) struct Draft<'a> {
    configuration: &'a IisConfiguration,
    pub(super) documents: Documents,
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(configuration: &'a IisConfiguration) -> Self {
        Self { configuration, documents: configuration.documents.clone(), warnings: Vec::new() }
    }

    pub(super) fn apply(&mut self, change: &Change) -> Result<(), WebServerError> {
        match change {
            Change::CreateSite(site) => self.create(site),
            Change::DeleteSite { site } => self.delete(site),
            Change::SetSiteState { site, state } => {
                let site = self.site(site)?;
                // IIS Manager, too, keeps a stopped site stopped after the next start of the machine.
                (site.state, site.auto_start) = (*state, *state == SiteState::Started);
                Ok(())
            }
            Change::SetBindings { site, listeners, names } => self.set_bindings(site, listeners, names),
            Change::SetRoot { site, folder } => self.set_root(site, folder),
            Change::PutLocation { site, path, location } => self.put_location(site, path, location),
            Change::DeleteLocation { site, path } => self.delete_location(site, path),
            Change::SetFeature { scope, value } => self.set_feature(scope, value),
            Change::RevertFeature { scope, feature } => self.revert_feature(scope, *feature),
            Change::PutPool { .. } | Change::DeletePool { .. } | Change::SetPoolUnit { .. } => {
                Err(WebServerError::impossible(
                    "change the pool",
                    "IIS has no pools of back-end servers; its application pools are started and stopped",
                ))
            }
            Change::RawEdit { .. } => Err(WebServerError::impossible(
                "edit the configuration as text",
                "WMI does not return the files of IIS; edit them on the machine",
            )),
        }
    }

    fn site(&mut self, id: &SiteId) -> Result<&mut SiteDocument, WebServerError> {
        let name = self.documents.site_name(id)?;
        self.documents.site_mut(&name)
    }

    fn warn(&mut self, message: &str) {
        self.warnings.push(problem(Severity::Warning, message.to_owned(), None));
    }

    fn warn_about_certificates(&mut self, listeners: &[Listener]) {
        if listeners.iter().any(|listener| listener.tls) {
            self.warn(
                "an address with TLS needs a certificate, which this change does not select; bind one on the machine with \
                 IIS Manager or netsh http add sslcert",
            );
        }
    }

    fn create(&mut self, new: &NewSite) -> Result<(), WebServerError> {
        let name = new.id.as_str();
        let is_used = self.documents.sites.keys().any(|known| known.eq_ignore_ascii_case(name));
        if is_used || self.documents.site_name(&new.id).is_ok() {
            return Err(WebServerError::Exists { kind: "site", name: name.to_owned() });
        }
        if new.certificate.is_some() || new.key.is_some() {
            let reason = "Windows keeps certificates in its own store; omit the files";
            return Err(WebServerError::impossible(format!("create the site {name}"), reason));
        }
        require_listeners(&new.listeners)?;
        let root = ApplicationDocument {
            pool: DEFAULT_POOL.to_owned(),
            directories: BTreeMap::from([("/".to_owned(), windows_folder(&new.root)?)]),
        };
        let site = SiteDocument {
            state: SiteState::Started,
            auto_start: true,
            bindings: bindings(&new.listeners, &new.names)?,
            applications: BTreeMap::from([("/".to_owned(), root)]),
            sections: BTreeMap::new(),
        };
        self.documents.sites.insert(name.to_owned(), site);
        self.warn_about_certificates(&new.listeners);
        Ok(())
    }

    fn delete(&mut self, id: &SiteId) -> Result<(), WebServerError> {
        let name = self.documents.site_name(id)?;
        self.documents.sites.remove(&name);
        self.warn(
            "IIS deletes all settings of the site; a rollback restores only those that are shown, not limits, logging or \
             user names of folders",
        );
        Ok(())
    }

    fn set_bindings(
        &mut self,
        id: &SiteId,
        listeners: &[Listener],
        names: &[HostPattern],
    ) -> Result<(), WebServerError> {
        require_listeners(listeners)?;
        let mut new = bindings(listeners, names)?;
        let site = self.site(id)?;
        new.extend(site.bindings.iter().filter(|binding| !binding.is_web()).cloned());
        let has_new_tls =
            new.iter().any(|binding| binding.protocol == "https" && !site.bindings.contains(binding));
        site.bindings = new;
        if has_new_tls {
            self.warn_about_certificates(listeners);
        }
        Ok(())
    }

    fn set_root(&mut self, id: &SiteId, folder: &FilePath) -> Result<(), WebServerError> {
        let folder = windows_folder(folder)?;
        let root = self.site(id)?.applications.get_mut("/");
        let root = root.ok_or_else(|| WebServerError::not_found("application", &"/"))?;
        root.directories.insert("/".to_owned(), folder);
        Ok(())
    }

    fn put_location(
        &mut self,
        id: &SiteId,
        path: &UrlPath,
        location: &NewLocation,
    ) -> Result<(), WebServerError> {
        let NewLocation::Directory { folder } = location else {
            let reason =
                "IIS passes requests to other servers with rules of URL Rewrite, which WMI does not have";
            return Err(WebServerError::impossible(format!("create the application {path}"), reason));
        };
        if path.is_root() {
            return self.set_root(id, folder);
        }
        let (path, folder) = (path.as_str().trim_end_matches('/'), windows_folder(folder)?);
        let site = self.site(id)?;
        let existing = site.applications.iter_mut().find_map(|(application, found)| {
            let mut directories = found.directories.iter_mut();
            directories
                .find(|(directory, _)| joined(application, directory) == path)
                .map(|(_, folder)| folder)
        });
        match existing {
            Some(known) => *known = folder,
            None => {
                let root = site.applications.get_mut("/");
                let root = root.ok_or_else(|| WebServerError::not_found("application", &"/"))?;
                root.directories.insert(path.to_owned(), folder);
            }
        }
        Ok(())
    }

    fn delete_location(&mut self, id: &SiteId, path: &UrlPath) -> Result<(), WebServerError> {
        let name = path.as_str().trim_end_matches('/');
        let site = self.site(id)?;
        if name != "/" && site.applications.remove(name).is_some() {
            return Ok(());
        }
        for (application, found) in &mut site.applications {
            let before = found.directories.len();
            found
                .directories
                .retain(|directory, _| directory == "/" || joined(application, directory) != name);
            if found.directories.len() < before {
                return Ok(());
            }
        }
        Err(WebServerError::not_found("location", path))
    }

    fn set_feature(&mut self, scope: &Scope, value: &FeatureValue) -> Result<(), WebServerError> {
        let kind = section_of(value.feature())?;
        let class = kind.class.to_owned();
        let inherited = self.documents.server_section(&class).cloned().ok_or_else(|| missing(kind))?;
        match scope_site(scope, value.feature())? {
            None => {
                let new = section(value, &inherited)?;
                if let Some(server) = &mut self.documents.server {
                    server.sections.insert(class, new);
                }
            }
            Some(id) => {
                let name = self.documents.site_name(id)?;
                self.configuration.require_readable(&name, kind)?;
                let site = self.documents.site_mut(&name)?;
                let new = section(value, site.sections.get(&class).unwrap_or(&inherited))?;
                if new == inherited {
                    site.sections.remove(&class);
                } else {
                    site.sections.insert(class, new);
                }
            }
        }
        Ok(())
    }

    fn revert_feature(&mut self, scope: &Scope, feature: Feature) -> Result<(), WebServerError> {
        let kind = section_of(feature)?;
        let Some(id) = scope_site(scope, feature)? else {
            let reason = "the server inherits from nothing; set the value itself";
            return Err(WebServerError::impossible(format!("revert {feature} of the server"), reason));
        };
        let name = self.documents.site_name(id)?;
        self.configuration.require_readable(&name, kind)?;
        self.documents.site_mut(&name)?.sections.remove(kind.class);
        Ok(())
    }
}

/// Returns the site of a scope; `None` for the server.
pub(super) fn scope_site(scope: &Scope, feature: Feature) -> Result<Option<&SiteId>, WebServerError> {
    match scope {
        Scope::Server => Ok(None),
        Scope::Site { site } => Ok(Some(site)),
        Scope::Location { .. } => Err(WebServerError::Scope { feature, instead: "the server or a site" }),
    }
}

/// Returns the error for a section that the machine does not have.
pub(super) fn missing(kind: &SectionKind) -> WebServerError {
    let reason = "IIS on this machine does not have it; install the feature of Windows";
    WebServerError::impossible(format!("use {} ({})", kind.feature, kind.class), reason)
}

fn require_listeners(listeners: &[Listener]) -> Result<(), WebServerError> {
    if listeners.is_empty() {
        return Err(WebServerError::impossible("set the bindings", "there is no address"));
    }
    Ok(())
}
