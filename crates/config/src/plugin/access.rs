//! Lookup of the security descriptor of a resource.

use std::fmt;
use std::sync::Arc;

use sddl::Guard;

use super::{Plugins, SecurityDefaults, SecurityEntry, endpoint, is_at_or_below};
use crate::value::Descriptor;

/// All security descriptors of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    root: Descriptor,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    plugin: &'static str,
    entry: SecurityEntry,
}

/// Security descriptor that applies to a resource.
#[derive(Clone, Copy, Debug)]
pub struct EffectiveDescriptor<'a> {
    /// Security descriptor.
    pub guard: &'a Arc<Guard>,
    /// Setting that contains it.
    pub origin: DescriptorOrigin<'a>,
}

/// Setting that contains a security descriptor.
///
/// Prints as `RootSDDL`, or `Security of Shell for http://…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorOrigin<'a> {
    /// `Service/RootSDDL`.
    Root,
    /// Security entry of a plug-in.
    Plugin {
        /// Name of the plug-in.
        plugin: &'a str,
        /// URI of the entry.
        uri: &'a str,
    },
}

impl Access {
    pub(crate) fn new(plugins: &Plugins, security_defaults: SecurityDefaults<'_>) -> Self {
        let rules = plugins.iter().flat_map(|plugin| {
            let name = plugin.kind().name;
            plugin.security(security_defaults).into_iter().map(move |entry| Rule { plugin: name, entry })
        });
        Self { root: security_defaults.root.clone(), rules: rules.collect() }
    }

    /// Returns the security descriptors that apply to a resource or to any resource below it.
    pub fn at_or_below(&self, uri: &str) -> impl Iterator<Item = &Arc<Guard>> {
        let below = self.rules.iter().filter(move |rule| is_at_or_below(&rule.entry.uri, uri));
        std::iter::once(self.of(uri).guard).chain(below.map(|rule| rule.entry.descriptor.guard()))
    }

    /// Returns the security descriptor that applies to a resource: the entry for exactly this URI, else the entry for
    /// the longest prefix of it, else `RootSDDL` (MS-WSMV section 3.1.4.1.28).
    #[must_use]
    pub fn of(&self, uri: &str) -> EffectiveDescriptor<'_> {
        // Some clients append a slash to the URI.
        let uri = uri.trim_end_matches('/');
        let rules = self.rules.iter().filter(|rule| rule.entry.applies_to(uri));
        let best = rules.max_by_key(|rule| rule.entry.specificity());
        match best {
            Some(rule) => EffectiveDescriptor {
                guard: rule.entry.descriptor.guard(),
                origin: DescriptorOrigin::Plugin { plugin: rule.plugin, uri: &rule.entry.uri },
            },
            None => EffectiveDescriptor { guard: self.root.guard(), origin: DescriptorOrigin::Root },
        }
    }
}

impl SecurityEntry {
    /// Returns whether the entry concerns a URI. One for an endpoint such as `PowerShell.7` also concerns the endpoints
    /// of its versions.
    fn applies_to(&self, uri: &str) -> bool {
        match self.exact_match {
            true => self.uri.eq_ignore_ascii_case(uri),
            false => is_at_or_below(uri, &self.uri) || endpoint::is_version_of(uri, &self.uri),
        }
    }

    /// Order of the entries that apply to the same URI: the most specific one is the greatest.
    fn specificity(&self) -> (usize, bool) {
        (self.uri.len(), self.exact_match)
    }
}

/// Returns the security descriptor that applies to a URI by these entries.
pub(super) fn effective<'e>(entries: &'e [SecurityEntry], root: &'e Descriptor, uri: &str) -> &'e Descriptor {
    let applicable = entries.iter().filter(|entry| entry.applies_to(uri));
    applicable.max_by_key(|entry| entry.specificity()).map_or(root, |entry| &entry.descriptor)
}

