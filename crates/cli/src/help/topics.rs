//! Help topics.

use crate::switch::Group;

/// A help topic.
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    other: Option<&'static str>,
    /// One line, lower case, no full stop.
    pub(crate) about: &'static str,
    /// Text of the page, without the generated lists.
    pub(crate) text: &'static str,
    /// Groups of switches listed at the end of the page.
    pub(crate) groups: &'static [Group],
}

impl Topic {
    pub(crate) fn is_named(&self, word: &str) -> bool {
        self.name.eq_ignore_ascii_case(word)
            || self.other.is_some_and(|other| other.eq_ignore_ascii_case(word))
    }
}

const fn topic(
    name: &'static str,
    about: &'static str,
    text: &'static str,
    groups: &'static [Group],
) -> Topic {
    Topic { name, other: None, about, text, groups }
}

/// Every topic, in help order.
pub(crate) const TOPICS: &[Topic] = &[
    topic("uris", "resource URIs and selectors", include_str!("uris.txt"), &[]),
    Topic { other: Some("aliases"), ..topic("alias", "short forms of resource URIs", ALIAS, &[]) },
    topic("config", "configuration of service and client", include_str!("config.txt"), &[]),
    topic("certmapping", "client certificate authentication", include_str!("certmapping.txt"), &[]),
    topic("remoting", "local and remote endpoints", include_str!("remoting.txt"), &[Group::Remote]),
    topic("auth", "authentication schemes and credentials", include_str!("auth.txt"), &[Group::Login]),
    topic("proxy", "connecting through a proxy", include_str!("proxy.txt"), &[Group::Proxy]),
    topic("input", "input of set, create and invoke", include_str!("input.txt"), &[Group::Input]),
    topic("filters", "filters for enumerate", include_str!("filters.txt"), &[Group::Filter]),
    topic(
        "switches",
        "other switches and exit status",
        SWITCHES,
        &[Group::Output, Group::QuickConfig, Group::Doctor],
    ),
    topic("security", "access control and message protection", include_str!("security.txt"), &[]),
];

const ALIAS: &str = "Aliases for resource URIs.

    winrm get winrm/config

An alias replaces the whole first segment of a resource URI; case is ignored.

";

const SWITCHES: &str = "Switches: -NAME or -NAME:VALUE.

    winrm get winrm/config -format:json

/ may be used instead of -. Switches follow the arguments of an operation, and
";
