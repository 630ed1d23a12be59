//! The parser of command lines.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser};

use cli::Keyword;

use crate::table::{Action, Command, NoArguments, Opt, Scope, SingleDash, Value};
use crate::{Failure, table};

/// A parsed command line that obeys the command table.
pub struct Arguments {
    command: &'static Command,
    action: Option<&'static Action>,
    words: Vec<String>,
    switches: Vec<String>,
    given: Vec<(&'static Opt, OsString)>,
}

/// An argument of a command line.
enum Item {
    Word(String),
    Switch(String),
    Option(&'static Opt, OsString),
    Help,
}

impl Arguments {
    /// Parses the arguments of a command; `None` if they request help.
    ///
    /// # Errors
    /// Returns a usage error for an unknown action or option, an option that is given twice, excludes another one or
    /// is not valid with the action, a value that is missing or not in the table, and a wrong number of words.
    pub fn parse(command: &'static Command, mut parser: Parser) -> Result<Option<Self>, Failure> {
        let mut read =
            Self { command, action: None, words: Vec::new(), switches: Vec::new(), given: Vec::new() };
        while let Some(item) = next(command, &mut parser)? {
            match item {
                Item::Word(word) => read.words.push(word),
                Item::Switch(switch) => read.switches.push(switch),
                Item::Option(option, value) => read.add(option, value)?,
                Item::Help => return Ok(None),
            }
        }
        let is_empty = read.words.is_empty() && read.given.is_empty() && read.switches.is_empty();
        if is_empty && command.no_arguments == NoArguments::Help {
            return Ok(None);
        }
        let action = read.take_action()?;
        read.action = Some(action);
        read.check_options(action)?;
        read.check_word_count(action)?;
        Ok(Some(read))
    }

    /// Parses words in place of the arguments of this process.
    ///
    /// # Errors
    /// Returns the errors of [`parse`](Self::parse).
    pub fn parse_words(command: &'static Command, words: &[&str]) -> Result<Option<Self>, Failure> {
        Self::parse(command, Parser::from_args(words))
    }

    /// The name of the action; empty for the default action.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.action.map_or("", |action| action.name)
    }

    /// The words after the action.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// The switches of `winrm`, in order.
    #[must_use]
    pub fn switches(&self) -> &[String] {
        &self.switches
    }

    /// Returns whether the option was given.
    #[must_use]
    pub fn is_given(&self, option: &Opt) -> bool {
        self.value(option).is_some()
    }

    /// The value of an option as a path.
    #[must_use]
    pub fn path(&self, option: &Opt) -> Option<PathBuf> {
        self.value(option).map(PathBuf::from)
    }

    /// The value of an option as text.
    ///
    /// # Errors
    /// Returns a usage error if the value is not UTF-8.
    pub fn text(&self, option: &Opt) -> Result<Option<&str>, Failure> {
        self.value(option).map(|value| self.utf8(option, value)).transpose()
    }

    /// All values of an option that may be given more than once.
    ///
    /// # Errors
    /// Returns a usage error if a value is not UTF-8.
    pub fn texts(&self, option: &Opt) -> Result<Vec<&str>, Failure> {
        let given = self.given.iter().filter(|(other, _)| other.name == option.name);
        given.map(|(_, value)| self.utf8(option, value)).collect()
    }

    /// The value of an option, parsed.
    ///
    /// # Errors
    /// Returns a usage error with the name of the option if the value cannot be parsed.
    pub fn parsed<T: FromStr<Err: Display>>(&self, option: &Opt) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(option)? else { return Ok(None) };
        let parsed = text.parse().map_err(|error| self.usage_error(format!("{}: {error}", option.long())));
        parsed.map(Some)
    }

