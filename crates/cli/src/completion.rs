//! Completion for bash, made from the tables that the parsers read.

use crate::help::TOPICS;
use crate::locator::ALIASES;
use crate::switch::{Scope, Switch, Value};
use crate::winrm::operations::{OPERATIONS, Verb};
use crate::winrm::switches;
use crate::winrs;

/// A script for bash that completes `winrm` and `winrs`.
#[must_use]
pub fn bash() -> String {
    let operations: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    let topics = TOPICS.iter().map(|topic| topic.name).chain(operations.iter().copied()).chain(["all"]);
    let resources: Vec<String> = ALIASES.iter().map(|alias| format!("{}/", alias.name)).collect();
    let mut cases = String::new();
    for operation in OPERATIONS {
        let spellings: Vec<&str> =
            std::iter::once(operation.name).chain(operation.short.iter().copied()).map(quoted).collect();
        let own = switch_words(switches::SWITCHES, operation.verb.scope());
        cases.push_str(&format!("        {}) switches='{own}' ;;\n", spellings.join("|").to_lowercase()));
    }
    SCRIPT
        .replace("@OPERATIONS@", &operations.join(" "))
        .replace("@TOPICS@", &topics.collect::<Vec<_>>().join(" "))
        .replace("@RESOURCES@", &resources.join(" "))
        .replace("@CONFIGURATION@", CONFIGURATION)
        .replace("@CASES@", cases.trim_end())
        .replace("@HELP@", &help_spellings())
        .replace("@WINRS@", &switch_words(winrs::switches::SWITCHES, Scope::ALL))
}

/// Every switch with every value it may have; a file follows its colon.
fn switch_words<D>(table: &[Switch<D>], scope: Scope) -> String {
    let mut words = Vec::new();
    for switch in table.iter().filter(|switch| switch.scope.contains(scope)) {
        match switch.value {
            Value::None => words.push(format!("-{}", switch.name)),
            Value::Words(values) => {
                words.extend(values().iter().map(|value| format!("-{}:{value}", switch.name)));
            }
            Value::Text(_) | Value::Optional(_) | Value::File(_) => words.push(format!("-{}:", switch.name)),
        }
    }
    words.join(" ")
}

fn help_spellings() -> String {
    let help = OPERATIONS.iter().find(|operation| operation.verb == Verb::Help);
    let names = help.into_iter().flat_map(|help| std::iter::once(&help.name).chain(help.short));
    names.map(|name| quoted(name)).collect::<Vec<_>>().join("|")
}

/// `?` matches any letter in a pattern.
fn quoted(name: &str) -> &str {
    if name == "?" { "\\?" } else { name }
}

/// The resources of the settings, as `winrm help config` has them.
const CONFIGURATION: &str = "winrm/config winrm/config/client winrm/config/client/auth winrm/config/service \
    winrm/config/service/auth winrm/config/service/certmapping winrm/config/winrs winrm/config/listener \
    winrm/config/plugin";

const SCRIPT: &str = include_str!("completion.bash");
