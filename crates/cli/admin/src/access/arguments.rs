//! The command line of `telarch access`.

use std::path::PathBuf;

use cli::locator::Locator;
use lexopt::{Arg, Parser, ValueExt as _};

use cli_command::arguments::set;
use cli_command::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) user: String,
    /// The URI of the one resource that matters.
    pub(super) resource: Option<String>,
    pub(super) config: Option<PathBuf>,
    pub(super) accounts: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
}

impl Invocation {
    /// Reads what follows the word `access`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let mut words = Vec::new();
        let (mut resource, mut config, mut accounts, mut state) = (None, None, None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long("resource") => {
                    let text = parser.value()?.string()?;
                    let locator =
                        Locator::parse(&text).map_err(|error| wrong(format!("--resource: {error}")))?;
                    set(&mut resource, "--resource", locator.resource_uri().to_owned()).map_err(wrong)?;
                }
                Arg::Long("config") => {
                    set(&mut config, "--config", PathBuf::from(parser.value()?)).map_err(wrong)?;
                }
                Arg::Long("accounts") => {
                    set(&mut accounts, "--accounts", PathBuf::from(parser.value()?)).map_err(wrong)?;
                }
                Arg::Long("state") => {
                    set(&mut state, "--state", PathBuf::from(parser.value()?)).map_err(wrong)?;
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        let mut words = words.into_iter();
        match words.next().as_deref() {
            None => return Ok(None),
            Some("show") => {}
            Some(other) => return Err(wrong(format!("unknown action {other:?}"))),
        }
        let Some(user) = words.next() else { return Err(wrong("show needs the name of a user")) };
        if let Some(word) = words.next() {
            return Err(wrong(format!("{word:?} is one word too many")));
        }
        Ok(Some(Self { user, resource, config, accounts, state }))
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("access: {what}"), "telarch access --help shows whole command lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn a_resource_may_have_an_alias() {
        let asked =
            parse(&["show", "ann", "--resource", "shell/cmd"]).ok().flatten().expect("it is understood");
        assert_eq!(asked.user, "ann");
        assert_eq!(
            asked.resource.as_deref(),
            Some("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd")
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (arguments, part) in [
            (&["list"][..], "unknown action"),
            (&["show"], "needs the name of a user"),
            (&["show", "a", "b"], "one word too many"),
            (&["show", "a", "--state", "x", "--state", "y"], "given twice"),
            (&["show", "a", "--file", "x"], "--file"),
        ] {
            let told = parse(arguments).expect_err("a failure").to_string();
            assert!(told.contains(part), "{arguments:?}: {told}");
        }
        assert!(parse(&[]).ok().flatten().is_none());
    }
}
