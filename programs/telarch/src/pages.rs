//! `telarch man` and `telarch completion`: what a package installs beside the programs.

use lexopt::{Arg, Parser, ValueExt as _};

use crate::failure::Failure;
use crate::{SUBCOMMANDS, Subcommand, ipmi};

pub(crate) const MAN: Subcommand = Subcommand {
    name: "man",
    about: "print the manual page of winrm, winrs or telarch",
    help: MAN_HELP,
    run: man,
};

pub(crate) const COMPLETION: Subcommand = Subcommand {
    name: "completion",
    about: "print the completions of winrm, winrs and telarch for bash",
    help: COMPLETION_HELP,
    run: completion,
};

/// What completes `telarch`, with functions of that of the others.
const OWN_COMPLETION: &str = include_str!("completion.bash");

const MAN_HELP: &str = "telarch man winrm|winrs|telarch\n\n  telarch man winrm | man -l -\n";
const COMPLETION_HELP: &str = "telarch completion bash\n\n  source <(telarch completion bash)\n";

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
    match word(parser)?.as_deref() {
        Some("bash") => {
            let names: Vec<&str> = SUBCOMMANDS.iter().map(|subcommand| subcommand.name).collect();
            let own = OWN_COMPLETION
                .replace("@SUBCOMMANDS@", &names.join(" "))
                .replace("@IPMI_ACTIONS@", &ipmi::action_names().join(" "))
                .replace("@IPMI_OPTIONS@", &options_in(ipmi::SUBCOMMAND.help).join(" "))
                .replace("@COMMANDS@", command_words().trim_end())
                .replace("@IPMI_WORDS@", ipmi_words().trim_end());
            Ok(cli::completion::bash() + &own)
        }
        None => Ok(COMPLETION_HELP.to_owned()),
        Some(other) => {
            Err(Failure::usage(format!("there are no completions for {other:?}"), "there are those for bash"))
        }
    }
}

/// A branch of a `case` for each action that takes words.
fn ipmi_words() -> String {
    let branch = |(action, words): &(&str, &str)| format!("        {action}) _telarch_offer '{words}' ;;\n");
    ipmi::ACTIONS.iter().filter(|(_, words)| !words.is_empty()).map(branch).collect()
}

/// A branch of a `case` for each subcommand: its actions and options, as its help has them.
fn command_words() -> String {
    let branch = |Subcommand { name, help, .. }: &Subcommand| {
        let (actions, options) = (actions_in(help).join(" "), options_in(help).join(" "));
        format!("    {name}) actions='{actions}' options='{options}' ;;\n")
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
        let script = asked(completion, &["bash"]).expect("a script");
        assert!(script.contains("complete") && !script.contains("@IPMI"), "{script}");
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
        assert!(asked(completion, &["fish"]).expect_err("no script").contains("fish"));
        assert!(asked(man, &["winrm", "winrs"]).is_err());
    }
}
