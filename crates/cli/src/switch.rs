//! Switches: syntax, and the table that parser, help, man page and completion read.

use std::ops::RangeInclusive;

use crate::endpoint::Transport;
use crate::error::Error;
use crate::format::Format;
use crate::secret::Secret;

/// A command-line switch that sets a field of `D`.
pub(crate) struct Switch<D> {
    /// Long name, without the dash.
    pub(crate) name: &'static str,
    /// Alternative names, the usual short one first.
    pub(crate) short: &'static [&'static str],
    pub(crate) value: Value,
    /// Help text: one line, lower case, no full stop.
    pub(crate) about: &'static str,
    /// Operations that accept the switch.
    pub(crate) scope: Scope,
    /// Help topic that lists the switch.
    pub(crate) group: Group,
    pub(crate) repeats: Repeats,
    store: fn(&mut D, SwitchValue) -> Result<(), Error>,
}

/// Kind of value after the colon.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// No value.
    None,
    /// Text, with its placeholder for help.
    Text(&'static str),
    /// Optional text, with its placeholder for help.
    Optional(&'static str),
    /// A file name, with its placeholder for help.
    File(&'static str),
    /// One of several keywords, in any case.
    Words(fn() -> Vec<&'static str>),
}

/// Number of times a switch may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    Once,
    Often,
}

/// Groups of switches in help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Remote,
    Login,
    Proxy,
    Input,
    Filter,
    Output,
    QuickConfig,
    Doctor,
    Shell,
}

/// A set of operations, one bit each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope(pub(crate) u32);

impl Scope {
    pub(crate) const ALL: Self = Self(u32::MAX);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl<D> Switch<D> {
    /// Creates a switch that is valid once and for every operation. The methods below change this.
    pub(crate) const fn new(
        name: &'static str,
        value: Value,
        about: &'static str,
        store: fn(&mut D, SwitchValue) -> Result<(), Error>,
    ) -> Self {
        let (scope, group, repeats) = (Scope::ALL, Group::Output, Repeats::Once);
        Self { name, short: &[], value, about, scope, group, repeats, store }
    }

    pub(crate) const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short = names;
        self
    }

    pub(crate) const fn on(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) const fn under(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    pub(crate) const fn often(mut self) -> Self {
        self.repeats = Repeats::Often;
        self
    }

    /// Returns the switch as shown in help, such as `-remote:ENDPOINT`.
    pub(crate) fn usage(&self) -> String {
        match self.value {
            Value::None => format!("-{}", self.name),
            Value::Optional(_) => format!("-{}[:{}]", self.name, self.placeholder()),
            _ => format!("-{}:{}", self.name, self.placeholder()),
        }
    }

    /// Returns the placeholder of the value in help; empty for a switch without value.
    pub(crate) fn placeholder(&self) -> String {
        match self.value {
            Value::None => String::new(),
            Value::Text(word) | Value::Optional(word) | Value::File(word) => word.to_owned(),
            Value::Words(words) => words().join("|"),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(self.short).any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Classified command-line argument.
pub(crate) enum Item<'t, D> {
    /// Positional argument.
    Word,
    /// Known switch with the value after its colon.
    Switch(&'t Switch<D>, Option<String>),
    /// `-?`, `/?` or `--help`.
    Help,
    /// `--version`.
    Version,
    /// `--anything` or `//anything`, which Windows ignores.
    Ignored,
}

impl<'t, D> Item<'t, D> {
    /// Classifies one argument. `/name` is a switch only if the table contains the name; otherwise it may be a path.
    pub(crate) fn read(table: &'t [Switch<D>], item: &str) -> Result<Self, Error> {
        let (body, dashed) = match (item.strip_prefix('-'), item.strip_prefix('/')) {
            (Some(body), _) => (body, true),
            (_, Some(body)) => (body, false),
            _ => return Ok(Self::Word),
        };
        match item {
            "-?" | "/?" | "--help" => return Ok(Self::Help),
            "--version" => return Ok(Self::Version),
            _ if item.starts_with("--") || item.starts_with("//") => return Ok(Self::Ignored),
            _ => {}
        }
        let (name, value) = match body.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        match table.iter().find(|switch| switch.is_named(name)) {
            Some(switch) => Ok(Self::Switch(switch, value.map(|v| unquote(switch.name, v)).transpose()?)),
            None if !dashed => Ok(Self::Word),
            None if name.is_empty() => Err(Error::NamelessSwitch { text: item.to_owned() }),
            // A negative number, such as an error code for `helpmsg`.
            None if name.starts_with(|c: char| c.is_ascii_digit()) => Ok(Self::Word),
            None => Err(Error::UnknownSwitch { name: name.to_owned(), nearest: nearest_switch(table, name) }),
        }
    }
}

/// Parsed switch values, and the names of the switches seen so far.
pub(crate) struct ParsedSwitches<D> {
    pub(crate) values: D,
    seen: Vec<&'static str>,
}

impl<D: Default> ParsedSwitches<D> {
    pub(crate) fn new() -> Self {
        Self { values: D::default(), seen: Vec::new() }
    }

    pub(crate) fn store(&mut self, switch: &Switch<D>, value: Option<String>) -> Result<(), Error> {
        let name = switch.name;
        if switch.repeats == Repeats::Once && self.seen.contains(&name) {
            return Err(Error::RepeatedSwitch { name });
        }
        self.seen.push(name);
        let text = match (switch.value, value) {
            (Value::None, Some(_)) => return Err(Error::ValueUnexpected { name }),
            (Value::None | Value::Optional(_), None) => String::new(),
            (Value::Optional(_), Some(text)) => text,
            (_, Some(text)) if !text.is_empty() => text,
            _ => return Err(Error::ValueMissing { name, placeholder: switch.placeholder() }),
        };
        (switch.store)(&mut self.values, SwitchValue { name, text })
    }

    /// Returns the long names of the switches given, in order.
    pub(crate) fn seen(&self) -> &[&'static str] {
        &self.seen
    }
}

/// Value of a switch, with the name of the switch for error messages.
pub(crate) struct SwitchValue {
    name: &'static str,
    text: String,
}

impl SwitchValue {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn into_secret(self) -> Secret {
        Secret::new(self.text)
    }

    pub(crate) fn keyword<K: Keyword>(&self) -> Result<K, Error> {
        find_keyword(&self.text).ok_or_else(|| Error::NotOneOf {
            name: self.name,
            value: self.text.clone(),
            words: keywords::<K>().join(", "),
        })
    }

    pub(crate) fn number(&self, range: RangeInclusive<u64>) -> Result<u64, Error> {
        let number = self.text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| Error::NotInRange {
            name: self.name,
            value: self.text.clone(),
            least: *range.start(),
            most: *range.end(),
        })
    }

    /// Returns the error for a value that does not have the format of the switch.
    pub(crate) fn bad_form(&self, form: &'static str) -> Error {
        Error::BadForm { name: self.name, form }
    }
}

/// A value written as one of a few words.
pub trait Keyword: Copy + 'static {
    /// Each word with its value, in the order in which help lists them.
    const WORDS: &'static [(&'static str, Self)];

    /// Returns the value of a word in lower case.
    fn find(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(other, _)| *other == word).map(|(_, value)| *value)
    }
}

