//! Plug-ins: which there are, whether they answer, and who may use what they answer for.
//!
//! Which plug-ins exist is part of the program; the file and Put only say what is different from the defaults.

mod access;
mod representation;

pub use access::{Access, Decider, Deciding};
pub use representation::{PLUGIN_NAMESPACE, PLUGIN_RESOURCE};

use sddl::DomainSid;

use crate::value::{Descriptor, Value as _, excerpt};
use crate::{PutError, Reason};

/// What a plug-in is, apart from what can be set.
#[derive(Debug, PartialEq, Eq)]
pub struct PluginKind {
    /// Its name: the selector `Name`.
    pub name: &'static str,
    /// What it answers for.
    pub resources: &'static [PluginResource],
    /// Where it is, as far as anyone can see; clients show it.
    filename: &'static str,
    usual: Usual,
    /// Whether the service could be set right again without it.
    can_be_disabled: bool,
}

/// One resource of a plug-in.
#[derive(Debug, PartialEq, Eq)]
pub struct PluginResource {
    /// The URI, or what longer ones begin with.
    pub uri: &'static str,
    /// What it can do, in the words of MS-WSMV (`Get`, `Shell` and so on).
    pub capabilities: &'static [&'static str],
}

/// Who may use a plug-in of which nothing is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usual {
    /// `RootSDDL` alone says.
    Root,
    /// `RootSDDL` says, and Remote Management Users may do all.
    RemoteManagementUsers,
    /// Administrators and the members of `WinRMRemoteWMIUsers__` may do all.
    RemoteWmiUsers,
}

/// Every plug-in, in the order of messages.
const KINDS: &[PluginKind] = &[
    PluginKind {
        name: "Configuration",
        resources: &[PluginResource {
            uri: crate::Section::Config.resource(),
            capabilities: &["Get", "Put", "Create", "Delete", "Invoke", "Enumerate"],
        }],
        filename: "telarchd",
        usual: Usual::Root,
        can_be_disabled: false,
    },
    PluginKind {
        name: "Shell",
        resources: &[PluginResource {
            uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
            capabilities: &["Shell"],
        }],
        filename: "telarchd",
        usual: Usual::RemoteManagementUsers,
        can_be_disabled: true,
    },
    PluginKind {
        name: "WMI Provider",
        resources: &[
            PluginResource { uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi", capabilities: INSTANCES },
            PluginResource { uri: "http://schemas.dmtf.org/wbem/wscim/1", capabilities: INSTANCES },
            PluginResource {
                uri: "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2",
                capabilities: &["Get", "Enumerate"],
            },
        ],
        filename: "telarchd",
        usual: Usual::RemoteWmiUsers,
        can_be_disabled: true,
    },
];

const INSTANCES: &[&str] = &["Get", "Put", "Create", "Delete", "Invoke", "Enumerate", "Subscribe"];

/// What is set of one plug-in (`winrm/config/plugin?Name=…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    kind: &'static PluginKind,
    /// Whether it answers.
    enabled: bool,
    /// The entries that were set; none if nothing was, which is not the same as none of them.
    security: Option<Vec<SecurityEntry>>,
}

/// Who may use the resources that a URI stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityEntry {
    /// The URI as it was written.
    pub uri: String,
    /// Whether it stands for that URI alone, or also for those that go on with `/`.
    pub exact_match: bool,
    /// The descriptor.
    pub descriptor: Descriptor,
}

/// The plug-ins of a service.
///
/// INVARIANT: one for each of [`PluginKind::all`], in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins(Vec<Plugin>);

/// What the defaults of a plug-in depend on.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// `Service/RootSDDL`.
    pub root: &'a Descriptor,
    /// The SID of the machine, below which its groups have theirs; without it they have no entry.
    pub machine: Option<DomainSid>,
}

