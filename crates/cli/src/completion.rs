//! Shell completion scripts, generated from the tables that the parsers use.

use crate::help::TOPICS;
use crate::locator::ALIASES;
use crate::switch::{Scope, Switch, Value};
use crate::winrm::operations::{OPERATIONS, Verb};
use crate::winrm::switches;
use crate::winrs;

/// A shell with completion support.
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
    /// Every supported shell.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// Returns the program name of the shell.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// Formats a list of words for the shell: separated by spaces for bash and zsh, each quoted for fish.
    #[must_use]
    pub fn list<'w>(self, words: impl IntoIterator<Item = &'w str>) -> String {
        let listed: Vec<String> = words
            .into_iter()
            .map(|word| if self == Self::Fish { format!("'{word}'") } else { word.to_owned() })
            .collect();
        listed.join(" ")
    }

    /// Returns a line that assigns lists of words to variables if the current word is one of `names`: a `case` branch
    /// in bash and zsh, a condition on `$word` in fish.
    #[must_use]
    pub fn branch(self, names: &[&str], variables: &[(&str, Vec<&str>)]) -> String {
        let sets: String =
            variables.iter().map(|(variable, words)| self.assignment(variable, words)).collect();
        match self {
            Self::Fish => {
                format!("    if contains -- $word {}; {sets}end\n", self.list(names.iter().copied()))
            }
            Self::Bash | Self::Zsh => format!("    {}) {sets};;\n", pattern(names)),
        }
    }

    fn assignment(self, variable: &str, words: &[&str]) -> String {
        let words = self.list(words.iter().copied());
        if self == Self::Fish {
            format!("set {variable} {words}; ")
        } else {
            format!("{variable}='{words}' ")
        }
    }

    /// Returns the completion script for `winrm` and `winrs`. Completions of other programs can use its functions.
    #[must_use]
    pub fn script(self) -> String {
        let operations: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
        let topics = TOPICS.iter().map(|topic| topic.name).chain(operations.iter().copied()).chain(["all"]);
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
        text.replace("@OPERATIONS@", &self.list(operations.iter().copied()))
            .replace("@TOPICS@", &self.list(topics))
            .replace("@RESOURCES@", &self.list(resources.iter().map(String::as_str)))
            .replace("@CONFIGURATION@", &self.list(CONFIGURATION))
            .replace("@CASES@", self.cases().trim_end())
            .replace("@HELP@", &help)
            .replace("@FILES@", &files)
            .replace("@WINRS@", &self.list(winrs.iter().map(String::as_str)))
    }

    /// Returns the branches that select the switches of each operation.
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

/// Returns every switch with its possible values; a switch with free text ends with a colon.
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

/// Returns the switches of both programs that take a file, in lower case, each with its colon.
fn files() -> Vec<String> {
    fn file_switches<D>(table: &[Switch<D>]) -> impl Iterator<Item = String> {
        let files = table.iter().filter(|switch| matches!(switch.value, Value::File(_)));
        let names = files.flat_map(|switch| std::iter::once(&switch.name).chain(switch.short));
        names.map(|name| format!("-{}:", name.to_ascii_lowercase()))
    }
    let mut all: Vec<String> =
        file_switches(switches::SWITCHES).chain(file_switches(winrs::switches::SWITCHES)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns names as a shell pattern, with question marks escaped because they would match any character.
fn pattern(names: &[&str]) -> String {
    names.join("|").replace('?', "\\?")
}

/// Configuration resources, as listed by `winrm help config`.
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
