//! Help pages, generated from the tables that the parsers use.

mod topics;

use crate::explain::Explanation;
use crate::failure::Kind;
use crate::locator::ALIASES;
use crate::switch::{Group, Scope, Switch};
use crate::winrm::operations::{Entry, OPERATIONS};
use crate::winrm::switches;
use crate::winrs;

pub(crate) use topics::TOPICS;
use topics::Topic;

/// A page of `winrm` help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Purpose, usage, operations and topics.
    General,
    /// A page about one operation, by its long name.
    Operation(&'static str),
    /// A page about one topic, by its name.
    Topic(&'static str),
    /// Every page.
    All,
}

impl Page {
    /// Returns the page for a topic or operation, or the general page if it is unknown or missing.
    #[must_use]
    pub fn find(word: Option<&str>) -> Self {
        let Some(word) = word else { return Self::General };
        if word.eq_ignore_ascii_case("all") {
            return Self::All;
        }
        if let Some(operation) = OPERATIONS.iter().find(|operation| operation.is_named(word)) {
            return Self::Operation(operation.name);
        }
        TOPICS
            .iter()
            .find(|topic| topic.is_named(word))
            .map_or(Self::General, |topic| Self::Topic(topic.name))
    }

    /// Returns the text of the page.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Operation(name) => OPERATIONS
                .iter()
                .find(|operation| operation.name == name)
                .map_or_else(general, about_operation),
            Self::Topic(name) => {
                TOPICS.iter().find(|topic| topic.name == name).map_or_else(general, about_topic)
            }
            Self::General => general(),
            Self::All => all(),
        }
    }
}

/// Returns the help page of `winrs`.
#[must_use]
pub fn winrs() -> String {
    let mut page = format!(
        "winrs - run a command on a local or remote machine\n\n    {}\n\nUsage: {}\n\n{}",
        winrs::EXAMPLE,
        winrs::USAGE,
        winrs::ABOUT,
    );
    page.push_str("\nSwitches (case-insensitive, introduced by - or /):\n\n");
    page.push_str(&switch_list(winrs::switches::SWITCHES, Scope::ALL));
    page.push_str("\nExit status: the exit code of the command. ");
    page.push_str(winrs::EXIT_STATUS);
    page
}

/// Returns the explanation of an error code, or the help page of `helpmsg` if the code is unknown.
#[must_use]
pub fn message(text: &str) -> String {
    let known = Explanation::of(text).ok().filter(Explanation::is_known);
    known.map_or_else(|| Page::Operation("helpmsg").text(), |known| known.text())
}

/// Returns the output of `--version`.
#[must_use]
pub fn version(program: &str) -> String {
    format!("{program} (Telarch) {}\n", env!("CARGO_PKG_VERSION"))
}

fn general() -> String {
    let mut page = "winrm - manage local and remote machines over WS-Management\n\n    \
        winrm identify -remote:server7\n\n\
        Usage: winrm OPERATION [ACTION] [RESOURCE_URI] ['@{KEY=\"VALUE\";...}'] [-SWITCH[:VALUE] ...]\n\n\
        Operations:\n\n"
        .to_owned();
    for operation in OPERATIONS {
        let names = std::iter::once(&operation.name).chain(operation.short);
        let names = names.copied().collect::<Vec<_>>().join(", ");
        page.push_str(&format!("  {names:<22}{}\n", operation.about));
    }
    page.push_str("\nRun winrm help OPERATION for details about an operation. Help topics:\n\n");
    for topic in TOPICS {
        page.push_str(&format!("  {:<22}{}\n", topic.name, topic.about));
    }
    page.push_str("\nOperations, switches and keywords are case-insensitive.\n");
    page
}

fn about_operation(operation: &Entry) -> String {
    let mut page = format!(
        "winrm {} - {}\n\n    {}\n\nUsage: {}\n",
        operation.name,
        operation.about,
        operation.example,
        operation.usage()
    );
    if !operation.short.is_empty() {
        page.push_str(&format!("Short: {}\n", operation.short.join(", ")));
    }
    if !operation.details.is_empty() {
        page.push_str(&format!("\n{}", operation.details));
    }
    let list = switch_list(switches::SWITCHES, operation.verb.scope());
    if !list.is_empty() {
        page.push_str(&format!("\nSwitches:\n\n{list}"));
    }
    page
}

fn about_topic(topic: &Topic) -> String {
    let mut page = topic.text.to_owned();
    if topic.name == "alias" {
        for alias in ALIASES {
            page.push_str(&format!("  {:<10}{}\n", alias.name, alias.uri));
        }
    }
    let list: Vec<String> = topic.groups.iter().map(|group| group_list(*group)).collect();
    let list = list.concat();
    if !list.is_empty() {
        page.push_str(&format!("\nSwitches:\n\n{list}"));
    }
    if topic.name == "switches" {
        page.push_str(&format!("\nExit status, with -exitcode:detailed:\n\n{}", exit_status_list()));
    }
    page
}

fn all() -> String {
    let dashes = "-".repeat(79);
    let mut page = general();
    let operations = OPERATIONS.iter().map(|operation| Page::Operation(operation.name));
    let topics = TOPICS.iter().map(|topic| Page::Topic(topic.name));
    for each in operations.chain(topics) {
        let (Page::Operation(name) | Page::Topic(name)) = each else { continue };
        page.push_str(&format!("\n{dashes}\nTOPIC: {name}\n\n{}", each.text()));
    }
    page
}

pub(crate) fn exit_status_list() -> String {
    let rows = Kind::ALL.iter().map(|(_, status, about)| format!("  {status}   {about}\n"));
    format!("  0   success\n{}", rows.collect::<String>())
}

fn switch_list<D>(table: &[Switch<D>], scope: Scope) -> String {
    table.iter().filter(|switch| switch.scope.contains(scope)).map(describe).collect()
}

fn group_list(group: Group) -> String {
    switches::SWITCHES.iter().filter(|switch| switch.group == group).map(describe).collect()
}

fn describe<D>(switch: &Switch<D>) -> String {
    let short: Vec<String> = switch.short.iter().map(|name| format!("-{name}")).collect();
    let short = if short.is_empty() { String::new() } else { format!("  ({})", short.join(", ")) };
    format!("  {}{short}\n      {}\n", switch.usage(), switch.about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_title_and_an_example_and_fits_100_columns() {
        let operations = OPERATIONS.iter().map(|operation| Page::Operation(operation.name));
        let topics = TOPICS.iter().map(|topic| Page::Topic(topic.name));
        for page in operations.chain(topics).chain([Page::General]) {
            let text = page.text();
            let mut lines = text.lines();
            assert!(lines.next().is_some_and(|line| !line.is_empty()), "{page:?} has no title line");
            assert_eq!(lines.next(), Some(""), "{page:?}: no blank line after the title");
            assert!(text.contains("\n    winrm "), "{page:?} has no example");
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{page:?}: {line}");
            }
        }
    }

    #[test]
    fn every_switch_is_listed_under_a_topic() {
        for switch in switches::SWITCHES {
            let listed = TOPICS.iter().any(|topic| topic.groups.contains(&switch.group));
            assert!(listed, "-{} is not listed under any topic", switch.name);
        }
    }
}