    /// The value of an option as a number within these bounds.
    ///
    /// # Errors
    /// Returns a usage error if the value is not a number or out of bounds.
    pub fn number(&self, option: &Opt, bounds: RangeInclusive<u64>) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(option)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let (least, most) = bounds.into_inner();
        number.map(Some).ok_or_else(|| {
            self.usage_error(format!("{}: \"{text}\" is not a number from {least} to {most}", option.long()))
        })
    }

    /// The value of an option whose words are those of `K`.
    #[must_use]
    pub fn keyword<K: Keyword>(&self, option: &Opt) -> Option<K> {
        K::find(self.value(option)?.to_str()?)
    }

    /// An error in this command line.
    pub fn usage_error(&self, problem: impl Display) -> Failure {
        self.command.usage_error(problem)
    }

    fn value(&self, option: &Opt) -> Option<&OsString> {
        self.given.iter().find(|(other, _)| other.name == option.name).map(|(_, value)| value)
    }

    fn utf8<'v>(&self, option: &Opt, value: &'v OsString) -> Result<&'v str, Failure> {
        value.to_str().ok_or_else(|| {
            self.usage_error(format!("{}: \"{}\" is not UTF-8", option.long(), value.display()))
        })
    }

    fn add(&mut self, option: &'static Opt, value: OsString) -> Result<(), Failure> {
        if !option.may_repeat && self.is_given(option) {
            return Err(self.usage_error(format!("{} is given twice", option.long())));
        }
        if let Value::OneOf(_, words) = option.value {
            let words = words();
            if !words.iter().any(|word| value == *word) {
                let name = option.long();
                return Err(self.usage_error(format!(
                    "{name}: invalid value \"{}\"; expected {}",
                    value.display(),
                    alternatives(&words)
                )));
            }
        }
        self.given.push((option, value));
        Ok(())
    }

    /// Finds the action and removes its name from the words.
    fn take_action(&mut self) -> Result<&'static Action, Failure> {
        let Command { actions, subcommands, .. } = self.command;
        let default = actions.iter().find(|action| action.name.is_empty());
        let Some(first) = self.words.first() else {
            return default.ok_or_else(|| self.usage_error("no action given"));
        };
        if let Some(subcommand) = subcommands.iter().find(|subcommand| subcommand.last_word() == first) {
            return Err(self.usage_error(format!("options must follow {first}: telarch {}", subcommand.name)));
        }
        if let Some(action) = actions.iter().find(|action| action.name == first) {
            self.words.remove(0);
            return Ok(action);
        }
        default.ok_or_else(|| {
            let words = self.words();
            let hint = (self.command.hint)(&words).unwrap_or_else(|| {
                let names = self.command.listed_actions().map(|action| action.name);
                let names = names.chain(subcommands.iter().map(|subcommand| subcommand.last_word()));
                let nearest = cli::nearest(first, names);
                let meant = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                format!("unknown action \"{first}\"{meant}")
            });
            self.usage_error(hint)
        })
    }

    fn check_options(&self, action: &Action) -> Result<(), Failure> {
        for group in self.command.exclusive {
            let given: Vec<_> = group.iter().filter(|option| self.is_given(option)).collect();
            if let [first, second, ..] = given.as_slice() {
                let (first, second) = (first.long(), second.long());
                return Err(self.usage_error(format!("{first} and {second} are mutually exclusive")));
            }
        }
        for (option, _) in &self.given {
            let is_valid = option.scope.iter().any(|scope| match scope {
                Scope::Action(name) => action.name == *name,
                Scope::Option(other) => self.is_given(other),
            });
            if !is_valid && !option.scope.is_empty() {
                let valid = table::scopes(option.scope, " or ");
                return Err(self.usage_error(format!("{} is only valid with {valid}", option.long())));
            }
        }
        Ok(())
    }

    fn check_word_count(&self, action: &Action) -> Result<(), Failure> {
        if let Some(word) = self.words.get(action.most) {
            let all: Vec<&str> = std::iter::once(action.name).chain(self.words()).collect();
            let hint = (self.command.hint)(&all).unwrap_or_else(|| format!("unexpected argument \"{word}\""));
            return Err(self.usage_error(hint));
        }
        if self.words.len() < action.least {
            let parameters = action.forms.first().map_or("", |(parameters, _)| parameters);
            let usage = format!("telarch {} {} {parameters}", self.command.name, action.name);
            let usage: Vec<&str> = usage.split_whitespace().collect();
            return Err(self.usage_error(format!("missing argument; usage: {}", usage.join(" "))));
        }
        Ok(())
    }
}

