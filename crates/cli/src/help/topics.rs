//! What help tells beside the operations.

use crate::switch::Group;

/// A topic of help.
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    other: Option<&'static str>,
    /// One line, lower case, no full stop.
    pub(crate) about: &'static str,
    /// The page, but for what the tables add.
    pub(crate) text: &'static str,
    /// The switches that are listed below it.
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

/// Every topic, in the order in which help lists them.
pub(crate) const TOPICS: &[Topic] = &[
    topic("uris", "how resources and their instances are named", include_str!("uris.txt"), &[]),
    Topic { other: Some("aliases"), ..topic("alias", "short forms of resource URIs", ALIAS, &[]) },
    topic("config", "the settings of service and client", include_str!("config.txt"), &[]),
    topic("certmapping", "client certificates for accounts", include_str!("certmapping.txt"), &[]),
    topic("remoting", "reaching another machine", include_str!("remoting.txt"), &[Group::Remote]),
    topic("auth", "proving who asks", include_str!("auth.txt"), &[Group::Login]),
    topic("proxy", "reaching it through a proxy", include_str!("proxy.txt"), &[Group::Proxy]),
    topic("input", "what set, create and invoke send", include_str!("input.txt"), &[Group::Input]),
    topic("filters", "which instances enumerate lists", include_str!("filters.txt"), &[Group::Filter]),
    topic("switches", "all other switches", SWITCHES, &[Group::Output, Group::QuickConfig, Group::Doctor]),
    topic("security", "who may do what", include_str!("security.txt"), &[]),
];

const ALIAS: &str = "An alias stands for the beginning of a resource URI.

    winrm get winrm/config

Only a whole first segment is replaced, in any case of letters.

";

const SWITCHES: &str = "A switch is -name or -name:value; / may stand for the dash.

    winrm get winrm/config -format:json

Switches come behind the words of an operation, each once. -? shows help.
";
