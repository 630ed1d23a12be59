//! The types of the command table.

use crate::{Arguments, Failure};

/// A command of `telarch`, such as `telarch account`.
#[derive(Clone, Copy)]
pub struct Command {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) examples: &'static [&'static str],
    pub(crate) actions: &'static [Action],
    pub(crate) options: &'static [&'static Opt],
    pub(crate) exclusive: &'static [&'static [&'static Opt]],
    pub(crate) subcommands: &'static [&'static Command],
    pub(crate) notes: &'static [&'static str],
    pub(crate) failure: &'static str,
    pub(crate) single_dash: SingleDash,
    pub(crate) no_arguments: NoArguments,
    pub(crate) hint: fn(&[&str]) -> Option<String>,
    pub(crate) run: Run,
}

type Run = fn(&Arguments) -> Result<String, Failure>;

impl Command {
    /// A command without actions and options.
    ///
    /// `name` is the words that select it, such as `ipmi host`; `about` is its purpose in one line, as an imperative
    /// without a full stop. The text that `run` returns is printed.
    pub const fn new(name: &'static str, about: &'static str, run: Run) -> Self {
        Self {
            name,
            about,
            examples: &[],
            actions: &[],
            options: &[],
            exclusive: &[],
            subcommands: &[],
            notes: &[],
            failure: "a failure",
            single_dash: SingleDash::Options,
            no_arguments: NoArguments::Help,
            hint: |_| None,
            run,
        }
    }

    /// Sets the command lines that help shows as examples.
    pub const fn examples(mut self, examples: &'static [&'static str]) -> Self {
        self.examples = examples;
        self
    }

    /// Sets the actions, in the order in which help lists them.
    pub const fn actions(mut self, actions: &'static [Action]) -> Self {
        self.actions = actions;
        self
    }

    /// Sets the options, in the order in which help lists them; `--help` is added to every command.
    pub const fn options(mut self, options: &'static [&'static Opt]) -> Self {
        self.options = options;
        self
    }

    /// Sets groups of mutually exclusive options.
    pub const fn exclusive(mut self, groups: &'static [&'static [&'static Opt]]) -> Self {
        self.exclusive = groups;
        self
    }

    /// Sets commands with options of their own, which are selected in place of an action.
    pub const fn subcommands(mut self, subcommands: &'static [&'static Self]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// Sets the paragraphs that help shows below the options; a paragraph that begins with two spaces is not wrapped.
    pub const fn notes(mut self, notes: &'static [&'static str]) -> Self {
        self.notes = notes;
        self
    }

    /// Sets the meaning of exit status 1 (default: `a failure`).
    pub const fn exit_status_1(mut self, meaning: &'static str) -> Self {
        self.failure = meaning;
        self
    }

    /// Sets how arguments with one leading hyphen are read (default: as options).
    pub const fn single_dash(mut self, rule: SingleDash) -> Self {
        self.single_dash = rule;
        self
    }

    /// Sets the behavior without any arguments (default: print help).
    pub const fn without_arguments(mut self, rule: NoArguments) -> Self {
        self.no_arguments = rule;
        self
    }

    /// Sets a function that returns the error for unknown words, such as those of a similar program.
    pub const fn hint(mut self, hint: fn(&[&str]) -> Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The words that select the command.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The actions, in the order in which help lists them.
    pub fn all_actions(&self) -> &'static [Action] {
        self.actions
    }

    /// The word that selects this command among the subcommands of another.
    pub(crate) fn last_word(&self) -> &'static str {
        self.name.rsplit(' ').next().unwrap_or_default()
    }

    pub(crate) fn listed_actions(&self) -> impl Iterator<Item = &'static Action> {
        self.actions.iter().filter(|action| !action.is_hidden)
    }

    /// Returns this command, followed by its subcommands.
    pub(crate) fn with_subcommands(&'static self) -> impl Iterator<Item = &'static Self> {
        std::iter::once(self).chain(self.subcommands.iter().copied())
    }

    /// Returns a usage error with the name of this command.
    pub fn usage_error(&self, problem: impl std::fmt::Display) -> Failure {
        let Self { name, .. } = self;
        Failure::usage(format!("{name}: {problem}"), &format!("run telarch {name} --help for usage"))
    }
}

/// An action of a command, such as `add NAME`.
#[derive(Clone, Copy)]
pub struct Action {
    pub(crate) name: &'static str,
    pub(crate) forms: &'static [(&'static str, &'static str)],
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) completions: &'static [&'static str],
    pub(crate) is_hidden: bool,
}

