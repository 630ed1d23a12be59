//! Shell completion, made from the command table.

use cli::completion::Shell;

use crate::program::Program;
use crate::table::{Action, Command, Value};

impl Program {
    /// A script that completes `winrm`, `winrs` and `telarch`.
    #[must_use]
    pub fn completion(&self, shell: Shell) -> String {
        script(self, shell)
    }
}

/// A script that completes `winrm` and `winrs`, and with its functions `telarch`.
fn script(program: &Program, shell: Shell) -> String {
    let own = match shell {
        Shell::Bash | Shell::Zsh => include_str!("completion/telarch.sh"),
        Shell::Fish => include_str!("completion/telarch.fish"),
    };
    let names = program.commands.iter().map(|command| command.name);
    let own = own
        .replace("@COMMAND_NAMES@", &shell.list(names))
        .replace("@COMMANDS@", commands(program, shell).trim_end())
        .replace("@PARAMETERS@", parameters(program, shell).trim_end())
        .replace("@VALUES@", values(program, shell).trim_end());
    shell.script() + &own
}

/// A branch for each command: its actions and options.
fn commands(program: &Program, shell: Shell) -> String {
    let mut text = String::new();
    for command in program.commands {
        let options = spellings(command);
        let options = options.iter().map(String::as_str).collect();
        text += &shell.branch(&[command.name], &[("actions", first_words(command)), ("options", options)]);
    }
    text
}

/// The words that may follow the name of a command.
fn first_words(command: &Command) -> Vec<&'static str> {
    let named = command.listed_actions().filter(|action| !action.name.is_empty());
    let default = command.listed_actions().filter(|action| action.name.is_empty());
    let subcommands = command.subcommands.iter().map(|subcommand| subcommand.last_word());
    let parameters = default.flat_map(|action| action.completions.iter().copied());
    named.map(|action| action.name).chain(subcommands).chain(parameters).collect()
}

/// A branch for each action whose parameters are known words.
fn parameters(program: &Program, shell: Shell) -> String {
    let mut text = String::new();
    for command in program.commands {
        for Action { name, completions, .. } in command.listed_actions() {
            if !name.is_empty() && !completions.is_empty() {
                let words = shell.list(completions.iter().copied());
                text += &branch(shell, &format!("{} {name}", command.name), "telarch_words", &words);
            }
        }
        for subcommand in command.subcommands {
            text += &branch(shell, subcommand.name, "telarch_words", &shell.list(first_words(subcommand)));
        }
    }
    text
}

/// A branch for each option whose value is one of some words or a file.
fn values(program: &Program, shell: Shell) -> String {
    let mut text = String::new();
    for command in program.commands {
        for option in command.options {
            let (variable, words) = match option.value {
                Value::OneOf(_, words) | Value::Completed(_, words) => ("telarch_words", shell.list(words())),
                Value::Path(_) => ("telarch_files", "yes".to_owned()),
                Value::None | Value::Text(_) => continue,
            };
            text += &branch(shell, &format!("{} {}", command.name, option.long()), variable, &words);
        }
    }
    text
}

/// A line that sets a variable if `$telarch_key` is `key`.
fn branch(shell: Shell, key: &str, variable: &str, words: &str) -> String {
    match shell {
        Shell::Fish => {
            format!("    if test \"$telarch_key\" = '{key}'; set {variable} {words}; end\n")
        }
        Shell::Bash | Shell::Zsh => format!("    '{key}') {variable}='{words}' ;;\n"),
    }
}

/// Every spelling of every option.
fn spellings(command: &Command) -> Vec<String> {
    let mut all = Vec::new();
    for option in command.options {
        all.extend(option.short.map(|letter| format!("-{letter}")));
        all.push(option.long());
    }
    all.extend(["-h".to_owned(), "--help".to_owned()]);
    all
}