impl Keyword for Transport {
    const WORDS: &'static [(&'static str, Self)] = &[("http", Self::Http), ("https", Self::Https)];
}

impl Keyword for Format {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("pretty", Self::Pretty),
        ("xml", Self::Xml),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("yaml", Self::Yaml),
    ];
}

/// Returns the value of a word in any case, as `winrm` and `winrs` accept it.
pub(crate) fn find_keyword<K: Keyword>(text: &str) -> Option<K> {
    K::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

/// Returns the words of a keyword type.
#[must_use]
pub fn keywords<K: Keyword>() -> Vec<&'static str> {
    K::WORDS.iter().map(|(word, _)| *word).collect()
}

/// Returns the candidate most similar to a mistyped word, with an edit distance of at most two.
#[must_use]
pub fn nearest(mistyped: &str, candidates: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let mistyped = mistyped.to_ascii_lowercase();
    let ranked = candidates
        .into_iter()
        .map(|candidate| (edit_distance(&mistyped, &candidate.to_ascii_lowercase()), candidate));
    ranked.filter(|(edits, word)| *edits <= 2 && *edits * 2 < word.len()).min().map(|(_, word)| word)
}

fn nearest_switch<D>(table: &[Switch<D>], name: &str) -> Option<&'static str> {
    nearest(name, table.iter().map(|switch| switch.name))
}

/// Returns the Levenshtein distance: the number of characters to insert, delete or replace.
#[must_use]
pub fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((other, above), after) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above + usize::from(*other != letter)).min(after + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Removes the enclosing quotation marks from a value. An escaped mark, `\"`, is part of the value.
fn unquote(name: &'static str, raw: &str) -> Result<String, Error> {
    let opens = raw.starts_with('"');
    let closes = raw.len() > 1 && raw.ends_with('"') && !raw.ends_with("\\\"");
    let inner = match (opens, closes) {
        (true, true) => raw.get(1..raw.len() - 1).unwrap_or_default(),
        (false, false) if raw != "\"" => raw,
        _ => return Err(Error::UnbalancedQuote { name }),
    };
    Ok(inner.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_are_removed_in_pairs_only() {
        for (raw, value) in [
            ("", ""),
            ("plain", "plain"),
            ("\"two words\"", "two words"),
            ("\"\"", ""),
            ("say \\\"hi\\\"", "say \"hi\""),
            ("\"C:\\Program Files\"", "C:\\Program Files"),
        ] {
            assert_eq!(unquote("x", raw).as_deref(), Ok(value), "of {raw:?}");
        }
        for raw in ["\"", "\"open", "close\"", "\"C:\\dir\\\""] {
            assert_eq!(unquote("x", raw), Err(Error::UnbalancedQuote { name: "x" }), "of {raw:?}");
        }
    }

    #[test]
    fn nearest_finds_typing_errors() {
        let known = ["remote", "timeout", "set"];
        assert_eq!(nearest("remtoe", known), Some("remote"));
        assert_eq!(nearest("TIMEOUTS", known), Some("timeout"));
        assert_eq!(nearest("gett", ["get", "enumerate"]), Some("get"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
    }
}
