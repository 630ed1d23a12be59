//! Plug-ins: their resources, whether they are enabled, and who may access them.
//!
//! The program defines the plug-ins; the configuration file and Put messages only change their settings.

mod access;
mod endpoint;
mod endpoint_representation;
mod representation;

pub use access::{Access, DescriptorOrigin, EffectiveDescriptor};
pub use endpoint::{EndpointName, EndpointSettings, RunAsUser};
pub use representation::{PLUGIN_NAMESPACE, PLUGIN_RESOURCE};

use sddl::DomainSid;

use crate::value::{Descriptor, Value as _, excerpt};
use crate::{PutError, Reason};

/// Fixed properties of a plug-in.
#[derive(Debug, PartialEq, Eq)]
pub struct PluginKind {
    /// Name, which is also the selector `Name`.
    pub name: &'static str,
    /// Resources that the plug-in serves.
    pub resources: &'static [PluginResource],
    /// File name, as shown to clients.
    filename: &'static str,
    default_access: DefaultAccess,
    /// Whether the service can be managed without the plug-in.
    can_be_disabled: bool,
}

/// Resource of a plug-in.
#[derive(Debug, PartialEq, Eq)]
pub struct PluginResource {
    /// URI of the resource, or prefix of the URIs of several resources.
    pub uri: &'static str,
    /// Supported operations, as named by MS-WSMV (`Get`, `Shell` and so on).
    pub capabilities: &'static [&'static str],
}

/// Default access to the resources of a plug-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultAccess {
    /// Only the access that `RootSDDL` grants.
    Root,
    /// The access that `RootSDDL` grants, and full access for Remote Management Users.
    RemoteManagementUsers,
    /// Full access for administrators and the members of `WinRMRemoteWMIUsers__`.
    RemoteWmiUsers,
}

/// All plug-ins, in the order of messages.
const KINDS: &[PluginKind] = &[
    PluginKind {
        name: "Configuration",
        resources: &[PluginResource {
            uri: crate::Section::Config.resource(),
            capabilities: &["Get", "Put", "Create", "Delete", "Invoke", "Enumerate"],
        }],
        filename: "telarchd",
        default_access: DefaultAccess::Root,
        can_be_disabled: false,
    },
    PluginKind {
        name: "Shell",
        resources: &[PluginResource {
            uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
            capabilities: &["Shell"],
        }],
        filename: "telarchd",
        default_access: DefaultAccess::RemoteManagementUsers,
        can_be_disabled: true,
    },
    PluginKind {
        name: "PowerShell",
        resources: &[PluginResource { uri: endpoint::POWERSHELL, capabilities: &["Shell"] }],
        filename: "telarchd",
        default_access: DefaultAccess::RemoteManagementUsers,
        can_be_disabled: true,
    },
    PluginKind {
        name: "File",
        resources: &[PluginResource { uri: "urn:telarch:file", capabilities: &["Shell"] }],
        filename: "telarchd",
        default_access: DefaultAccess::RemoteManagementUsers,
        can_be_disabled: true,
    },
    PluginKind {
        name: "Event Forwarding Plugin",
        resources: &[PluginResource {
            uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog",
            capabilities: &["Subscribe"],
        }],
        filename: "telarchd",
        // The default descriptor grants read access to Event Log Readers.
        default_access: DefaultAccess::Root,
        can_be_disabled: true,
    },
    PluginKind {
        name: "WMI Provider",
        resources: &[
            PluginResource { uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi", capabilities: INSTANCES },
            PluginResource { uri: "http://schemas.dmtf.org/wbem/wscim/1", capabilities: INSTANCES },
            PluginResource { uri: "http://schemas.microsoft.com/wbem/wscim/1", capabilities: INSTANCES },
            PluginResource {
                uri: "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2",
                capabilities: &["Get", "Enumerate"],
            },
        ],
        filename: "telarchd",
        default_access: DefaultAccess::RemoteWmiUsers,
        can_be_disabled: true,
    },
];

const INSTANCES: &[&str] = &["Get", "Put", "Create", "Delete", "Invoke", "Enumerate", "Subscribe"];

/// Settings of a plug-in (`winrm/config/plugin?Name=…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    kind: &'static PluginKind,
    /// Whether the plug-in serves requests.
    enabled: bool,
    /// Configured entries; `None` means the defaults, an empty list means no entries.
    security: Option<Vec<SecurityEntry>>,
    /// Settings of single endpoints; empty for plug-ins without endpoints.
    endpoints: Vec<EndpointSettings>,
}

/// Security descriptor for a resource URI.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityEntry {
    /// URI as configured.
    pub uri: String,
    /// Whether the entry applies to this URI only, or also to the URIs below it.
    pub exact_match: bool,
    /// Security descriptor.
    pub descriptor: Descriptor,
}