impl Action {
    /// An action with its forms: parameters as help writes them, and what the action does with them.
    ///
    /// It takes no parameters unless [`takes`](Self::takes) is called.
    pub const fn new(name: &'static str, forms: &'static [(&'static str, &'static str)]) -> Self {
        Self { name, forms, least: 0, most: 0, completions: &[], is_hidden: false }
    }

    /// The action of words whose first is the name of no other action.
    pub const fn default(forms: &'static [(&'static str, &'static str)]) -> Self {
        Self::new("", forms)
    }

    /// Sets the minimum and maximum number of parameters.
    pub const fn takes(mut self, least: usize, most: usize) -> Self {
        self.least = least;
        self.most = most;
        self
    }

    /// Allows any number of parameters, which the front end checks.
    pub const fn takes_any(self) -> Self {
        self.takes(0, usize::MAX)
    }

    /// Sets the words that shell completion offers as parameters.
    pub const fn completions(mut self, words: &'static [&'static str]) -> Self {
        self.completions = words;
        self
    }

    /// Leaves the action out of help and completion.
    pub const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// The word that selects the action; empty for the default action.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Words that shell completion offers as parameters.
    pub fn completed_words(&self) -> &'static [&'static str] {
        self.completions
    }
}

/// An option of a command, such as `--format FORMAT`.
#[derive(Clone, Copy)]
pub struct Opt {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) value: Value,
    pub(crate) about: &'static str,
    pub(crate) scope: &'static [Scope],
    pub(crate) may_repeat: bool,
}

impl Opt {
    /// An option that is valid with every action and may be given once.
    ///
    /// `name` is without hyphens; `about` is a phrase in lower case without a full stop, with the default in
    /// parentheses.
    pub const fn new(name: &'static str, value: Value, about: &'static str) -> Self {
        Self { name, short: None, value, about, scope: &[], may_repeat: false }
    }

    /// Sets a second name of one letter.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// Restricts the option to these actions, or to command lines with these other options.
    pub const fn only_with(mut self, scope: &'static [Scope]) -> Self {
        self.scope = scope;
        self
    }

    /// Allows the option to be given more than once.
    pub const fn repeatable(mut self) -> Self {
        self.may_repeat = true;
        self
    }

    /// The long name with its hyphens.
    pub fn long(&self) -> String {
        format!("--{}", self.name)
    }

    /// The option as help writes it: `-n, --namespace NS`.
    pub(crate) fn usage(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let placeholder = self.placeholder();
        format!("{short}--{} {placeholder}", self.name).trim_end().to_owned()
    }

    /// The words for the value in help; empty if the option takes none.
    pub(crate) fn placeholder(&self) -> String {
        match self.value {
            Value::None => String::new(),
            Value::Text(word) | Value::Path(word) | Value::OneOf(word, _) | Value::Completed(word, _) => {
                word.to_owned()
            }
        }
    }

    /// The description as help writes it, with the scope: `with plot, --watch: duration`.
    pub(crate) fn description(&self) -> String {
        if self.scope.is_empty() {
            return self.about.to_owned();
        }
        format!("with {}: {}", scopes(self.scope, ", "), self.about)
    }
}

/// A condition under which an option is valid.
#[derive(Clone, Copy)]
pub enum Scope {
    /// The action of this name is requested.
    Action(&'static str),
    /// This other option is given.
    Option(&'static Opt),
}

/// Scopes as a list.
pub(crate) fn scopes(scopes: &[Scope], separator: &str) -> String {
    let names: Vec<String> = scopes
        .iter()
        .map(|scope| match scope {
            Scope::Action(name) => (*name).to_owned(),
            Scope::Option(option) => option.long(),
        })
        .collect();
    names.join(separator)
}

/// The value of an option.
#[derive(Clone, Copy)]
pub enum Value {
    /// No value.
    None,
    /// Text, named by this word in help.
    Text(&'static str),
    /// A file or directory, named by this word in help.
    Path(&'static str),
    /// A word from the list that the function returns, named by this word in help.
    OneOf(&'static str, fn() -> Vec<&'static str>),
    /// Text that the front end parses, named by this word in help; shell completion offers the words that the function
    /// returns.
    Completed(&'static str, fn() -> Vec<&'static str>),
}

/// Interpretation of arguments with one leading hyphen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SingleDash {
    /// Short options.
    Options,
    /// Words, such as negative numbers; `-h` is help.
    Words,
    /// Switches of `winrm`, except for the short options of the table. A switch that is listed here takes the next argument
    /// as its value if it has no colon.
    Switches(&'static [&'static str]),
}

/// Behavior of a command without any arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NoArguments {
    /// Print help.
    Help,
    /// Run the default action.
    Run,
}
