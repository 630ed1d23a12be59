//! Texts of faults. Each says what failed, why, and what to do; `faults.txt` lists all of them.
//!
//! A line of the list without indentation is a source file. Below it are the texts of this file:
//!
//! ```text
//!     - the shell already has {limit} commands; » release some
//!     > retry later
//!     + with exit code {code}
//! ```
//!
//! A dash marks a text of its own, whose part behind `»` says what to do. Advice (`>`) and other parts (`+`) are inserted
//! into texts.

use crate::tokens::{Kind, Token, tokens};

/// List of all texts.
pub const LIST: &str = include_str!("../faults.txt");

/// Texts of one source file.
#[derive(Debug)]
pub struct Place {
    /// Path from the root of the project.
    pub path: String,
    /// Texts in the order of the file.
    pub entries: Vec<Entry>,
}

/// Listed text.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// Text of a fault.
    Fault {
        /// What failed, and why.
        cause: String,
        /// What to do.
        fix: String,
    },
    /// What to do, for texts that do not say so themselves.
    Advice(String),
    /// Another part of a text.
    Part(String),
}

impl Entry {
    /// Returns the text as it is in the source.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Fault { cause, fix } => format!("{cause}{fix}"),
            Self::Advice(text) | Self::Part(text) => text.clone(),
        }
    }

    fn parse(line: &str) -> Result<Self, String> {
        let text = |text: &str| text.replace("\\n", "\n").trim().to_owned();
        match line.split_at_checked(2) {
            Some(("- ", fault)) => {
                let (cause, fix) = fault.split_once("» ").ok_or_else(|| format!("no » in: {line}"))?;
                let cause = cause.replace("\\n", "\n").trim_start().to_owned();
                Ok(Self::Fault { cause, fix: text(fix) })
            }
            Some(("> ", advice)) => Ok(Self::Advice(text(advice))),
            Some(("+ ", part)) => Ok(Self::Part(text(part))),
            _ => Err(format!("a text begins with -, > or +: {line}")),
        }
    }
}

/// Parses the list.
///
/// # Errors
/// The first line that does not follow the format.
pub fn parse(list: &str) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    for line in list.lines() {
        match (line.strip_prefix("    "), places.last_mut()) {
            (Some(entry), Some(place)) => place.entries.push(Entry::parse(entry)?),
            (Some(_), None) => return Err(format!("a text before the first file: {line}")),
            (None, _) => places.push(Place { path: line.to_owned(), entries: Vec::new() }),
        }
    }
    Ok(places)
}

/// Returns the texts of a source file: its string literals of several words, without those of the log.
#[must_use]
pub fn texts(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut rest = tokens.as_slice();
    let mut found = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if let Kind::Word(word) = first.kind
            && let Some(arguments) = arguments_without_faults(word, behind)
        {
            rest = behind_arguments(arguments);
        } else if let Kind::Literal(literal) = first.kind {
            let text = content(literal).trim().to_owned();
            let is_sentence = text.matches(' ').count() >= 2 && !text.starts_with("http");
            found.extend(is_sentence.then_some(text));
        }
    }
    found
}

/// Checks the text of a fault that a service has sent: it ends with one of the listed texts, and has no value in the
/// form of `Debug`.
///
/// # Errors
/// The reason why it does not follow the rule.
///
/// # Panics
/// If the list is malformed.
pub fn check(text: &str) -> Result<(), String> {
    if let Some(debug) =
        ["Some(", "Ok(", "Err(", "Os {", "\\u{"].into_iter().find(|debug| text.contains(debug))
    {
        return Err(format!("{text:?} contains {debug}"));
    }
    let places = parse(LIST).unwrap_or_else(|error| panic!("faults.txt: {error}"));
    let is_explained = places.iter().flat_map(|place| &place.entries).any(|entry| match entry {
        Entry::Fault { cause, fix } => contains(text, &format!("{cause}{fix}")),
        Entry::Advice(advice) => contains(text, advice),
        Entry::Part(_) => false,
    });
    if is_explained { Ok(()) } else { Err(format!("{text:?} is not listed with what to do")) }
}

/// Returns whether the literal parts of a format string occur in a text, in order.
fn contains(text: &str, format: &str) -> bool {
    let mut rest = text;
    let mut length = 0;
    for part in literal_parts(format) {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
        length += part.len();
    }
    length >= MIN_LITERAL
}

/// Splits a format string at its placeholders.
fn literal_parts(format: &str) -> impl Iterator<Item = &str> {
    let parts = format.split('{').map(|part| part.split_once('}').map_or(part, |(_, literal)| literal));
    parts.filter(|part| !part.is_empty())
}

/// Returns the tokens behind a name whose arguments contain no texts of faults: macros of the log and of panics, and
/// the attributes of lints.
fn arguments_without_faults<'t, 's>(word: &str, behind: &'t [Token<'s>]) -> Option<&'t [Token<'s>]> {
    const MACROS: [&str; 9] =
        ["trace", "debug", "info", "warn", "error", "panic", "assert", "assert_eq", "unreachable"];
    match behind {
        [Token { kind: Kind::Sign('!'), .. }, rest @ ..] if MACROS.contains(&word) => Some(rest),
        rest if word == "expect" || word == "allow" => Some(rest),
        _ => None,
    }
}

/// Returns the tokens behind the brackets with which these begin.
fn behind_arguments<'t, 's>(tokens: &'t [Token<'s>]) -> &'t [Token<'s>] {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return tokens.get(at + 1..).unwrap_or_default();
        }
    }
    &[]
}

/// Returns the content of a literal: without prefix and quotes, and with escapes replaced.
fn content(literal: &str) -> String {
    let Some((prefix, quoted)) = literal.split_once('"') else { return String::new() };
    if prefix.contains('r') {
        return quoted.trim_end_matches('#').trim_end_matches('"').to_owned();
    }
    let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
    let mut text = String::new();
    let mut rest = quoted;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut behind = escaped.chars();
        rest = match behind.next() {
            Some('n') => {
                text.push('\n');
                behind.as_str()
            }
            Some('\n') => behind.as_str().trim_start(),
            Some(character) => {
                text.push(character);
                behind.as_str()
            }
            None => "",
        };
    }
    text + rest
}

/// Smallest number of bytes outside of placeholders by which a text is recognised.
const MIN_LITERAL: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sentences_outside_of_the_log() {
        let source = r##"
            #[error("no {0}; \
                     add \"it\"")]
            tracing::warn!(x = f("a b c"), "Cannot do it at all");
            let short = "two words"; let uri = "http://a b c";
            x.expect("it is always there");
            Fault::new(code, r#"raw "text" of a fault"#)
        "##;
        assert_eq!(texts(source), ["no {0}; add \"it\"", "raw \"text\" of a fault"]);
    }

    #[test]
    fn a_text_is_recognised_by_its_literal_parts_in_order() {
        let format = "more than {limit} shells; close {some}";
        assert!(contains("more than 7 shells; close one", format));
        assert!(contains("Winrs: more than 7 shells; close ", format));
        assert!(!contains("close one; more than 7 shells", format));
        assert!(!contains("anything", "{}"));
    }

    #[test]
    fn the_list_is_parsed() {
        let places = parse("a.rs\n    - no x\\n  » add x\n    > retry later\n    +  with code\n").unwrap();
        let [place] = places.as_slice() else { panic!("{places:?}") };
        let texts: Vec<_> = place.entries.iter().map(Entry::text).collect();
        assert_eq!(texts, ["no x\n  add x", "retry later", "with code"]);
        assert!(parse("a.rs\n    - no fix").is_err());
    }
}
