//! Plug-ins in messages (MS-WSMV section 2.2.4; elements as in `winrm get winrm/config/plugin`).

use super::{Plugin, PluginError, PluginResource, SecurityDefaults, SecurityEntry, is_at_or_below};
use crate::value::{Value as _, excerpt};
use crate::{PutError, Reason};

/// Resource URI of plug-ins.
pub const PLUGIN_RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/plugin";

/// Namespace of `PlugInConfiguration`.
pub const PLUGIN_NAMESPACE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";

pub(super) const ROOT: &str = "PlugInConfiguration";

impl Plugin {
    /// Writes `PlugInConfiguration`.
    pub fn write(&self, security_defaults: SecurityDefaults<'_>, writer: &mut xml::Writer) {
        writer.start(ROOT).namespace("", PLUGIN_NAMESPACE);
        for (name, value) in fixed_attributes(self.kind().name, self.kind().filename, "") {
            writer.attribute(name, value);
        }
        writer.attribute("Enabled", &self.is_enabled().show()).attribute("xml:lang", "en-US");
        writer.start("Resources");
        let entries = self.security(security_defaults);
        for resource in self.kind().resources {
            writer.start("Resource");
            writer.attribute("ResourceUri", resource.uri);
            writer.attribute("SupportsOptions", "true").attribute("ExactMatch", "false");
            let own = entries.iter().filter(|entry| is_at_or_below(&entry.uri, resource.uri));
            write_resource(writer, own, resource.capabilities);
            writer.end();
        }
        writer.end().end();
    }

    /// Returns the plug-in with the values of a Put message. What is missing from the message stays as it is. If the
    /// message contains a resource, its security entries replace those of the plug-in.
    ///
    /// # Errors
    /// [`PluginError`] if the message is invalid.
    pub fn put(
        &self,
        element: xml::Element<'_>,
        security_defaults: SecurityDefaults<'_>,
    ) -> Result<Self, PluginError> {
        let fixed = fixed_attributes(self.kind().name, self.kind().filename, "");
        let mut changed = self.clone();
        if let Some(enabled) = self.read_attributes(element, &fixed)?
            && enabled != self.enabled
        {
            changed.set_enabled(enabled)?;
        }
        let before = self.security(security_defaults);
        let mut entries = before.clone();
        for child in element.children() {
            match child.name() {
                "Resources" => self.resources(child, &mut entries)?,
                // Configurations copied from Windows contain quotas; in this service, the settings of Winrs limit
                // shells.
                "Quotas" => return Err(self.read_only("Quotas")),
                "InitializationParameters" if child.children().next().is_none() => {}
                "InitializationParameters" => return Err(self.read_only("InitializationParameters")),
                name => return Err(unknown(&format!("Plugin/{}", excerpt(name)))),
            }
        }
        // Clients put back everything they read: unchanged defaults remain defaults.
        if entries != before {
            changed.set_entries(entries)?;
        }
        Ok(changed)
    }

    fn resources(
        &self,
        element: xml::Element<'_>,
        entries: &mut Vec<SecurityEntry>,
    ) -> Result<(), PluginError> {
        let mut seen: Vec<&PluginResource> = Vec::new();
        for child in element.children() {
            let uri = child.attribute("", "ResourceUri").unwrap_or_default();
            let own = self.kind().resources.iter().find(|own| own.uri.eq_ignore_ascii_case(uri.trim()));
            let Some(own) = own.filter(|_| child.name() == "Resource") else {
                return Err(self.read_only(&format!("the list of resources ({})", excerpt(&uri))));
            };
            if seen.contains(&own) {
                return Err(PluginError::setting("Plugin/Resource", Reason::Repeated));
            }
            seen.push(own);
            let put = self.read_resource(child, own.capabilities)?;
            if let Some(foreign) = put.iter().find(|entry| !is_at_or_below(&entry.uri, own.uri)) {
                let uri = excerpt(&foreign.uri);
                return Err(PluginError::ForeignUri { uri, plugin: self.kind().name });
            }
            let place = entries.iter().position(|entry| is_at_or_below(&entry.uri, own.uri));
            let place = place.unwrap_or(entries.len());
            entries.retain(|entry| !is_at_or_below(&entry.uri, own.uri));
            entries.splice(place..place, put);
        }
        Ok(())
    }