/// Settings of all plug-ins.
///
/// INVARIANT: one for each of [`PluginKind::all`], in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins(Vec<Plugin>);

/// Values that the default security entries of plug-ins depend on.
#[derive(Clone, Copy, Debug)]
pub struct SecurityDefaults<'a> {
    /// `Service/RootSDDL`.
    pub root: &'a Descriptor,
    /// SID of the machine, on which the SIDs of its local groups are based. Without it, local groups have no default
    /// entry.
    pub machine_sid: Option<DomainSid>,
}

/// Error in the settings of a plug-in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// No plug-in has this name.
    #[error("unknown plug-in \"{0}\"; the plug-ins are {names}", names = names())]
    Unknown(String),
    /// The plug-in cannot be disabled.
    #[error(
        "the plug-in {0} cannot be disabled, because only it could enable plug-ins again; restrict access to it with Security entries"
    )]
    Required(&'static str),
    /// The security descriptor of an entry is invalid.
    #[error("Security of {uri}: {reason}; to deny access to all users, use D:P")]
    Descriptor {
        /// Beginning of the entry's URI.
        uri: String,
        /// Error in the security descriptor.
        reason: Reason,
    },
    /// The plug-in does not serve the URI of an entry.
    #[error("Security of {uri}: the plug-in {plugin} does not serve this URI, only {resources}", resources = resources(.plugin))]
    ForeignUri {
        /// Beginning of the entry's URI.
        uri: String,
        /// Name of the plug-in.
        plugin: &'static str,
    },
    /// Two entries have the same URI and scope.
    #[error("Security of {uri}: duplicate entry")]
    Duplicate {
        /// Beginning of the entries' URI.
        uri: String,
    },
    /// The plug-in has more than [`Plugin::MAX_ENTRIES`] entries.
    #[error("the plug-in {0} has more than {max} Security entries", max = Plugin::MAX_ENTRIES)]
    TooMany(&'static str),
    /// The plug-in has no endpoints.
    #[error("the plug-in {0} has no endpoints; only PowerShell has them")]
    NoEndpoints(&'static str),
    /// Two entries have the same endpoint.
    #[error("Endpoint {0}: given more than once")]
    RepeatedEndpoint(String),
    /// The plug-in has more than [`Plugin::MAX_ENTRIES`] entries for endpoints.
    #[error("the plug-in {0} has more than {max} entries for endpoints", max = Plugin::MAX_ENTRIES)]
    TooManyEndpoints(&'static str),
    /// The endpoint cannot be enabled, because its plug-in is disabled.
    #[error(
        "the endpoint {endpoint} cannot be enabled while the plug-in {plugin} is disabled; enable the plug-in first"
    )]
    DisabledPlugin {
        /// Name of the endpoint.
        endpoint: String,
        /// Name of the plug-in.
        plugin: &'static str,
    },
    /// The message changes a property that is not a setting.
    #[error("{what} of the plug-in {plugin} cannot be changed, only Enabled and the Security entries")]
    ReadOnly {
        /// Name of the plug-in.
        plugin: &'static str,
        /// Name of the property.
        what: String,
    },
    /// The message changes the account that scripts run as.
    #[error(
        "{what} of the plug-in {plugin} cannot be changed; root sets RunAsUser of an endpoint in the settings file, and no password is stored"
    )]
    RunAs {
        /// Name of the plug-in.
        plugin: &'static str,
        /// Name of the property.
        what: String,
    },
    /// The element or a value in it is invalid.
    #[error(transparent)]
    Content(PutError),
}

impl PluginKind {
    /// Returns all plug-ins.
    #[must_use]
    pub fn all() -> &'static [Self] {
        KINDS
    }

    /// Returns the plug-in with a name, compared without case.
    ///
    /// # Errors
    /// [`PluginError::Unknown`] with the names of all plug-ins.
    pub fn find(name: &str) -> Result<&'static Self, PluginError> {
        let wanted = name.trim();
        let found = KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| PluginError::Unknown(excerpt(wanted)))
    }

    /// Returns whether the plug-in serves a URI.
    fn covers(&self, uri: &str) -> bool {
        self.resources.iter().any(|resource| is_at_or_below(uri, resource.uri))
    }
}

impl Plugin {
    /// Maximum number of security entries.
    pub const MAX_ENTRIES: usize = 64;

    fn new(kind: &'static PluginKind) -> Self {
        Self { kind, enabled: true, security: None, endpoints: Vec::new() }
    }

