//! Switches: how one is written, and the value that parser, help, man page and completion all read.

use std::ops::RangeInclusive;

use crate::endpoint::Transport;
use crate::error::Error;
use crate::format::Format;
use crate::secret::Secret;

/// One switch of a command line that fills a draft `D`.
pub(crate) struct Switch<D> {
    /// The long name, without the dash.
    pub(crate) name: &'static str,
    /// Other names, the usual short one first.
    pub(crate) short: &'static [&'static str],
    pub(crate) value: Value,
    /// One line for help, lower case, no full stop.
    pub(crate) about: &'static str,
    /// The operations it is valid for.
    pub(crate) scope: Scope,
    /// The heading it stands under in help.
    pub(crate) group: Group,
    pub(crate) repeats: Repeats,
    store: fn(&mut D, Given) -> Result<(), Error>,
}

/// What may follow the colon.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// Nothing.
    None,
    /// Text; the word stands for it in help.
    Text(&'static str),
    /// Text that may be missing.
    Optional(&'static str),
    /// The name of a file.
    File(&'static str),
    /// One of a few words, in any case.
    Words(fn() -> Vec<&'static str>),
}

/// How often a switch may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    Once,
    Often,
}

/// The headings under which help lists switches.
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
    /// A switch that is valid everywhere and once; the methods below say otherwise.
    pub(crate) const fn new(
        name: &'static str,
        value: Value,
        about: &'static str,
        store: fn(&mut D, Given) -> Result<(), Error>,
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

    /// The switch as help writes it: `-remote:ENDPOINT`.
    pub(crate) fn usage(&self) -> String {
        match self.value {
            Value::None => format!("-{}", self.name),
            Value::Optional(_) => format!("-{}[:{}]", self.name, self.placeholder()),
            _ => format!("-{}:{}", self.name, self.placeholder()),
        }
    }

    /// What stands for the value in help; empty if there is none.
    pub(crate) fn placeholder(&self) -> String {
        match self.value {
            Value::None => String::new(),
            Value::Text(word) | Value::Optional(word) | Value::File(word) => word.to_owned(),
            Value::Words(words) => words().join("|"),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(self.short).any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// What one item of a command line is.
pub(crate) enum Item<'t, D> {
    /// No switch at all.
    Word,
    /// A known switch with what followed its colon.
    Switch(&'t Switch<D>, Option<String>),
    /// `-?` and its kin: help for what is being typed.
    Help,
    /// `--version`.
    Version,
    /// `--anything` and `//anything`, which have always been passed over.
    Ignored,
}

impl<'t, D> Item<'t, D> {
    /// Reads one item. `/name` is a switch only if the table knows the name: it may be a path.
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
        let known = table.iter().find(|switch| switch.is_named(name));
        match known {
            Some(switch) => Ok(Self::Switch(switch, value.map(|v| unquote(switch.name, v)).transpose()?)),
            None if !dashed => Ok(Self::Word),
            None if name.is_empty() => Err(Error::NamelessSwitch { text: item.to_owned() }),
            // A negative number, such as the codes `helpmsg` explains.
            None if name.starts_with(|c: char| c.is_ascii_digit()) => Ok(Self::Word),
            None => Err(Error::UnknownSwitch { name: name.to_owned(), nearest: nearest_switch(table, name) }),
        }
    }
}

/// A draft being filled, and which switches it has seen.
pub(crate) struct Filling<D> {
    pub(crate) draft: D,
    seen: Vec<&'static str>,
}

impl<D: Default> Filling<D> {
    pub(crate) fn new() -> Self {
        Self { draft: D::default(), seen: Vec::new() }
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
        (switch.store)(&mut self.draft, Given { name, text })
    }

    /// The long names of the switches given, in order.
    pub(crate) fn seen(&self) -> &[&'static str] {
        &self.seen
    }
}

/// The value of a switch on its way into a draft.
pub(crate) struct Given {
    name: &'static str,
    text: String,
}

impl Given {
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
            words: names::<K>().join(", "),
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

    /// The error for a value that is not of the form the switch asks for.
    pub(crate) fn bad_form(&self, form: &'static str) -> Error {
        Error::BadForm { name: self.name, form }
    }
}

/// A value that is written as one of a few words.
pub(crate) trait Keyword: Copy + 'static {
    /// Every word with what it means, as help lists them.
    const WORDS: &'static [(&'static str, Self)];
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

pub(crate) fn find_keyword<K: Keyword>(text: &str) -> Option<K> {
    K::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

/// The words of a keyword, for [`Value::Words`].
pub(crate) fn names<K: Keyword>() -> Vec<&'static str> {
    K::WORDS.iter().map(|(word, _)| *word).collect()
}

/// The known word that is at most two slips away from a mistyped one.
#[must_use]
pub fn nearest(mistyped: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let mistyped = mistyped.to_ascii_lowercase();
    let ranked = known.into_iter().map(|word| (slips(&mistyped, &word.to_ascii_lowercase()), word));
    ranked.filter(|(slips, word)| *slips <= 2 && *slips * 2 < word.len()).min().map(|(_, word)| word)
}

fn nearest_switch<D>(table: &[Switch<D>], name: &str) -> Option<&'static str> {
    nearest(name, table.iter().map(|switch| switch.name))
}

/// How many letters must be added, dropped or replaced to make one word of the other.
#[must_use]
pub fn slips(from: &str, to: &str) -> usize {
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

/// Takes the quotation marks off a value; a mark behind a backslash is a character of it.
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
    fn quotation_marks_come_off_in_pairs_only() {
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
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["remote", "timeout", "set"];
        assert_eq!(nearest("remtoe", known), Some("remote"));
        assert_eq!(nearest("TIMEOUTS", known), Some("timeout"));
        assert_eq!(nearest("gett", ["get", "enumerate"]), Some("get"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
    }
}
