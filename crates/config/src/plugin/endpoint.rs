//! PowerShell endpoints: named parts of the plug-in PowerShell, each with a switch, a security descriptor, and the account
//! that it runs as.
//!
//! An endpoint such as `PowerShell.7.4.6` follows the settings of `PowerShell.7.4` and `PowerShell.7` unless it has its
//! own, because all of them run the same program: a restricted `PowerShell.7` would otherwise leave its versions open.

use std::fmt;

use super::{Plugin, PluginError, Plugins, is_at_or_below};
use crate::Reason;
use crate::value::malformed;

/// Resource URI of PowerShell remoting. The URI of an endpoint continues it with a slash and the name.
pub(super) const POWERSHELL: &str = "http://schemas.microsoft.com/powershell";

/// Beginning of the names of endpoints for one version.
const VERSION_PREFIX: &str = "PowerShell.";

/// Name of a PowerShell endpoint, compared without case.
#[derive(Clone, Debug)]
pub struct EndpointName(String);

/// Settings of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Name of the endpoint.
    pub name: EndpointName,
    /// Whether the endpoint serves requests while its plug-in does.
    pub enabled: bool,
    /// Account that the endpoint runs as; `None` for the caller.
    pub run_as: Option<RunAsUser>,
}

/// Name of an account of this machine that an endpoint runs as, instead of its caller (`RunAsUser`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunAsUser(String);

impl RunAsUser {
    /// Maximum length in bytes.
    pub const MAX: usize = 255;

    /// Parses a name: printable ASCII characters without blanks, colons and slashes, and not a hyphen at the beginning.
    ///
    /// # Errors
    /// [`Reason`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let is_valid = (1..=Self::MAX).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|byte| is_name_byte(byte) && byte != b':');
        match is_valid {
            true => Ok(Self(text.to_owned())),
            false => Err(malformed(text, "the name of an account of this machine")),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunAsUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl EndpointName {
    /// Maximum length in bytes, that of a file name.
    pub const MAX: usize = 255;

    /// Parses a name: printable ASCII characters without blanks and slashes.
    ///
    /// # Errors
    /// [`Reason`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        match (1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_name_byte) {
            true => Ok(Self(text.to_owned())),
            false => {
                Err(malformed(text, "the name of an endpoint: at most 255 ASCII characters without blanks"))
            }
        }
    }

    /// Returns the name in the resource URI of an endpoint.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<Self> {
        if !is_at_or_below(uri, POWERSHELL) {
            return None;
        }
        Self::parse(uri.get(POWERSHELL.len()..)?.strip_prefix('/')?).ok()
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the resource URI.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{POWERSHELL}/{}", self.0)
    }

    /// Returns whether the settings of this endpoint are also those of another one without its own.
    fn covers(&self, other: &Self) -> bool {
        self == other || is_longer_version(&other.0, &self.0)
    }
}

impl PartialEq for EndpointName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EndpointName {}

impl fmt::Display for EndpointName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Plugin {
    /// Returns the endpoint whose switch disables the endpoint with this URI: itself, or one for a shorter version.
    #[must_use]
    pub fn disabled_endpoint(&self, uri: &str) -> Option<&EndpointName> {
        let settings = self.settings_of(&EndpointName::of_uri(uri)?)?;
        (!settings.enabled).then_some(&settings.name)
    }

    /// Returns whether an endpoint serves requests.
    #[must_use]
    pub fn is_endpoint_enabled(&self, name: &EndpointName) -> bool {
        self.enabled && self.settings_of(name).is_none_or(|settings| settings.enabled)
    }

    /// Returns the account that an endpoint runs as; `None` for the caller.
    #[must_use]
    pub fn run_as(&self, name: &EndpointName) -> Option<&RunAsUser> {
        self.settings_of(name)?.run_as.as_ref()
    }

    /// Replaces the settings of endpoints.
    ///
    /// # Errors
    /// [`PluginError`] if the plug-in has no endpoints, or the list is too long or names an endpoint twice.
    pub fn set_endpoints(&mut self, endpoints: Vec<EndpointSettings>) -> Result<(), PluginError> {
        if !self.kind.covers(POWERSHELL) {
            return Err(PluginError::NoEndpoints(self.kind.name));
        }
        if endpoints.len() > Self::MAX_ENTRIES {
            return Err(PluginError::TooManyEndpoints(self.kind.name));
        }
        for (place, endpoint) in endpoints.iter().enumerate() {
            if endpoints.iter().take(place).any(|other| other.name == endpoint.name) {
                return Err(PluginError::RepeatedEndpoint(endpoint.name.to_string()));
            }
        }
        self.endpoints = endpoints;
        Ok(())
    }

