//! `telarch man` and `telarch completion`: what a package installs beside the programs.

use lexopt::{Arg, Parser, ValueExt as _};

use crate::Subcommand;
use crate::failure::Failure;

pub(crate) const MAN: Subcommand =
    Subcommand { name: "man", about: "print the manual page of winrm or winrs", run: man };

pub(crate) const COMPLETION: Subcommand = Subcommand {
    name: "completion",
    about: "print the completions of winrm and winrs for bash",
    run: completion,
};

fn man(parser: Parser) -> Result<String, Failure> {
    match word(parser)?.as_deref() {
        Some("winrm") => Ok(cli::man::winrm()),
        Some("winrs") => Ok(cli::man::winrs()),
        None => Ok("telarch man winrm|winrs\n\n  telarch man winrm | man -l -\n".to_owned()),
        Some(other) => {
            Err(Failure::usage(format!("there is no manual page {other:?}"), "there are winrm and winrs"))
        }
    }
}

fn completion(parser: Parser) -> Result<String, Failure> {
    match word(parser)?.as_deref() {
        Some("bash") => Ok(cli::completion::bash()),
        None => Ok("telarch completion bash\n\n  source <(telarch completion bash)\n".to_owned()),
        Some(other) => {
            Err(Failure::usage(format!("there are no completions for {other:?}"), "there are those for bash"))
        }
    }
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
        for (name, title) in [("winrm", ".TH WINRM"), ("winrs", ".TH WINRS")] {
            let page = asked(man, &[name]).expect("a page");
            assert!(page.to_uppercase().contains(title), "{name}: {page:.80}");
        }
        assert!(asked(completion, &["bash"]).expect("a script").contains("complete"));
    }

    #[test]
    fn what_there_is_not_is_named() {
        assert!(asked(man, &["winmgmt"]).expect_err("no page").contains("winmgmt"));
        assert!(asked(completion, &["fish"]).expect_err("no script").contains("fish"));
        assert!(asked(man, &["winrm", "winrs"]).is_err());
    }
}