    /// Fixed properties.
    #[must_use]
    pub fn kind(&self) -> &'static PluginKind {
        self.kind
    }

    /// Returns whether the plug-in is enabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Returns whether the security entries are configured and replace the defaults.
    #[must_use]
    pub fn has_configured_entries(&self) -> bool {
        self.security.is_some()
    }

    /// Enables or disables the plug-in.
    ///
    /// # Errors
    /// [`PluginError::Required`] if the plug-in cannot be disabled.
    pub fn set_enabled(&mut self, enabled: bool) -> Result<(), PluginError> {
        if !enabled && !self.kind.can_be_disabled {
            return Err(PluginError::Required(self.kind.name));
        }
        self.enabled = enabled;
        Ok(())
    }

    /// Replaces the security entries. With an empty list, only `RootSDDL` applies.
    ///
    /// # Errors
    /// [`PluginError`] if an entry is invalid for this plug-in.
    pub fn set_entries(&mut self, entries: Vec<SecurityEntry>) -> Result<(), PluginError> {
        if entries.len() > Self::MAX_ENTRIES {
            return Err(PluginError::TooMany(self.kind.name));
        }
        for (place, entry) in entries.iter().enumerate() {
            if !self.kind.covers(&entry.uri) {
                return Err(PluginError::ForeignUri { uri: excerpt(&entry.uri), plugin: self.kind.name });
            }
            let mut before = entries.iter().take(place);
            if before.any(|other| other.has_same_scope(entry)) {
                return Err(PluginError::Duplicate { uri: excerpt(&entry.uri) });
            }
        }
        self.security = Some(entries);
        Ok(())
    }

    /// Returns the configured security entries.
    pub(crate) fn configured_entries(&self) -> Option<&[SecurityEntry]> {
        self.security.as_deref()
    }

    /// Returns the security entries in force: the configured ones, else the defaults.
    #[must_use]
    pub fn security(&self, security_defaults: SecurityDefaults<'_>) -> Vec<SecurityEntry> {
        self.security.clone().unwrap_or_else(|| self.kind.default_entries(security_defaults))
    }
}

impl PluginKind {
    fn default_entries(&self, security_defaults: SecurityDefaults<'_>) -> Vec<SecurityEntry> {
        let descriptor = match self.default_access {
            DefaultAccess::Root => return Vec::new(),
            DefaultAccess::RemoteManagementUsers => security_defaults.root.with_remote_management_users(),
            DefaultAccess::RemoteWmiUsers => Descriptor::default_for_wmi(security_defaults.machine_sid),
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
    /// Maximum length of a URI in bytes.
    pub const MAX_URI: usize = 2_048;

    /// Parses an entry.
    ///
    /// # Errors
    /// [`PluginError::Descriptor`] if the security descriptor is invalid or has no DACL, and [`PluginError::Content`]
    /// for an invalid URI.
    pub fn parse(uri: &str, sddl: &str, exact_match: bool) -> Result<Self, PluginError> {
        let uri = uri.trim().trim_end_matches('/');
        let is_uri = uri.len() <= Self::MAX_URI && uri.bytes().all(|byte| byte.is_ascii_graphic());
        if uri.is_empty() || !is_uri {
            let reason = crate::value::malformed(uri, "the URI of a resource");
            return Err(PluginError::setting("Plugin/Security/Uri", reason));
        }
        let descriptor = Descriptor::parse(sddl)
            .map_err(|reason| PluginError::Descriptor { uri: excerpt(uri), reason })?;
        Ok(Self { uri: uri.to_owned(), exact_match, descriptor })
    }

    fn has_same_scope(&self, other: &Self) -> bool {
        self.exact_match == other.exact_match && self.uri.eq_ignore_ascii_case(&other.uri)
    }
}

impl Plugins {
    /// Returns the plug-in with a name, compared without case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Plugin> {
        self.0.iter().find(|plugin| plugin.kind.name.eq_ignore_ascii_case(name.trim()))
    }

    /// Returns the plug-in with a name for modification.
    ///
    /// # Errors
    /// [`PluginError::Unknown`] with the names of all plug-ins.
    pub fn find_mut(&mut self, name: &str) -> Result<&mut Plugin, PluginError> {
        let kind = PluginKind::find(name)?;
        let found = self.0.iter_mut().find(|plugin| plugin.kind == kind);
        found.ok_or_else(|| PluginError::Unknown(kind.name.to_owned()))
    }

    /// Returns the plug-in that serves a URI, if it is one of the configurable plug-ins.
    #[must_use]
    pub fn find_by_uri(&self, uri: &str) -> Option<&Plugin> {
        self.0.iter().find(|plugin| plugin.kind.covers(uri))
    }

    /// Returns all plug-ins.
    pub fn iter(&self) -> std::slice::Iter<'_, Plugin> {
        self.0.iter()
    }
}

impl Default for Plugins {
    fn default() -> Self {
        Self(KINDS.iter().map(Plugin::new).collect())
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

/// Returns whether a URI is `prefix` or below it.
fn is_at_or_below(uri: &str, prefix: &str) -> bool {
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