    /// Returns the configured settings of endpoints.
    #[must_use]
    pub fn endpoint_settings(&self) -> &[EndpointSettings] {
        &self.endpoints
    }

    /// Enables or disables one endpoint.
    pub(super) fn set_endpoint(&mut self, name: &EndpointName, enabled: bool) -> Result<(), PluginError> {
        if self.is_endpoint_enabled(name) == enabled {
            return Ok(());
        }
        if !self.enabled {
            let (endpoint, plugin) = (name.to_string(), self.kind.name);
            return Err(PluginError::DisabledPlugin { endpoint, plugin });
        }
        let own = EndpointSettings { name: name.clone(), enabled, run_as: self.run_as(name).cloned() };
        let mut endpoints = self.endpoints.clone();
        endpoints.retain(|endpoint| endpoint.name != *name);
        let is_inherited = match applicable(&endpoints, name) {
            Some(shorter) => shorter.enabled == enabled && shorter.run_as == own.run_as,
            None => enabled && own.run_as.is_none(),
        };
        if !is_inherited {
            endpoints.push(own);
        }
        self.set_endpoints(endpoints)
    }

    /// Returns the settings that apply to an endpoint: its own, else those of the longest shorter version.
    fn settings_of(&self, name: &EndpointName) -> Option<&EndpointSettings> {
        applicable(&self.endpoints, name)
    }
}

impl Plugins {
    /// Returns the account that the endpoint with a URI runs as; `None` for the caller, and for other resources.
    #[must_use]
    pub fn run_as(&self, uri: &str) -> Option<&RunAsUser> {
        self.find_by_uri(uri)?.run_as(&EndpointName::of_uri(uri)?)
    }

    /// Returns whether an endpoint runs as another account than its caller.
    #[must_use]
    pub fn has_run_as(&self) -> bool {
        self.iter().flat_map(Plugin::endpoint_settings).any(|endpoint| endpoint.run_as.is_some())
    }

    /// Returns whether every endpoint runs as the same account as with other settings.
    pub(crate) fn run_as_before(&self, before: &Self) -> bool {
        let all = self.iter().chain(before).flat_map(Plugin::endpoint_settings);
        // A name without settings follows one of these, in both.
        all.map(|endpoint| endpoint.name.uri()).all(|uri| self.run_as(&uri) == before.run_as(&uri))
    }
}

fn applicable<'e>(endpoints: &'e [EndpointSettings], name: &EndpointName) -> Option<&'e EndpointSettings> {
    let applicable = endpoints.iter().filter(|endpoint| endpoint.name.covers(name));
    applicable.max_by_key(|endpoint| endpoint.name.0.len())
}

/// Returns whether `uri` is the endpoint of a version of the endpoint `shorter`.
pub(super) fn is_version_of(uri: &str, shorter: &str) -> bool {
    match (EndpointName::of_uri(uri), EndpointName::of_uri(shorter)) {
        (Some(name), Some(shorter)) => is_longer_version(&name.0, &shorter.0),
        _ => false,
    }
}

/// Returns whether `name` is a version such as `PowerShell.7.4` that begins with the version `shorter`.
fn is_longer_version(name: &str, shorter: &str) -> bool {
    let (Some(name), Some(shorter)) = (version(name), version(shorter)) else { return false };
    name.strip_prefix(shorter).is_some_and(|rest| rest.starts_with('.'))
}

