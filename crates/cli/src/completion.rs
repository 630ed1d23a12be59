//! Completions for shells, made from the tables that the parsers read.

use crate::help::TOPICS;
use crate::locator::ALIASES;
use crate::switch::{Scope, Switch, Value};
use crate::winrm::operations::{OPERATIONS, Verb};
use crate::winrm::switches;
use crate::winrs;

/// A shell that there are completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// The name of its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// Words as its scripts list them: between quotation marks in bash and zsh, in fish by themselves.
    #[must_use]
    pub fn list<'w>(self, words: impl IntoIterator<Item = &'w str>) -> String {
        let listed: Vec<String> = words
            .into_iter()
            .map(|word| if self == Self::Fish { format!("'{word}'") } else { word.to_owned() })
            .collect();
        listed.join(" ")
    }

    /// A line that sets variables to lists of words if a word is one of some: in bash and zsh a branch of a `case`, in
    /// fish a condition on `$word`.
    #[must_use]
    pub fn branch(self, names: &[&str], variables: &[(&str, Vec<&str>)]) -> String {
        let set = |(variable, words): &(&str, Vec<&str>)| {
            let words = self.list(words.iter().copied());
            if self == Self::Fish {
                format!("set {variable} {words}; ")
            } else {
                format!("{variable}='{words}' ")
            }
        };
        let sets: String = variables.iter().map(set).collect();
        match self {
            Self::Fish => {
                format!("    if contains -- $word {}; {sets}end\n", self.list(names.iter().copied()))
            }
            Self::Bash | Self::Zsh => format!("    {}) {sets};;\n", pattern(names)),
        }
    }

    /// A script that completes `winrm` and `winrs`; what else is to be completed can use the functions in it.
    #[must_use]
    pub fn script(self) -> String {
        let operations = || OPERATIONS.iter().map(|operation| operation.name);
        let topics = TOPICS.iter().map(|topic| topic.name).chain(operations()).chain(["all"]);
        let resources: Vec<String> = ALIASES.iter().map(|alias| format!("{}/", alias.name)).collect();
        let help: Vec<&str> = names_of(Verb::Help);
        let files = files();
        let (help, files) = match self {
            Self::Fish => (self.list(help), self.list(files.iter().map(String::as_str))),
            Self::Bash | Self::Zsh => (pattern(&help), files.join("* | ") + "*"),
        };
        let winrs = switch_words(winrs::switches::SWITCHES, Scope::ALL);
        let text = match self {
            Self::Bash => {
                [include_str!("completion/prelude.bash"), include_str!("completion/winrm.sh")].concat()
            }
            Self::Zsh => {
                [include_str!("completion/prelude.zsh"), include_str!("completion/winrm.sh")].concat()
            }
            Self::Fish => include_str!("completion/winrm.fish").to_owned(),
        };
        text.replace("@OPERATIONS@", &self.list(operations()))
            .replace("@TOPICS@", &self.list(topics))
            .replace("@RESOURCES@", &self.list(resources.iter().map(String::as_str)))
            .replace("@CONFIGURATION@", &self.list(CONFIGURATION))
            .replace("@CASES@", self.cases().trim_end())
            .replace("@HELP@", &help)
            .replace("@FILES@", &files)
            .replace("@WINRS@", &self.list(winrs.iter().map(String::as_str)))
    }

    /// The switches of each operation.
    fn cases(self) -> String {
        let mut cases = String::new();
        for operation in OPERATIONS {
            let names: Vec<String> =
                names_of(operation.verb).iter().map(|name| name.to_ascii_lowercase()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let own = switch_words(switches::SWITCHES, operation.verb.scope());
            cases += &self.branch(&names, &[("switches", own.iter().map(String::as_str).collect())]);
        }
        cases
    }
}

fn names_of(verb: Verb) -> Vec<&'static str> {
    let found = OPERATIONS.iter().filter(|operation| operation.verb == verb);
    found.flat_map(|operation| std::iter::once(&operation.name).chain(operation.short)).copied().collect()
}

/// Every switch with every value it may have; what else there is of it follows its colon.
fn switch_words<D>(table: &[Switch<D>], scope: Scope) -> Vec<String> {
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
    words
}

/// The switches of both programs whose values are files, in lower case.
fn files() -> Vec<String> {
    fn of<D>(table: &[Switch<D>]) -> impl Iterator<Item = String> {
        let files = table.iter().filter(|switch| matches!(switch.value, Value::File(_)));
        let names = files.flat_map(|switch| std::iter::once(&switch.name).chain(switch.short));
        names.map(|name| format!("-{}:", name.to_ascii_lowercase()))
    }
    let mut all: Vec<String> = of(switches::SWITCHES).chain(of(winrs::switches::SWITCHES)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Names as a pattern, in which a question mark would be any letter.
fn pattern(names: &[&str]) -> String {
    names.join("|").replace('?', "\\?")
}

/// The resources of the settings, as `winrm help config` has them.
const CONFIGURATION: [&str; 9] = [
    "winrm/config",
    "winrm/config/client",
    "winrm/config/client/auth",
    "winrm/config/service",
    "winrm/config/service/auth",
    "winrm/config/service/certmapping",
    "winrm/config/winrs",
    "winrm/config/listener",
    "winrm/config/plugin",
];