/// What is wrong with what is to be set of a plug-in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// No plug-in has this name.
    #[error("there is no plug-in {0:?}: there are {names}", names = names())]
    Unknown(String),
    /// The service needs it.
    #[error(
        "the plug-in {0} cannot be switched off: nothing else could switch it on again; limit who may use it with Security entries"
    )]
    Needed(&'static str),
    /// A descriptor that does not say who may.
    #[error("Security of {uri}: {reason}; to allow nobody, write D:P")]
    Descriptor {
        /// The beginning of the URI of the entry.
        uri: String,
        /// What is wrong with its descriptor.
        reason: Reason,
    },
    /// The entry is about something the plug-in does not answer for.
    #[error("Security of {uri}: the plug-in {plugin} does not answer for it, only for {resources}", resources = resources(.plugin))]
    ForeignUri {
        /// The beginning of the URI.
        uri: String,
        /// The plug-in.
        plugin: &'static str,
    },
    /// Two entries for one thing.
    #[error("Security of {uri}: there are two entries for it")]
    Twice {
        /// The beginning of the URI.
        uri: String,
    },
    /// More entries than are looked at.
    #[error("the plug-in {0} has more than {max} Security entries", max = Plugin::MAX_ENTRIES)]
    TooMany(&'static str),
    /// Something else than the two things that can be set.
    #[error("{what} of the plug-in {plugin} cannot be changed: only Enabled and the Security entries can")]
    ReadOnly {
        /// The plug-in.
        plugin: &'static str,
        /// What was to be changed.
        what: String,
    },
    /// The element or its values are wrong.
    #[error(transparent)]
    Content(PutError),
}

impl PluginKind {
    /// Every kind there is.
    #[must_use]
    pub fn all() -> &'static [Self] {
        KINDS
    }

    /// The kind of a name; the case of letters does not count.
    ///
    /// # Errors
    /// [`PluginError::Unknown`], with those there are.
    pub fn find(name: &str) -> Result<&'static Self, PluginError> {
        let wanted = name.trim();
        let unknown = || PluginError::Unknown(excerpt(wanted));
        KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(wanted)).ok_or_else(unknown)
    }

    /// Whether it answers for this URI.
    fn covers(&self, uri: &str) -> bool {
        self.resources.iter().any(|resource| begins(uri, resource.uri))
    }
}

impl Plugin {
    /// The most entries that one plug-in may have.
    pub const MAX_ENTRIES: usize = 64;

    fn usual(kind: &'static PluginKind) -> Self {
        Self { kind, enabled: true, security: None }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &'static PluginKind {
        self.kind
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether somebody has set its entries, so that its defaults do not hold.
    #[must_use]
    pub fn has_own_entries(&self) -> bool {
        self.security.is_some()
    }

    /// Switches it on or off.
    ///
    /// # Errors
    /// [`PluginError::Needed`].
    pub fn enable(&mut self, enabled: bool) -> Result<(), PluginError> {
        if !enabled && !self.kind.can_be_disabled {
            return Err(PluginError::Needed(self.kind.name));
        }
        self.enabled = enabled;
        Ok(())
    }

    /// Replaces its entries; without any, `RootSDDL` decides.
    ///
    /// # Errors
    /// [`PluginError`] if they cannot be the entries of this plug-in.
    pub fn secure(&mut self, entries: Vec<SecurityEntry>) -> Result<(), PluginError> {
        if entries.len() > Self::MAX_ENTRIES {
            return Err(PluginError::TooMany(self.kind.name));
        }
        for (place, entry) in entries.iter().enumerate() {
            if !self.kind.covers(&entry.uri) {
                return Err(PluginError::ForeignUri { uri: excerpt(&entry.uri), plugin: self.kind.name });
            }
            let is_same = |other: &SecurityEntry| {
                other.exact_match == entry.exact_match && other.uri.eq_ignore_ascii_case(&entry.uri)
            };
            if entries.iter().take(place).any(is_same) {
                return Err(PluginError::Twice { uri: excerpt(&entry.uri) });
            }
        }
        self.security = Some(entries);
        Ok(())
    }

    /// The entries that were set.
    pub(crate) fn set_entries(&self) -> Option<&[SecurityEntry]> {
        self.security.as_deref()
    }

    /// The entries that hold: those that were set, or else the defaults.
    #[must_use]
    pub fn security(&self, surroundings: Surroundings<'_>) -> Vec<SecurityEntry> {
        self.security.clone().unwrap_or_else(|| self.kind.usual_entries(surroundings))
    }
}

impl PluginKind {
    fn usual_entries(&self, surroundings: Surroundings<'_>) -> Vec<SecurityEntry> {
        let descriptor = match self.usual {
            Usual::Root => return Vec::new(),
            Usual::RemoteManagementUsers => surroundings.root.and_remote_management_users(),
            Usual::RemoteWmiUsers => Descriptor::of_wmi(surroundings.machine),
        };
        let entry = |resource: &PluginResource| SecurityEntry {
            uri: resource.uri.to_owned(),
            exact_match: false,
            descriptor: descriptor.clone(),
        };
        self.resources.iter().map(entry).collect()
    }
}

impl SecurityEntry {
    /// The longest URI of an entry, in octets.
    pub const MAX_URI: usize = 2_048;