/// Returns the version in the name of an endpoint: numbers separated by dots.
fn version(name: &str) -> Option<&str> {
    let (prefix, version) = name.split_at_checked(VERSION_PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(VERSION_PREFIX) && version.split('.').all(is_number)).then_some(version)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EndpointName {
        EndpointName::parse(text).unwrap()
    }

    #[test]
    fn an_endpoint_is_one_segment_below_the_resource_of_powershell() {
        for (uri, expected) in [
            ("/PowerShell.7", Some("PowerShell.7")),
            ("/Backup", Some("Backup")),
            ("", None),
            ("/", None),
            ("//PowerShell.7", None),
            ("/PowerShell.7/", None),
            ("/Power Shell", None),
            ("x/PowerShell.7", None),
        ] {
            let found = EndpointName::of_uri(&format!("{POWERSHELL}{uri}"));
            assert_eq!(found.as_ref().map(EndpointName::as_str), expected, "{uri}");
        }
        assert!(EndpointName::parse(&"x".repeat(256)).is_err());
    }

    #[test]
    fn a_disabled_endpoint_disables_its_versions_unless_they_are_enabled() {
        let mut plugins = Plugins::default();
        let plugin = plugins.find_mut("PowerShell").unwrap();
        plugin.set_endpoint(&name("powershell.7"), false).unwrap();
        plugin.set_endpoint(&name("PowerShell.7.4"), true).unwrap();
        for (endpoint, is_enabled) in [
            ("PowerShell.7", false),
            ("PowerShell.7.5", false),
            ("PowerShell.7.4", true),
            ("PowerShell.7.4.6", true),
            ("Microsoft.PowerShell", true),
        ] {
            assert_eq!(plugin.is_endpoint_enabled(&name(endpoint)), is_enabled, "{endpoint}");
        }
        let uri = name("PowerShell.7.5.1").uri();
        assert_eq!(plugin.disabled_endpoint(&uri).map(EndpointName::as_str), Some("powershell.7"));
        // A switch that changes nothing is not kept.
        plugin.set_endpoint(&name("POWERSHELL.7"), true).unwrap();
        plugin.set_endpoint(&name("PowerShell.7.4"), false).unwrap();
        plugin.set_endpoint(&name("PowerShell.7.4"), true).unwrap();
        assert!(plugin.endpoint_settings().is_empty(), "{plugin:?}");
    }

    #[test]
    fn an_endpoint_that_is_disabled_and_enabled_again_runs_as_the_same_account() {
        let mut plugins = Plugins::default();
        let plugin = plugins.find_mut("PowerShell").unwrap();
        let run_as = Some(RunAsUser::parse("ops").unwrap());
        plugin
            .set_endpoints(vec![EndpointSettings { name: name("PowerShell.7"), enabled: true, run_as }])
            .unwrap();
        let before = plugins.clone();
        for (endpoint, enabled) in
            [("powershell.7", false), ("PowerShell.7.4", true), ("PowerShell.7.5", false)]
        {
            plugins.find_mut("PowerShell").unwrap().set_endpoint(&name(endpoint), enabled).unwrap();
        }
        for (endpoint, user) in [
            ("PowerShell.7", Some("ops")),
            ("powershell.7.4", Some("ops")),
            ("PowerShell.7.5.1", Some("ops")),
            ("PowerShell.70", None),
            ("Microsoft.PowerShell", None),
        ] {
            assert_eq!(plugins.run_as(&name(endpoint).uri()).map(RunAsUser::as_str), user, "{endpoint}");
        }
        assert!(plugins.run_as_before(&before) && before.run_as_before(&plugins));
        let settings = EndpointSettings { name: name("PowerShell.7.4"), enabled: true, run_as: None };
        let mut changed = plugins.find("PowerShell").unwrap().endpoint_settings().to_vec();
        changed.retain(|endpoint| endpoint.name != settings.name);
        changed.push(settings);
        plugins.find_mut("PowerShell").unwrap().set_endpoints(changed).unwrap();
        assert!(!plugins.run_as_before(&before) && !before.run_as_before(&plugins));
    }

    #[test]
    fn an_account_is_a_name_without_blanks_colons_and_slashes() {
        for (text, is_valid) in [
            ("ops", true),
            ("CORP\\ops", true),
            ("ops$", true),
            ("", false),
            ("-ops", false),
            ("o:ps", false),
            ("o/ps", false),
            ("o ps", false),
            ("op\u{e9}", false),
        ] {
            assert_eq!(RunAsUser::parse(text).is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn an_endpoint_of_a_disabled_plug_in_cannot_be_enabled() {
        let mut plugins = Plugins::default();
        let plugin = plugins.find_mut("PowerShell").unwrap();
        plugin.set_enabled(false).unwrap();
        assert!(!plugin.is_endpoint_enabled(&name("Backup")));
        let refused = plugin.set_endpoint(&name("Backup"), true).unwrap_err();
        assert!(refused.to_string().contains("enable the plug-in first"), "{refused}");
        let shell = plugins.find_mut("Shell").unwrap();
        assert_eq!(shell.set_endpoints(Vec::new()), Err(PluginError::NoEndpoints("Shell")));
    }
}
