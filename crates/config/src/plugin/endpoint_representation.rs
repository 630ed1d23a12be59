//! PowerShell endpoints in messages, as instances of `winrm/config/plugin` like those of Windows.

use std::borrow::Cow;

use super::representation::{PLUGIN_NAMESPACE, ROOT, fixed_attributes, unknown, write_resource};
use super::{
    EndpointName, Plugin, PluginError, RunAsUser, SecurityDefaults, SecurityEntry, access, is_at_or_below,
};
use crate::value::{Value as _, excerpt};
use crate::{Reason, Winrs};

impl Plugin {
    /// Writes `PlugInConfiguration` of an endpoint. The quotas are those of all shells.
    pub fn write_endpoint(
        &self,
        name: &EndpointName,
        security_defaults: SecurityDefaults<'_>,
        winrs: &Winrs,
        writer: &mut xml::Writer,
    ) {
        writer.start(ROOT).namespace("", PLUGIN_NAMESPACE);
        for (attribute, value) in self.fixed_attributes_of(name) {
            writer.attribute(attribute, value);
        }
        writer.attribute("Enabled", &self.is_endpoint_enabled(name).show());
        writer.attribute("xml:lang", "en-US").start("Resources").start("Resource");
        writer.attribute("ResourceUri", &name.uri());
        writer.attribute("SupportsOptions", "true").attribute("ExactMatch", "true");
        write_resource(writer, &self.endpoint_security(name, security_defaults), CAPABILITIES);
        writer.end().end().start("Quotas");
        for (quota, value) in quotas(winrs) {
            writer.attribute(quota, &value);
        }
        writer.end_empty().end();
    }

    /// Returns the plug-in with the values of a Put message for one of its endpoints. Values that are missing from the
    /// message are unchanged.
    ///
    /// # Errors
    /// [`PluginError`] if the message is invalid.
    pub fn put_endpoint(
        &self,
        name: &EndpointName,
        element: xml::Element<'_>,
        security_defaults: SecurityDefaults<'_>,
        winrs: &Winrs,
    ) -> Result<Self, PluginError> {
        let mut changed = self.clone();
        if let Some(enabled) = self.read_attributes(element, &self.fixed_attributes_of(name))? {
            changed.set_endpoint(name, enabled)?;
        }
        let mut has_resource = false;
        for child in element.children() {
            match child.name() {
                "Resources" => {
                    for resource in child.children() {
                        if std::mem::replace(&mut has_resource, true) {
                            return Err(PluginError::setting("Plugin/Resource", Reason::Repeated));
                        }
                        changed.put_endpoint_resource(name, resource, security_defaults)?;
                    }
                }
                "Quotas" => self.require_quotas(child, winrs)?,
                "InitializationParameters" if child.children().next().is_none() => {}
                "InitializationParameters" => return Err(self.read_only("InitializationParameters")),
                other => return Err(unknown(&format!("Plugin/{}", excerpt(other)))),
            }
        }
        Ok(changed)
    }

    fn fixed_attributes_of<'n>(&'n self, name: &'n EndpointName) -> [(&'static str, &'n str); 10] {
        let run_as = self.run_as(name).map_or("", RunAsUser::as_str);
        fixed_attributes(name.as_str(), self.kind().filename, run_as)
    }

    fn put_endpoint_resource(
        &mut self,
        name: &EndpointName,
        element: xml::Element<'_>,
        security_defaults: SecurityDefaults<'_>,
    ) -> Result<(), PluginError> {
        let uri = name.uri();
        let given = element.attribute("", "ResourceUri").unwrap_or_default();
        if element.name() != "Resource" || !given.trim().eq_ignore_ascii_case(&uri) {
            return Err(self.read_only(&format!("the list of resources ({})", excerpt(&given))));
        }
        let put = self.read_resource(element, CAPABILITIES)?;
        if let Some(foreign) = put.iter().find(|entry| !is_at_or_below(&entry.uri, &uri)) {
            return Err(PluginError::ForeignUri { uri: excerpt(&foreign.uri), plugin: self.kind().name });
        }
        // Clients put back everything they read: an inherited descriptor remains inherited.
        if put == self.endpoint_security(name, security_defaults) {
            return Ok(());
        }
        let mut entries = self.security(security_defaults);
        entries.retain(|entry| !is_at_or_below(&entry.uri, &uri));
        entries.extend(put);
        self.set_entries(entries)
    }

    /// Returns the security entries of an endpoint: its own, or one with the descriptor that applies to it.
    fn endpoint_security(
        &self,
        name: &EndpointName,
        security_defaults: SecurityDefaults<'_>,
    ) -> Vec<SecurityEntry> {
        let (uri, entries) = (name.uri(), self.security(security_defaults));
        let own: Vec<_> = entries.iter().filter(|entry| is_at_or_below(&entry.uri, &uri)).cloned().collect();
        if !own.is_empty() {
            return own;
        }
        let descriptor = access::effective(&entries, security_defaults.root, &uri).clone();
        vec![SecurityEntry { uri, exact_match: false, descriptor }]
    }

    /// Rejects quotas that differ from those in force.
    fn require_quotas(&self, element: xml::Element<'_>, winrs: &Winrs) -> Result<(), PluginError> {
        let own = quotas(winrs);
        for attribute in element.attributes().filter(|attribute| attribute.namespace().is_empty()) {
            let value = attribute.value();
            if !own.iter().any(|(name, own)| *name == attribute.name() && own == value.trim()) {
                let name = excerpt(attribute.name());
                return Err(self.read_only(&format!(
                    "the quota {name} (the settings of winrm/config/winrs limit shells)"
                )));
            }
        }
        Ok(())
    }
}

/// Returns the quotas that apply to the shells of an endpoint, with the names of Windows.
fn quotas(winrs: &Winrs) -> [(&'static str, Cow<'_, str>); 5] {
    [
        ("IdleTimeoutms", winrs.idle_timeout.show()),
        ("MaxConcurrentUsers", winrs.max_concurrent_users.show()),
        ("MaxProcessesPerShell", winrs.max_processes_per_shell.show()),
        ("MaxMemoryPerShellMB", winrs.max_memory_per_shell_mb.show()),
        ("MaxShellsPerUser", winrs.max_shells_per_user.show()),
    ]
}

/// Operations of an endpoint, as named by MS-WSMV.
const CAPABILITIES: &[&str] = &["Shell"];