    /// Reads an entry.
    ///
    /// # Errors
    /// [`PluginError::Descriptor`] if the descriptor cannot guard anything, such as one without a DACL, and
    /// [`PluginError::Content`] for a URI that is none.
    pub fn parse(uri: &str, sddl: &str, exact_match: bool) -> Result<Self, PluginError> {
        let uri = uri.trim().trim_end_matches('/');
        let is_uri = uri.len() <= Self::MAX_URI && uri.bytes().all(|octet| octet.is_ascii_graphic());
        if uri.is_empty() || !is_uri {
            let reason = crate::value::malformed(uri, "the URI of a resource");
            return Err(PluginError::setting("Plugin/Security/Uri", reason));
        }
        let descriptor = Descriptor::parse(sddl)
            .map_err(|reason| PluginError::Descriptor { uri: excerpt(uri), reason })?;
        Ok(Self { uri: uri.to_owned(), exact_match, descriptor })
    }
}

impl Plugins {
    /// The plug-in of a name; the case of letters does not count.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Plugin> {
        self.0.iter().find(|plugin| plugin.kind.name.eq_ignore_ascii_case(name.trim()))
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// [`PluginError::Unknown`].
    pub fn find_mut(&mut self, name: &str) -> Result<&mut Plugin, PluginError> {
        let kind = PluginKind::find(name)?;
        let found = self.0.iter_mut().find(|plugin| plugin.kind == kind);
        found.ok_or_else(|| PluginError::Unknown(kind.name.to_owned()))
    }

    /// The plug-in that answers for a URI, if it is one that can be set.
    #[must_use]
    pub fn answering(&self, uri: &str) -> Option<&Plugin> {
        self.0.iter().find(|plugin| plugin.kind.covers(uri))
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Plugin> {
        self.0.iter()
    }
}

impl Default for Plugins {
    fn default() -> Self {
        Self(KINDS.iter().map(Plugin::usual).collect())
    }
}

impl<'a> IntoIterator for &'a Plugins {
    type Item = &'a Plugin;
    type IntoIter = std::slice::Iter<'a, Plugin>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PluginError {
    pub(crate) fn setting(path: &str, reason: Reason) -> Self {
        Self::Content(PutError::Settings(vec![crate::SettingError { path: path.to_owned(), reason }]))
    }
}

/// Whether a URI is `prefix`, or goes on with `/`.
fn begins(uri: &str, prefix: &str) -> bool {
    let (Some(head), Some(rest)) = (uri.get(..prefix.len()), uri.get(prefix.len()..)) else { return false };
    head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
}

fn names() -> String {
    KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

fn resources(plugin: &str) -> String {
    let kind = KINDS.iter().find(|kind| kind.name == plugin);
    let uris = kind.into_iter().flat_map(|kind| kind.resources).map(|resource| resource.uri);
    uris.collect::<Vec<_>>().join(" and ")
}
