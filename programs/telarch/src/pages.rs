//! `telarch man` and `telarch completion`: the manual pages and the completion scripts of all programs.

use cli::completion::Shell;
use cli_command::{Action, Arguments, Command, Failure};

use crate::PROGRAM;

/// The command `telarch man`.
pub(crate) static MAN: Command = Command::new("man", "print the manual page of winrm, winrs or telarch", man)
    .examples(&["telarch man winrm | man -l -"])
    .actions(&[Action::default(&[("PROGRAM", "winrm, winrs or telarch")])
        .takes(1, 1)
        .completions(&["winrm", "winrs", "telarch"])]);

/// The command `telarch completion`.
pub(crate) static COMPLETION: Command =
    Command::new("completion", "print a shell completion script for winrm, winrs and telarch", completion)
        .examples(&[
            "source <(telarch completion bash)     # in ~/.bashrc",
            "source <(telarch completion zsh)      # in ~/.zshrc, after compinit",
            "telarch completion fish | source      # in ~/.config/fish/config.fish",
        ])
        .actions(&[Action::default(&[("SHELL", "bash, zsh or fish")])
            .takes(1, 1)
            .completions(&["bash", "zsh", "fish"])])
        .notes(&[
            "To install the script for all users:",
            "  telarch completion bash > /etc/bash_completion.d/telarch
  telarch completion zsh > /usr/local/share/zsh/site-functions/_telarch
  telarch completion fish > /etc/fish/conf.d/telarch.fish",
        ]);

fn man(arguments: &Arguments) -> Result<String, Failure> {
    match arguments.words().concat().as_str() {
        "winrm" => Ok(cli::man::winrm()),
        "winrs" => Ok(cli::man::winrs()),
        "telarch" => Ok(PROGRAM.manual()),
        other => Err(arguments
            .usage_error(format!("no manual page for \"{other}\"; expected winrm, winrs or telarch"))),
    }
}

fn completion(arguments: &Arguments) -> Result<String, Failure> {
    let word = arguments.words().concat();
    let shell = Shell::ALL.into_iter().find(|shell| shell.name() == word);
    shell.map(|shell| PROGRAM.completion(shell)).ok_or_else(|| {
        arguments.usage_error(format!("no completion for \"{word}\"; expected bash, zsh or fish"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &'static Command, words: &[&str]) -> Result<String, String> {
        let arguments = Arguments::parse_words(command, words).map_err(|failure| failure.to_string())?;
        let arguments = arguments.expect("no request for help");
        let result = if command.name() == "man" { man(&arguments) } else { completion(&arguments) };
        result.map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_program_has_a_manual_page() {
        for name in ["winrm", "winrs", "telarch"] {
            let page = run(&MAN, &[name]).expect("a page");
            assert!(page.starts_with(&format!(".TH {} 1 ", name.to_uppercase())), "{name}: {page:.80}");
        }
    }

    #[test]
    fn completion_scripts_have_the_actions_and_options_of_the_table() {
        for shell in Shell::ALL {
            let script = run(&COMPLETION, &[shell.name()]).expect("a script");
            let placeholders =
                script.split('@').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
            assert!(script.contains("complet") && placeholders.count() == 0, "{script}");
        }
        let script = run(&COMPLETION, &["bash"]).expect("a script");
        for line in [
            "    access) actions='show' options='--resource --config --accounts --state -h --help' ;;",
            "    policy) actions='list explain' options='--all --format --file -h --help' ;;",
            "    'config --format') telarch_words='text json' ;;",
            "    'config preset') telarch_words='default telarch winrm-2.0' ;;",
        ] {
            assert!(script.lines().any(|other| other == line), "{line} is not in {script}");
        }
    }

    #[test]
    fn the_manual_page_has_every_command_and_option() {
        let page = run(&MAN, &["telarch"]).expect("a page");
        for part in [
            ".SH TELARCH ACCOUNT\n",
            ".SH TELARCH IPMI HOST\n",
            "\\fB\\-\\-password\\-stdin\\fR",
            "winrm\\-2.0",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        let requests = [".TH ", ".SH ", ".SS ", ".TP", ".PP", ".nf", ".fi"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(requests.iter().any(|request| line.starts_with(request)), "{line}");
        }
    }

    #[test]
    fn unknown_programs_and_shells_are_rejected() {
        assert!(run(&MAN, &["winmgmt"]).expect_err("no page").contains("winmgmt"));
        assert!(run(&COMPLETION, &["tcsh"]).expect_err("no script").contains("tcsh"));
        assert!(run(&MAN, &["winrm", "winrs"]).is_err());
    }
}
