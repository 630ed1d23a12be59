//! Which security descriptor decides about a resource.

use std::fmt;
use std::sync::Arc;

use sddl::Guard;

use super::{Plugins, SecurityEntry, Surroundings, begins};
use crate::value::Descriptor;

/// Every security descriptor of a service, ready to be asked.
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

/// The descriptor that decides about a resource.
#[derive(Clone, Copy, Debug)]
pub struct Deciding<'a> {
    /// The descriptor.
    pub guard: &'a Arc<Guard>,
    /// Where it stands.
    pub decider: Decider<'a>,
}

/// Where a descriptor stands.
///
/// Prints as `RootSDDL`, or `Security of Shell for http://…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decider<'a> {
    /// In `Service/RootSDDL`.
    Root,
    /// In an entry of a plug-in.
    Plugin {
        /// The name of the plug-in.
        plugin: &'a str,
        /// The URI of the entry.
        uri: &'a str,
    },
}

impl Access {
    pub(crate) fn new(plugins: &Plugins, surroundings: Surroundings<'_>) -> Self {
        let rules = plugins.iter().flat_map(|plugin| {
            let name = plugin.kind().name;
            plugin.security(surroundings).into_iter().map(move |entry| Rule { plugin: name, entry })
        });
        Self { root: surroundings.root.clone(), rules: rules.collect() }
    }

    /// The descriptors that decide about a resource or anything below it.
    pub fn at_or_below(&self, uri: &str) -> impl Iterator<Item = &Arc<Guard>> {
        let below = self.rules.iter().filter(move |rule| begins(&rule.entry.uri, uri));
        std::iter::once(self.of(uri).guard).chain(below.map(|rule| rule.entry.descriptor.guard()))
    }

    /// The descriptor that decides about a resource: the entry for exactly this URI, else that of the longest
    /// beginning of it, else `RootSDDL` (MS-WSMV 3.1.4.1.28).
    #[must_use]
    pub fn of(&self, uri: &str) -> Deciding<'_> {
        // The same URI without the slash that some clients put behind it.
        let uri = uri.trim_end_matches('/');
        let fits = |rule: &&Rule| match rule.entry.exact_match {
            true => rule.entry.uri.eq_ignore_ascii_case(uri),
            false => begins(uri, &rule.entry.uri),
        };
        let best =
            self.rules.iter().filter(fits).max_by_key(|rule| (rule.entry.uri.len(), rule.entry.exact_match));
        match best {
            Some(rule) => Deciding {
                guard: rule.entry.descriptor.guard(),
                decider: Decider::Plugin { plugin: rule.plugin, uri: &rule.entry.uri },
            },
            None => Deciding { guard: self.root.guard(), decider: Decider::Root },
        }
    }
}

impl fmt::Display for Decider<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("RootSDDL"),
            Self::Plugin { plugin, uri } => write!(formatter, "Security of {plugin} for {uri}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sddl::DomainSid;

    use super::*;

    const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi";

    fn access(plugins: &Plugins) -> Access {
        let root = Descriptor::default();
        Access::new(plugins, Surroundings { root: &root, machine: Some(DomainSid::new([1, 2, 3])) })
    }

    #[test]
    fn an_exact_entry_comes_before_a_beginning_and_the_longest_beginning_before_shorter_ones() {
        let mut plugins = Plugins::default();
        let entries = [
            (WMI.to_owned(), false, "D:(A;;GA;;;BA)"),
            (format!("{WMI}/root"), false, "D:(A;;GA;;;BU)"),
            (format!("{WMI}/ROOT/cimv2"), false, "D:(A;;GA;;;ER)"),
            (format!("{WMI}/root/cimv2"), true, "D:(A;;GA;;;RM)"),
        ];
        let entries = entries.map(|(uri, exact, sddl)| SecurityEntry::parse(&uri, sddl, exact).unwrap());
        plugins.find_mut("wmi provider").unwrap().secure(entries.to_vec()).unwrap();
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
    fn where_nothing_is_set_each_plug_in_has_its_usual_entries() {
        let access = access(&Plugins::default());
        let shell = access.of(&format!("{SHELL}/cmd"));
        assert!(shell.guard.to_string().contains("(A;;GR;;;IU)(A;;GA;;;RM)S:P"), "{}", shell.guard);
        assert_eq!(shell.decider.to_string(), format!("Security of Shell for {SHELL}"));
        for uri in [WMI, "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_Process"] {
            let wmi = access.of(uri).guard.to_string();
            assert!(wmi.starts_with("O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;S-1-5-21-1-2-3-1000)S:P"), "{wmi}");
        }
        assert_eq!(access.of("http://schemas.microsoft.com/wbem/wsman/1/config").decider, Decider::Root);
    }

    #[test]
    fn without_entries_of_its_own_rootsddl_decides_about_a_plug_in() {
        let mut plugins = Plugins::default();
        plugins.find_mut("Shell").unwrap().secure(Vec::new()).unwrap();
        assert_eq!(access(&plugins).of(SHELL).decider, Decider::Root);
    }
}
