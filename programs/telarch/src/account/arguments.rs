//! The command line of `telarch account`.

use std::path::PathBuf;

use auth::account_file::{AccountName, Comment, EnabledState, Role};
use lexopt::{Arg, Parser, ValueExt as _};

use super::list::ListFormat;
use crate::failure::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    /// The file of the accounts, if it is not the usual one.
    pub(super) file: Option<PathBuf>,
    /// The directory with the host key, if it is not the usual one.
    pub(super) state: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) enum Action {
    Add(Add),
    SetPassword { name: String, password: PasswordFrom, ntlm: Ntlm },
    SetStanding { name: String, standing: EnabledState },
    Remove { name: String },
    List { format: ListFormat },
    Import { from: ImportFrom, existing: Existing },
}

/// An account to be made.
#[derive(Debug)]
pub(super) struct Add {
    pub(super) name: AccountName,
    pub(super) password: PasswordFrom,
    pub(super) role: NewRole,
    pub(super) comment: Comment,
    pub(super) ntlm: Ntlm,
}

/// Whether an account can sign in with NTLM from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ntlm {
    /// If it could before; a new one cannot.
    #[default]
    AsBefore,
    Can,
    Cannot,
}

/// A list of accounts of another kind; `-` is standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ImportFrom {
    SmbPasswd(PathBuf),
    Shadow(PathBuf),
}

/// What becomes of an account whose name is in the file already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Existing {
    #[default]
    Kept,
    Replaced,
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
                Arg::Long("ntlm") => set(&mut given.ntlm, "--ntlm", Ntlm::Can)?,
                Arg::Long("no-ntlm") => set(&mut given.ntlm, "--no-ntlm", Ntlm::Cannot)?,
                Arg::Long("smbpasswd") => {
                    let from = ImportFrom::SmbPasswd(PathBuf::from(parser.value()?));
                    set(&mut given.import, "--smbpasswd", from)?;
                }
                Arg::Long("shadow") => {
                    let from = ImportFrom::Shadow(PathBuf::from(parser.value()?));
                    set(&mut given.import, "--shadow", from)?;
                }
                Arg::Long("replace") => set(&mut given.existing, "--replace", Existing::Replaced)?,
                Arg::Long("state") => set(&mut given.state, "--state", PathBuf::from(parser.value()?))?,
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
            (None, None) => {
                let path = |slot: Option<(_, PathBuf)>| slot.map(|(_, path)| path);
                Ok(Some(Self { action, file: path(given.file), state: path(given.state) }))
            }
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
    ntlm: Option<(&'static str, Ntlm)>,
    import: Option<(&'static str, ImportFrom)>,
    existing: Option<(&'static str, Existing)>,
    state: Option<(&'static str, PathBuf)>,
}

impl Given {
    fn action(&mut self, action: &str, words: &mut impl Iterator<Item = String>) -> Result<Action, Failure> {
        let mut name =
            || words.next().ok_or_else(|| wrong(format!("{action}: which account? the name is missing")));
        match action {
            "add" => Ok(Action::Add(Add {
                name: AccountName::parse(&name()?).map_err(|error| Failure::Usage(error.to_string()))?,
                password: take(&mut self.password),
                role: take(&mut self.role),
                comment: take(&mut self.comment),
                ntlm: take(&mut self.ntlm),
            })),
            "set-password" => Ok(Action::SetPassword {
                name: name()?,
                password: take(&mut self.password),
                ntlm: take(&mut self.ntlm),
            }),
            "disable" => Ok(Action::SetStanding { name: name()?, standing: EnabledState::Disabled }),
            "enable" => Ok(Action::SetStanding { name: name()?, standing: EnabledState::Enabled }),
            "remove" => Ok(Action::Remove { name: name()? }),
            "list" => Ok(Action::List { format: take(&mut self.format) }),
            "import" => {
                let nothing = || wrong("import: from where? give --smbpasswd FILE or --shadow FILE");
                let (_, from) = self.import.take().ok_or_else(nothing)?;
                Ok(Action::Import { from, existing: take(&mut self.existing) })
            }
            other => Err(wrong(format!("unknown action {other:?}"))),
        }
    }

    /// An option that no action has taken.
    fn left_over(&self) -> Option<&'static str> {
        let Self { file: _, state: _, password, role, comment, format, ntlm, import, existing } = self;
        let left = [spelling(password), spelling(role), spelling(comment), spelling(format)];
        let more = [spelling(ntlm), spelling(import), spelling(existing)];
        left.into_iter().chain(more).flatten().next()
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
            let Ok(Some(Invocation { action, file, .. })) = parse(&arguments) else {
                panic!("{arguments:?}")
            };
            assert_eq!(file, Some(PathBuf::from("/x")));
            let Action::Add(Add { name, role, comment, .. }) = action else { panic!("{action:?}") };
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
            (&["add", "a b"], "invalid account name \"a b\""),
            (&["add", "a", "b"], "\"b\" is one word too many"),
            (&["list", "a"], "\"a\" is one word too many"),
            (&["grow", "a"], "unknown action \"grow\""),
            (&["list", "--admin"], "--admin means nothing"),
            (&["remove", "a", "--password-stdin"], "--password-stdin means nothing"),
            (&["add", "a", "--admin", "--no-admin"], "--admin and --no-admin contradict"),
            (&["add", "a", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["add", "a", "--comment", "x:y"], "colon"),
            (&["add", "a", "--ntlm", "--no-ntlm"], "--ntlm and --no-ntlm contradict"),
            (&["list", "--ntlm"], "--ntlm means nothing"),
            (&["import"], "--smbpasswd FILE or --shadow FILE"),
            (&["import", "--smbpasswd", "a", "--shadow", "b"], "--smbpasswd and --shadow contradict"),
            (&["import", "--shadow", "a", "bob"], "\"bob\" is one word too many"),
            (&["add", "a", "--replace"], "--replace means nothing"),
            (&["add", "a", "--shadow", "b"], "--shadow means nothing"),
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
