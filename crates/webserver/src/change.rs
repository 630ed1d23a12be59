//! Changes of a configuration.

use serde::{Deserialize, Serialize};

use crate::feature::{Feature, FeatureValue, Scope};
use crate::model::{Listener, NewLocation, PoolMember, SiteState};
use crate::value::{FilePath, HostPattern, PoolName, SiteId, UnitName, UrlPath};

/// Maximum number of changes of one plan.
pub const MAX_CHANGES: usize = 10_000;

/// A change. Several changes are planned and committed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Creates a site in a file of its own.
    CreateSite(NewSite),
    /// Deletes a site. A file without other content is deleted, too.
    DeleteSite {
        /// The site.
        site: SiteId,
    },
    /// Starts or stops a site.
    SetSiteState {
        /// The site.
        site: SiteId,
        /// The new state.
        state: SiteState,
    },
    /// Replaces the addresses and names of a site.
    SetBindings {
        /// The site.
        site: SiteId,
        /// Addresses; at least one.
        listeners: Vec<Listener>,
        /// Host names.
        names: Vec<HostPattern>,
    },
    /// Sets the folder of the content of a site.
    SetRoot {
        /// The site.
        site: SiteId,
        /// The folder.
        folder: FilePath,
    },
    /// Creates or replaces a virtual directory or an application.
    PutLocation {
        /// The site.
        site: SiteId,
        /// Path of the location.
        path: UrlPath,
        /// Source of the responses.
        location: NewLocation,
    },
    /// Deletes a virtual directory or an application.
    DeleteLocation {
        /// The site.
        site: SiteId,
        /// Path of the location.
        path: UrlPath,
    },
    /// Creates a pool, or replaces the servers of a pool.
    PutPool {
        /// The pool.
        pool: PoolName,
        /// Servers; at least one.
        members: Vec<PoolMember>,
    },
    /// Deletes a pool.
    DeletePool {
        /// The pool.
        pool: PoolName,
    },
    /// Sets the unit of systemd that runs the servers of a pool, so that it can be started, stopped and recycled.
    SetPoolUnit {
        /// The pool.
        pool: PoolName,
        /// The unit; `None` if the servers are not started by systemd of this machine.
        unit: Option<UnitName>,
    },
    /// Sets a feature.
    SetFeature {
        /// Part of the configuration.
        scope: Scope,
        /// The value.
        value: FeatureValue,
    },
    /// Removes the value of a feature, so that the inherited value applies.
    RevertFeature {
        /// Part of the configuration.
        scope: Scope,
        /// The feature.
        feature: Feature,
    },
    /// Replaces the text of a file. The text can do anything that the web server can, so only administrators of the
    /// whole server may use this change.
    RawEdit {
        /// Path of a file of the configuration.
        file: FilePath,
        /// The new text.
        text: String,
    },
}

/// A site to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSite {
    /// Identifier, and the name of the file.
    pub id: SiteId,
    /// Addresses; at least one.
    pub listeners: Vec<Listener>,
    /// Host names.
    #[serde(default)]
    pub names: Vec<HostPattern>,
    /// Folder of the content.
    pub root: FilePath,
    /// File with the certificate; required if an address uses TLS.
    #[serde(default)]
    pub certificate: Option<FilePath>,
    /// File with the private key; required if an address uses TLS.
    #[serde(default)]
    pub key: Option<FilePath>,
}

impl Change {
    /// Returns the site that the change affects; `None` if it affects the whole server.
    #[must_use]
    pub fn site(&self) -> Option<&SiteId> {
        match self {
            Self::DeleteSite { site }
            | Self::SetSiteState { site, .. }
            | Self::SetBindings { site, .. }
            | Self::SetRoot { site, .. }
            | Self::PutLocation { site, .. }
            | Self::DeleteLocation { site, .. } => Some(site),
            Self::SetFeature { scope, .. } | Self::RevertFeature { scope, .. } => scope.site(),
            Self::CreateSite(_)
            | Self::PutPool { .. }
            | Self::DeletePool { .. }
            | Self::SetPoolUnit { .. }
            | Self::RawEdit { .. } => None,
        }
    }

    /// Returns the feature that the change affects.
    #[must_use]
    pub fn feature(&self) -> Option<Feature> {
        match self {
            Self::SetFeature { value, .. } => Some(value.feature()),
            Self::RevertFeature { feature, .. } => Some(*feature),
            _ => None,
        }
    }

    /// Returns the files and folders to which the change refers, so that a caller can check the rights of a delegated
    /// user.
    #[must_use]
    pub fn file_paths(&self) -> Vec<&FilePath> {
        match self {
            Self::CreateSite(site) => {
                std::iter::once(&site.root).chain(&site.certificate).chain(&site.key).collect()
            }
            Self::SetRoot { folder, .. }
            | Self::PutLocation { location: NewLocation::Directory { folder }, .. } => vec![folder],
            Self::SetFeature { value, .. } => value.file_paths(),
            Self::RawEdit { file, .. } => vec![file],
            _ => Vec::new(),
        }
    }
}
