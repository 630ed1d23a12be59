//! The command line of `telarch account`.

use std::path::PathBuf;

use auth::account_file::{AccountName, Comment, Role, Standing};
use lexopt::{Arg, Parser, ValueExt as _};

use super::list::ListFormat;
use crate::failure::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    /// The file of the accounts, if it is not the usual one.
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) enum Action {
    Add { name: AccountName, password: PasswordFrom, role: NewRole, comment: Comment },
    SetPassword { name: String, password: PasswordFrom },
    SetStanding { name: String, standing: Standing },
    Remove { name: String },
    List { format: ListFormat },
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PasswordFrom {
    #[default]
    Terminal,
    StandardInput,
}

/// The role of an account to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NewRole {
    /// What the file says.
    #[default]
    Usual,
    Chosen(Role),
}

impl Invocation {
    /// Reads what follows the word `account`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let mut words = Vec::new();
        let mut given = Given::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long("file") => set(&mut given.file, "--file", PathBuf::from(parser.value()?))?,
                Arg::Long("password-stdin") => {
                    set(&mut given.password, "--password-stdin", PasswordFrom::StandardInput)?;
                }
                Arg::Long("admin") => set(&mut given.role, "--admin", NewRole::Chosen(Role::Administrator))?,
                Arg::Long("no-admin") => set(&mut given.role, "--no-admin", NewRole::Chosen(Role::User))?,
                Arg::Long("comment") => {
                    let text = parser.value()?.string()?;
                    set(&mut given.comment, "--comment", comment(&text)?)?;
                }
                Arg::Long("format") => {
                    let text = parser.value()?.string()?;
                    set(&mut given.format, "--format", format(&text)?)?;
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        let mut words = words.into_iter();
        let Some(action) = words.next() else { return Ok(None) };
        let action = given.action(&action, &mut words)?;
        match (words.next(), given.left_over()) {
            (Some(word), _) => Err(wrong(format!("{word:?} is one word too many"))),
            (None, Some(option)) => Err(wrong(format!("{option} means nothing to this action"))),
            (None, None) => Ok(Some(Self { action, file: given.file.map(|(_, file)| file) })),
        }
    }
}

/// The options that were given, each with the way it was spelt; an action takes those it needs.
#[derive(Default)]
struct Given {
    file: Option<(&'static str, PathBuf)>,
    password: Option<(&'static str, PasswordFrom)>,
    role: Option<(&'static str, NewRole)>,
    comment: Option<(&'static str, Comment)>,
    format: Option<(&'static str, ListFormat)>,
}

impl Given {
    fn action(&mut self, action: &str, words: &mut impl Iterator<Item = String>) -> Result<Action, Failure> {
        let mut name =
            || words.next().ok_or_else(|| wrong(format!("{action}: which account? the name is missing")));
        match action {
            "add" => Ok(Action::Add {
                name: AccountName::parse(&name()?).map_err(|error| Failure::Usage(error.to_string()))?,
                password: take(&mut self.password),
                role: take(&mut self.role),
                comment: take(&mut self.comment),
            }),
            "set-password" => Ok(Action::SetPassword { name: name()?, password: take(&mut self.password) }),
            "disable" => Ok(Action::SetStanding { name: name()?, standing: Standing::Disabled }),
            "enable" => Ok(Action::SetStanding { name: name()?, standing: Standing::Enabled }),
            "remove" => Ok(Action::Remove { name: name()? }),
            "list" => Ok(Action::List { format: take(&mut self.format) }),
            other => Err(wrong(format!("unknown action {other:?}"))),
        }
    }

    /// An option that no action has taken.
    fn left_over(&self) -> Option<&'static str> {
        let Self { file: _, password, role, comment, format } = self;
        spelling(password).or(spelling(role)).or(spelling(comment)).or(spelling(format))
    }
}

fn spelling<T>(slot: &Option<(&'static str, T)>) -> Option<&'static str> {
    slot.as_ref().map(|(option, _)| *option)
}

fn set<T>(slot: &mut Option<(&'static str, T)>, option: &'static str, value: T) -> Result<(), Failure> {
    match slot.replace((option, value)) {
        None => Ok(()),
        Some((before, _)) if before == option => Err(wrong(format!("{option} is given twice"))),
        Some((before, _)) => Err(wrong(format!("{before} and {option} contradict each other"))),
    }
}

fn take<T: Default>(slot: &mut Option<(&'static str, T)>) -> T {
    slot.take().map(|(_, value)| value).unwrap_or_default()
}

fn comment(text: &str) -> Result<Comment, Failure> {
    Comment::parse(text).map_err(wrong)
}

fn format(text: &str) -> Result<ListFormat, Failure> {
    match text {
        "text" => Ok(ListFormat::Text),
        "json" => Ok(ListFormat::Json),
        other => Err(wrong(format!("--format: {other:?} is neither text nor json"))),
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("account: {what}"), "telarch account --help shows whole command lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_stand_anywhere_behind_the_word_account() {
        for arguments in [
            ["add", "alice", "--admin", "--file", "/x", "--comment", "a b"],
            ["--file=/x", "--admin", "--comment=a b", "add", "alice", "--password-stdin", "--"],
        ] {
            let Ok(Some(Invocation { action, file })) = parse(&arguments) else { panic!("{arguments:?}") };
            assert_eq!(file, Some(PathBuf::from("/x")));
            let Action::Add { name, role, comment, .. } = action else { panic!("{action:?}") };
            assert_eq!((name.as_str(), comment.as_str()), ("alice", "a b"));
            assert_eq!(role, NewRole::Chosen(Role::Administrator));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["add", "-h"]), Ok(None)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["add"][..], "the name is missing"),
            (&["add", "a b"], "\"a b\" is not a name"),
            (&["add", "a", "b"], "\"b\" is one word too many"),
            (&["list", "a"], "\"a\" is one word too many"),
            (&["grow", "a"], "unknown action \"grow\""),
            (&["list", "--admin"], "--admin means nothing"),
            (&["remove", "a", "--password-stdin"], "--password-stdin means nothing"),
            (&["add", "a", "--admin", "--no-admin"], "--admin and --no-admin contradict"),
            (&["add", "a", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["add", "a", "--comment", "x:y"], "colon"),
            (&["list", "--format", "xml"], "\"xml\" is neither"),
            (&["list", "--form"], "--form"),
            (&["list", "--format"], "--format"),
        ] {
            match parse(arguments) {
                Err(failure @ Failure::Usage(_)) => {
                    assert!(failure.to_string().contains(part), "{failure} does not name {part:?}");
                }
                other => panic!("{arguments:?}: {other:?}"),
            }
        }
    }
}