    /// Reads the attributes of a Put message, of which only `Enabled` may differ from the `fixed` ones. Returns its
    /// value, if the message contains it.
    pub(super) fn read_attributes(
        &self,
        element: xml::Element<'_>,
        fixed: &[(&'static str, &str)],
    ) -> Result<Option<bool>, PluginError> {
        if !element.name().eq_ignore_ascii_case(ROOT) {
            let found = excerpt(element.name());
            return Err(PluginError::Content(PutError::Root { expected: ROOT, found }));
        }
        let mut enabled = None;
        for attribute in element.attributes().filter(|attribute| attribute.namespace().is_empty()) {
            let (name, value) = (attribute.name(), attribute.value());
            if name == "Enabled" {
                enabled = Some(switch("Plugin/Enabled", &value)?);
                continue;
            }
            match fixed.iter().find(|(own, _)| *own == name) {
                // Names are compared without case, as selectors are.
                Some((_, own)) if own.eq_ignore_ascii_case(value.trim()) => {}
                Some(_) if name.starts_with("RunAs") => {
                    return Err(PluginError::RunAs { plugin: self.kind().name, what: name.to_owned() });
                }
                Some(_) => return Err(self.read_only(name)),
                None => return Err(unknown(&format!("Plugin/{}", excerpt(name)))),
            }
        }
        Ok(enabled)
    }

    /// Reads the security entries and checks the capabilities of a `Resource`.
    pub(super) fn read_resource(
        &self,
        element: xml::Element<'_>,
        capabilities: &[&str],
    ) -> Result<Vec<SecurityEntry>, PluginError> {
        let mut entries = Vec::new();
        for child in element.children() {
            match child.name() {
                "Security" if entries.len() >= Self::MAX_ENTRIES => {
                    return Err(PluginError::TooMany(self.kind().name));
                }
                "Security" => entries.push(security(child)?),
                "Capability" => {
                    let kind = child.attribute("", "Type").unwrap_or_default();
                    if !capabilities.contains(&kind.as_ref()) {
                        return Err(self.read_only(&format!("the capability {}", excerpt(&kind))));
                    }
                }
                name => return Err(unknown(&format!("Plugin/Resource/{}", excerpt(name)))),
            }
        }
        Ok(entries)
    }

    pub(super) fn read_only(&self, what: &str) -> PluginError {
        PluginError::ReadOnly { plugin: self.kind().name, what: what.to_owned() }
    }
}

/// Returns the attributes that cannot be changed. `run_as` is the account that an endpoint runs as, or empty.
pub(super) fn fixed_attributes<'n>(
    name: &'n str,
    filename: &'n str,
    run_as: &'n str,
) -> [(&'static str, &'n str); 10] {
    [
        ("Name", name),
        ("Filename", filename),
        ("SDKVersion", "2"),
        ("XmlRenderingType", "text"),
        ("UseSharedProcess", "false"),
        ("AutoRestart", "false"),
        ("ProcessIdleTimeoutSec", "0"),
        ("RunAsUser", run_as),
        ("RunAsPassword", ""),
        ("OutputBufferingMode", "Block"),
    ]
}

/// Writes the content of a `Resource`.
pub(super) fn write_resource<'e>(
    writer: &mut xml::Writer,
    entries: impl IntoIterator<Item = &'e SecurityEntry>,
    capabilities: &[&str],
) {
    for entry in entries {
        writer.start("Security").attribute("Uri", &entry.uri);
        writer.attribute("Sddl", entry.descriptor.as_str());
        writer.attribute("ExactMatch", &entry.exact_match.show()).end_empty();
    }
    for capability in capabilities {
        writer.start("Capability").attribute("Type", capability).end_empty();
    }
}

fn security(element: xml::Element<'_>) -> Result<SecurityEntry, PluginError> {
    for known in element.attributes().filter(|attribute| attribute.namespace().is_empty()) {
        if !["Uri", "Sddl", "ExactMatch"].contains(&known.name()) {
            return Err(unknown(&format!("Plugin/Security/{}", excerpt(known.name()))));
        }
    }
    let exact_match = match element.attribute("", "ExactMatch") {
        Some(text) => switch("Plugin/Security/ExactMatch", &text)?,
        None => false,
    };
    let uri = element.attribute("", "Uri").unwrap_or_default();
    let sddl = element.attribute("", "Sddl").unwrap_or_default();
    SecurityEntry::parse(&uri, &sddl, exact_match)
}

fn switch(path: &str, text: &str) -> Result<bool, PluginError> {
    bool::parse(text).map_err(|reason| PluginError::setting(path, reason))
}

pub(super) fn unknown(path: &str) -> PluginError {
    PluginError::setting(path, Reason::Unknown { nearest: None })
}
