//! The command line of `telarch policy`.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

use cli_command::arguments::set;
use cli_command::Failure;
use cli_command::format::Format;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    /// The file of the settings, if it is not the usual one.
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    List(Which, Format),
    /// What is known about a policy, a setting, or a value of the registry.
    Explain(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Which {
    #[default]
    Configured,
    All,
}

impl Invocation {
    /// Reads what follows the word `policy`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let (mut words, mut file, mut which, mut format) = (Vec::new(), None, None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long("file") => {
                    set(&mut file, "--file", PathBuf::from(parser.value()?)).map_err(wrong)?;
                }
                Arg::Long("all") => set(&mut which, "--all", Which::All).map_err(wrong)?,
                Arg::Long("format") => {
                    let asked = parser.value()?.string()?.parse().map_err(wrong)?;
                    set(&mut format, "--format", asked).map_err(wrong)?;
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let action = match (words.as_slice(), which, format) {
            ([], ..) => return Ok(None),
            (["list"], ..) => Action::List(which.unwrap_or_default(), format.unwrap_or_default()),
            (["explain", word], None, None) => Action::Explain((*word).to_owned()),
            (["explain", _], ..) => return Err(wrong("--all and --format mean nothing to this action")),
            (["explain"], ..) => return Err(wrong("which policy?")),
            (["list" | "explain", .., word], ..) => {
                return Err(wrong(format!("{word:?} is one word too many")));
            }
            ([other, ..], ..) => return Err(wrong(format!("unknown action {other:?}"))),
        };
        Ok(Some(Self { action, file }))
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("policy: {what}"), "telarch policy --help shows whole command lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_stand_anywhere() {
        for arguments in [
            ["list", "--all", "--format", "json", "--file", "/x"],
            ["--file", "/x", "--format", "json", "--all", "list"],
        ] {
            let Ok(Some(Invocation { action, file })) = parse(&arguments) else { panic!("{arguments:?}") };
            assert_eq!((action, file), (Action::List(Which::All, Format::Json), Some(PathBuf::from("/x"))));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["explain", "--help"]), Ok(None)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["explain"][..], "which policy?"),
            (&["explain", "a", "b"], "\"b\" is one word too many"),
            (&["explain", "a", "--all"], "mean nothing"),
            (&["set"], "unknown action \"set\""),
            (&["list", "--format", "xml"], "\"xml\" is neither"),
            (&["list", "--al"], "--al"),
            (&["list", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["list", "--all", "--all"], "--all is given twice"),
            (&["list", "--format", "json", "--format", "text"], "--format is given twice"),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
    }
}