impl fmt::Display for DescriptorOrigin<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("RootSDDL"),
            Self::Plugin { plugin, uri } => write!(formatter, "Security of {plugin} for {uri}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use sddl::DomainSid;

    use super::*;

    const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi";

    fn access(plugins: &Plugins) -> Access {
        let root = Descriptor::default();
        Access::new(plugins, SecurityDefaults { root: &root, machine_sid: Some(DomainSid::new([1, 2, 3])) })
    }

    #[test]
    fn an_exact_entry_precedes_prefixes_and_the_longest_prefix_others() {
        let mut plugins = Plugins::default();
        let entries = [
            (WMI.to_owned(), false, "D:(A;;GA;;;BA)"),
            (format!("{WMI}/root"), false, "D:(A;;GA;;;BU)"),
            (format!("{WMI}/ROOT/cimv2"), false, "D:(A;;GA;;;ER)"),
            (format!("{WMI}/root/cimv2"), true, "D:(A;;GA;;;RM)"),
        ];
        let entries = entries.map(|(uri, exact, sddl)| SecurityEntry::parse(&uri, sddl, exact).unwrap());
        plugins.find_mut("wmi provider").unwrap().set_entries(entries.to_vec()).unwrap();
        let access = access(&plugins);
        for (uri, decided) in [
            (WMI.to_owned(), "D:(A;;GA;;;BA)"),
            (format!("{WMI}/other"), "D:(A;;GA;;;BA)"),
            (format!("{WMI}/rootless"), "D:(A;;GA;;;BA)"),
            (format!("{WMI}/root/default/x"), "D:(A;;GA;;;BU)"),
            (format!("{WMI}/root/CIMV2/Win32_Service"), "D:(A;;GA;;;ER)"),
            (format!("{WMI}/Root/cimv2"), "D:(A;;GA;;;RM)"),
            (format!("{WMI}/Root/cimv2/"), "D:(A;;GA;;;RM)"),
            (format!("{WMI}x"), sddl::ROOT_SDDL),
            ("http://telarch.test/other".to_owned(), sddl::ROOT_SDDL),
        ] {
            assert_eq!(access.of(&uri).guard.to_string(), decided, "{uri}");
        }
    }

    #[test]
    fn an_entry_for_an_endpoint_also_concerns_its_versions() {
        let endpoint = |name: &str| format!("{}/{name}", endpoint::POWERSHELL);
        let mut plugins = Plugins::default();
        let entries = [
            ("PowerShell.7", false, "D:(A;;GA;;;BA)"),
            ("powershell.7.4", false, "D:(A;;GA;;;BU)"),
            ("PowerShell.7.5", true, "D:(A;;GA;;;ER)"),
        ];
        let entries =
            entries.map(|(name, exact, sddl)| SecurityEntry::parse(&endpoint(name), sddl, exact).unwrap());
        plugins.find_mut("PowerShell").unwrap().set_entries(entries.to_vec()).unwrap();
        let access = access(&plugins);
        for (name, decided) in [
            ("PowerShell.7", "D:(A;;GA;;;BA)"),
            ("PowerShell.7.2", "D:(A;;GA;;;BA)"),
            ("POWERSHELL.7.2.9", "D:(A;;GA;;;BA)"),
            ("PowerShell.7.4", "D:(A;;GA;;;BU)"),
            ("PowerShell.7.4.6", "D:(A;;GA;;;BU)"),
            ("PowerShell.7.40", "D:(A;;GA;;;BA)"),
            ("PowerShell.7.5", "D:(A;;GA;;;ER)"),
            ("PowerShell.7.5.1", "D:(A;;GA;;;BA)"),
            ("PowerShell.70", sddl::ROOT_SDDL),
            ("PowerShell.7-preview", sddl::ROOT_SDDL),
            ("PowerShell.7.x", sddl::ROOT_SDDL),
            ("Microsoft.PowerShell", sddl::ROOT_SDDL),
        ] {
            assert_eq!(access.of(&endpoint(name)).guard.to_string(), decided, "{name}");
        }
    }

    #[test]
    fn without_settings_each_plug_in_has_its_default_entries() {
        let access = access(&Plugins::default());
        let shell = access.of(&format!("{SHELL}/cmd"));
        assert!(shell.guard.to_string().contains("(A;;GR;;;IU)(A;;GA;;;RM)S:P"), "{}", shell.guard);
        assert_eq!(shell.origin.to_string(), format!("Security of Shell for {SHELL}"));
        for uri in [WMI, "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_Process"] {
            let wmi = access.of(uri).guard.to_string();
            assert!(wmi.starts_with("O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;S-1-5-21-1-2-3-1000)S:P"), "{wmi}");
        }
        assert_eq!(
            access.of("http://schemas.microsoft.com/wbem/wsman/1/config").origin,
            DescriptorOrigin::Root
        );
    }

    #[test]
    fn without_entries_rootsddl_applies_to_a_plug_in() {
        let mut plugins = Plugins::default();
        plugins.find_mut("Shell").unwrap().set_entries(Vec::new()).unwrap();
        assert_eq!(access(&plugins).of(SHELL).origin, DescriptorOrigin::Root);
    }
}
