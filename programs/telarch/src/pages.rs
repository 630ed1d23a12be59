//! `telarch man` and `telarch completion`: what a package installs beside the programs.

use cli::completion::Shell;
use lexopt::{Arg, Parser, ValueExt as _};

use crate::SUBCOMMANDS;
use cli_command::{Failure, Subcommand};

pub(crate) const MAN: Subcommand = Subcommand {
    name: "man",
    about: "print the manual page of winrm, winrs or telarch",
    help: MAN_HELP,
    run: man,
};

pub(crate) const COMPLETION: Subcommand = Subcommand {
    name: "completion",
    about: "print the completions of winrm, winrs and telarch for a shell",
    help: COMPLETION_HELP,
    run: completion,
};

const MAN_HELP: &str = "telarch man winrm|winrs|telarch\n\n  telarch man winrm | man -l -\n";
const COMPLETION_HELP: &str = "telarch completion bash|zsh|fish

  source <(telarch completion bash)     in ~/.bashrc
  source <(telarch completion zsh)      in ~/.zshrc, behind compinit
  telarch completion fish | source      in ~/.config/fish/config.fish

For all users, a file is written once:

  telarch completion bash > /etc/bash_completion.d/telarch
  telarch completion zsh > /usr/local/share/zsh/site-functions/_telarch
  telarch completion fish > /etc/fish/conf.d/telarch.fish
";

fn man(parser: Parser) -> Result<String, Failure> {
    match word(parser)?.as_deref() {
        Some("winrm") => Ok(cli::man::winrm()),
        Some("winrs") => Ok(cli::man::winrs()),
        Some("telarch") => Ok(own_page()),
        None => Ok(MAN_HELP.to_owned()),
        Some(other) => Err(Failure::usage(
            format!("there is no manual page {other:?}"),
            "there are winrm, winrs and telarch",
        )),
    }
}

/// `telarch(1)`: the help texts, set as they are (man(7)).
fn own_page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        ".TH TELARCH 1 \"\" \"Telarch {version}\"\n.SH NAME\ntelarch \\- look after the Telarch service of this machine\n"
    );
    let all = std::iter::once(("SYNOPSIS".to_owned(), crate::help()));
    let each = SUBCOMMANDS.iter().map(|subcommand| {
        (format!("TELARCH {}", subcommand.name.to_uppercase()), subcommand.help.to_owned())
    });
    for (title, text) in all.chain(each) {
        page.push_str(&format!(".SH {title}\n.nf\n"));
        for line in text.trim_end().lines() {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            // A line must not begin like a request.
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            page.push_str(&format!("{guard}{line}\n"));
        }
        page.push_str(".fi\n");
    }
    page
}

fn completion(parser: Parser) -> Result<String, Failure> {
    let Some(word) = word(parser)? else { return Ok(COMPLETION_HELP.to_owned()) };
    let shell = Shell::ALL.into_iter().find(|shell| shell.name() == word);
    shell.map(own_completion).ok_or_else(|| {
        Failure::usage(
            format!("there are no completions for {word:?}"),
            "there are those for bash, zsh and fish",
        )
    })
}

/// What completes `winrm` and `winrs`, and with functions of that `telarch`.
fn own_completion(shell: Shell) -> String {
    let own = match shell {
        Shell::Bash | Shell::Zsh => include_str!("../../../crates/cli/command/src/completion/telarch.sh"),
        Shell::Fish => include_str!("../../../crates/cli/command/src/completion/telarch.fish"),
    };
    let own = own
        .replace("@SUBCOMMANDS@", &shell.list(SUBCOMMANDS.iter().map(|subcommand| subcommand.name)))
        .replace("@SHELLS@", &shell.list(Shell::ALL.map(Shell::name)))
        .replace("@IPMI_ACTIONS@", &shell.list(cli_ipmi::action_names()))
        .replace("@IPMI_OPTIONS@", &shell.list(options_in(cli_ipmi::SUBCOMMAND.help)))
        .replace("@COMMANDS@", command_words(shell).trim_end())
        .replace("@IPMI_WORDS@", ipmi_words(shell).trim_end());
    shell.script() + &own
}

/// A branch for each action that takes words.
fn ipmi_words(shell: Shell) -> String {
    let takes = cli_ipmi::ACTIONS.iter().filter(|(_, words)| !words.is_empty());
    takes.map(|(action, words)| shell.branch(&[action], &[("words", words.split(' ').collect())])).collect()
}

/// A branch for each subcommand: its actions and options, as its help has them.
fn command_words(shell: Shell) -> String {
    let branch = |Subcommand { name, help, .. }: &Subcommand| {
        shell.branch(&[name], &[("actions", actions_in(help)), ("options", options_in(help))])
    };
    SUBCOMMANDS.iter().map(branch).collect()
}

fn actions_in(help: &str) -> Vec<&str> {
    let listed =
        help.lines().skip_while(|line| *line != "Actions:").skip(1).take_while(|line| !line.is_empty());
    let first = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut actions: Vec<&str> =
        first.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    actions.dedup();
    actions
}

fn options_in(help: &str) -> Vec<&str> {
    let options = help.lines().filter(|line| line.starts_with("  -"));
    options
        .flat_map(|line| line.split_whitespace().take(2))
        .map(|word| word.trim_end_matches(','))
        .filter(|word| word.starts_with('-'))
        .collect()
}

/// The one word that says which; `None` asks for help.
fn word(mut parser: Parser) -> Result<Option<String>, Failure> {
    match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => Ok(None),
        Some(Arg::Value(word)) => {
            let word = word.string()?;
            match parser.next()? {
                None => Ok(Some(word)),
                Some(more) => Err(more.unexpected().into()),
            }
        }
        Some(other) => Err(other.unexpected().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(run: fn(Parser) -> Result<String, Failure>, arguments: &[&str]) -> Result<String, String> {
        run(Parser::from_args(arguments)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_page_is_about_its_program() {
        for (name, title) in [("winrm", ".TH WINRM"), ("winrs", ".TH WINRS"), ("telarch", ".TH TELARCH")] {
            let page = asked(man, &[name]).expect("a page");
            assert!(page.to_uppercase().contains(title), "{name}: {page:.80}");
        }
        for shell in Shell::ALL {
            let script = asked(completion, &[shell.name()]).expect("a script");
            let is_filled =
                script.split('@').skip(1).all(|rest| !rest.starts_with(|c: char| c.is_ascii_uppercase()));
            assert!(script.contains("complet") && is_filled, "{script}");
        }
        let script = asked(completion, &["bash"]).expect("a script");
        for line in [
            "    access) actions='show' options='--resource --config --accounts --state -h --help' ;;",
            "    policy) actions='list explain' options='--all --format --file -h --help' ;;",
        ] {
            assert!(script.lines().any(|other| other == line), "{line} is not in {script}");
        }
    }

    #[test]
    fn the_own_page_has_the_help_of_every_command() {
        let page = asked(man, &["telarch"]).expect("a page");
        for part in [".SH TELARCH ACCOUNT", ".SH TELARCH CONFIG", "\\-\\-password\\-stdin", "winrm\\-2.0"] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(page.lines().all(|line| !line.starts_with('\'')), "{page}");
    }

    #[test]
    fn what_there_is_not_is_named() {
        assert!(asked(man, &["winmgmt"]).expect_err("no page").contains("winmgmt"));
        assert!(asked(completion, &["tcsh"]).expect_err("no script").contains("tcsh"));
        assert!(asked(man, &["winrm", "winrs"]).is_err());
    }
}