/// Joins words as alternatives: `text, csv or json`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn next(command: &'static Command, parser: &mut Parser) -> Result<Option<Item>, Failure> {
    if let Some(item) = next_single_dash(command, parser)? {
        return Ok(Some(item));
    }
    let (option, spelling) = match parser.next().map_err(|error| command.usage_error(error))? {
        None => return Ok(None),
        Some(Arg::Value(word)) => return Ok(Some(Item::Word(word_of(command, word)?))),
        Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Some(Item::Help)),
        Some(Arg::Short(letter)) => {
            let option = command.options.iter().find(|option| option.short == Some(letter));
            (option, format!("-{letter}"))
        }
        Some(Arg::Long(name)) => {
            (command.options.iter().find(|option| option.name == name), format!("--{name}"))
        }
    };
    let Some(option) = option else {
        let names = command.options.iter().map(|option| option.name);
        let nearest = cli::nearest(spelling.trim_start_matches('-'), names);
        let meant = nearest.map(|name| format!("; did you mean --{name}?")).unwrap_or_default();
        return Err(command.usage_error(format!("unknown option {spelling}{meant}")));
    };
    let value = match option.value {
        Value::None if parser.optional_value().is_some() => {
            return Err(command.usage_error(format!("{spelling} takes no value")));
        }
        Value::None => OsString::new(),
        _ => parser.value().map_err(|_| {
            command.usage_error(format!("{spelling} requires a value: {}", option.placeholder()))
        })?,
    };
    Ok(Some(Item::Option(option, value)))
}

/// Reads an argument with one hyphen where it is not a short option.
fn next_single_dash(command: &'static Command, parser: &mut Parser) -> Result<Option<Item>, Failure> {
    let Some(mut raw) = parser.try_raw_args() else { return Ok(None) };
    let next = raw.peek().and_then(std::ffi::OsStr::to_str);
    if let Some(option) = next.and_then(|text| joined_option(command, text)) {
        raw.next();
        return Ok(Some(Item::Option(option, OsString::new())));
    }
    if command.single_dash == SingleDash::Options {
        return Ok(None);
    }
    if !next.is_some_and(|text| is_single_dash(text) && !is_short_option(command, text)) {
        return Ok(None);
    }
    let Some(argument) = raw.next() else { return Ok(None) };
    let text = word_of(command, argument)?;
    let SingleDash::Switches(with_value) = command.single_dash else { return Ok(Some(Item::Word(text))) };
    if !with_value.iter().any(|name| text.trim_start_matches('-') == *name) {
        return Ok(Some(Item::Switch(text)));
    }
    let value = raw.next().ok_or_else(|| command.usage_error(format!("{text} requires a value")))?;
    Ok(Some(Item::Switch(format!("{text}:{}", word_of(command, value)?))))
}

/// Returns the option without a value that an argument names with one hyphen and in one word, as `winrm` and PowerShell do:
/// `-whatif` for `--what-if`.
fn joined_option(command: &'static Command, text: &str) -> Option<&'static Opt> {
    let name = text.strip_prefix('-')?;
    command.options.iter().copied().find(|option| {
        matches!(option.value, Value::None)
            && option.name.contains('-')
            && option.name.replace('-', "").eq_ignore_ascii_case(name)
    })
}

fn is_single_dash(text: &str) -> bool {
    text.len() > 1 && text.starts_with('-') && !text.starts_with("--")
}

fn is_short_option(command: &Command, text: &str) -> bool {
    let mut letters = command.options.iter().filter_map(|option| option.short).chain(['h']);
    letters.any(|letter| text == format!("-{letter}"))
}

fn word_of(command: &Command, word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| command.usage_error(format!("\"{}\" is not UTF-8", word.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    static FILE: Opt = Opt::new("file", Value::Path("PATH"), "file to read").short('f');
    static LOUD: Opt =
        Opt::new("loud", Value::None, "use capital letters").only_with(&[Scope::Action("say")]);
    static QUIET: Opt = Opt::new("quiet", Value::None, "print nothing");
    static WHAT_IF: Opt = Opt::new("what-if", Value::None, "change nothing");
    static COUNT: Opt = Opt::new("count", Value::Text("N"), "repeat").only_with(&[Scope::Option(&LOUD)]);
    static HOST: Opt = Opt::new("host", Value::Text("NAME"), "host").repeatable();
    static KIND: Opt = Opt::new("kind", Value::OneOf("KIND", || vec!["a", "b", "c"]), "kind");
    static CHILD: Command = Command::new("test child", "do less", |_| Ok(String::new()));
    static TEST: Command = Command::new("test", "do something", |_| Ok(String::new()))
        .actions(&[
            Action::new("say", &[("WORD", "say WORD")]).takes(1, 2),
            Action::new("end", &[("", "end")]),
        ])
        .options(&[&FILE, &LOUD, &QUIET, &WHAT_IF, &COUNT, &HOST, &KIND])
        .exclusive(&[&[&LOUD, &QUIET]])
        .subcommands(&[&CHILD]);

    fn parse(arguments: &[&str]) -> Result<Option<Arguments>, Failure> {
        Arguments::parse_words(&TEST, arguments)
    }

    #[test]
    fn options_and_words_are_accepted_in_any_order() {
        for line in
            [["say", "a", "-f", "x", "--loud", "--count=3"], ["--count", "3", "--loud", "-fx", "say", "a"]]
        {
            let arguments = parse(&line).ok().flatten().expect("a valid command line");
            assert_eq!((arguments.action(), arguments.words()), ("say", vec!["a"]));
            assert_eq!(arguments.path(&FILE), Some(PathBuf::from("x")));
            assert_eq!(arguments.number(&COUNT, 1..=9).ok(), Some(Some(3)));
            assert!(arguments.is_given(&LOUD) && !arguments.is_given(&QUIET));
        }
        let twice = parse(&["end", "--host", "a", "--host=b"]).ok().flatten().expect("valid");
        assert_eq!(twice.texts(&HOST).ok(), Some(vec!["a", "b"]));
        for spelling in ["--what-if", "-whatif", "-WhatIf"] {
            let arguments = parse(&["end", spelling]).ok().flatten().expect("valid");
            assert!(arguments.is_given(&WHAT_IF), "{spelling}");
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["say", "--help"]), Ok(None)));
    }

    #[test]
    fn every_rule_of_the_table_is_enforced() {
        for (line, part) in [
            (&["sayy", "a"][..], "test: unknown action \"sayy\"; did you mean say?"),
            (&["say"], "missing argument; usage: telarch test say WORD"),
            (&["end", "a"], "unexpected argument \"a\""),
            (&["end", "--qiuet"], "unknown option --qiuet; did you mean --quiet?"),
            (&["end", "--file"], "--file requires a value: PATH"),
            (&["end", "--quiet=yes"], "--quiet takes no value"),
            (&["end", "--file", "a", "-f", "b"], "--file is given twice"),
            (&["say", "a", "--loud", "--quiet"], "--loud and --quiet are mutually exclusive"),
            (&["end", "--loud"], "--loud is only valid with say"),
            (&["say", "a", "--count", "1"], "--count is only valid with --loud"),
            (&["end", "--kind", "x"], "--kind: invalid value \"x\"; expected a, b or c"),
            (&["--file", "a"], "no action given"),
            (&["--quiet", "child"], "options must follow child: telarch test child"),
        ] {
            let failure = parse(line).map(|_| ()).expect_err("an invalid command line").to_string();
            assert!(failure.contains(part), "{failure} does not contain {part}");
            assert!(failure.ends_with("\n  run telarch test --help for usage"), "{failure}");
        }
    }
}
