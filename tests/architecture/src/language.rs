//! Measures how plainly product code is written: openings of doc comments, pronouns without an antecedent, predicates
//! that do something, and named closures.

use std::path::{Path, PathBuf};

use crate::sources::Source;

/// Figures of product code, with the places that count.
#[derive(Debug, Default)]
pub struct Language {
    /// Lines of doc comments.
    pub doc_lines: usize,
    /// Other lines that are not empty.
    pub code_lines: usize,
    /// Doc comments that begin with a pronoun or a question word instead of a noun or a verb.
    pub openings: Vec<Place>,
    /// Doc comments and messages with a pronoun such as `nobody` in place of a noun.
    pub pronouns: Vec<Place>,
    /// Functions with the name of a predicate that return a `Result` or change their receiver.
    pub predicates: Vec<Place>,
    /// Closures with a name.
    pub closures: Vec<Place>,
    /// Messages that begin with a pronoun or contain one.
    pub messages: Vec<Place>,
}

/// A line of a source file.
#[derive(Debug)]
pub struct Place {
    /// Path from the root of the project.
    pub path: PathBuf,
    /// Number of the line, from 1.
    pub line: usize,
    /// Text of the line.
    pub text: String,
}

/// Words that a doc comment must not begin with.
const OPENINGS: &[&str] = &[
    "What",
    "Whose",
    "Whom",
    "Who",
    "Which",
    "Where",
    "Those",
    "They",
    "Their",
    "It",
    "Its",
    "That",
    "The same",
    "One",
    "As",
    "With",
    "Of",
    "By",
    "For what",
    "From what",
    "In what",
    "Nobody",
    "Somebody",
    "Whoever",
];

/// Words and phrases that hide the noun.
const PRONOUNS: &[&str] = &[
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "whoever",
    "whomever",
    "whom",
    "whosever",
    "anew",
    "at leisure",
    "is told",
    "are told",
    "was told",
    "were told",
    "be told",
    "is none",
    "are none",
    "be had",
    "gives up on",
    "give up on",
    "so many",
    "says so",
    "say so",
];

/// Words that a message must not begin with.
const MESSAGE_OPENINGS: &[&str] =
    &["it", "they", "there", "what", "nobody", "that", "somebody", "those", "which", "whoever", "one"];

/// Lines with these words hold texts for users.
const MESSAGE_MARKS: &[&str] = &[
    "#[error(", "trace!(", "debug!(", "info!(", "warn!(", "error!(", ".help(", "hint", "refus", "fault",
    "println", "message",
];

impl Language {
    /// Measures all Rust sources in the folder `src` of every crate below a folder, without tests.
    ///
    /// # Panics
    /// If a source cannot be read.
    #[must_use]
    pub fn of(root: &Path, folders: &[&str]) -> Self {
        let mut language = Self::default();
        for source in folders.iter().flat_map(|folder| Source::below(&root.join(folder))) {
            let is_example = source.path.components().any(|part| part.as_os_str() == "examples");
            if !is_example && !source.path.ends_with("tests.rs") {
                language.add(source.path.strip_prefix(root).unwrap_or(&source.path), source.product());
            }
        }
        language
    }

    /// Returns how many places there are for each thousand lines.
    #[must_use]
    pub fn per_thousand(places: &[Place], lines: usize) -> f64 {
        let [places, lines] =
            [places.len(), lines].map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        1_000.0 * places / lines.max(1.0)
    }

    fn add(&mut self, path: &Path, product: &str) {
        let mut follows_doc = false;
        for (index, line) in product.lines().enumerate() {
            let line = line.trim();
            let place = || Place { path: path.to_owned(), line: index + 1, text: line.to_owned() };
            if let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
                let doc = doc.strip_prefix(' ').unwrap_or(doc);
                self.doc_lines += 1;
                if !follows_doc && OPENINGS.iter().any(|opening| begins_with(doc, opening)) {
                    self.openings.push(place());
                }
                if has_pronoun(doc) {
                    self.pronouns.push(place());
                }
                follows_doc = true;
                continue;
            }
            follows_doc = false;
            if line.is_empty() {
                continue;
            }
            self.code_lines += 1;
            if is_named_closure(line) {
                self.closures.push(place());
            }
            if is_acting_predicate(line) {
                self.predicates.push(place());
            }
            if MESSAGE_MARKS.iter().any(|mark| line.contains(mark))
                && literals(line).any(|text| text.contains(' ') && is_vague(text))
            {
                self.messages.push(place());
            }
        }
    }
}

/// Returns whether a text begins with words and not merely with the same letters.
fn begins_with(text: &str, words: &str) -> bool {
    let Some(rest) = text.strip_prefix(words) else { return false };
    !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '-')
}

fn has_pronoun(text: &str) -> bool {
    let text = text.to_lowercase();
    PRONOUNS.iter().any(|words| {
        text.match_indices(words).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + words.len()..).and_then(|after| after.chars().next());
            ![before, after].into_iter().flatten().any(|next| next.is_alphanumeric() || next == '_')
        })
    })
}

fn is_vague(message: &str) -> bool {
    let lower = message.to_lowercase();
    let first = lower.split(' ').next().unwrap_or_default();
    MESSAGE_OPENINGS.contains(&first) || has_pronoun(message)
}

/// Returns whether a line is `let name = |…` or `let name = move |…`.
fn is_named_closure(line: &str) -> bool {
    let Some((name, value)) = line.strip_prefix("let ").and_then(|rest| rest.split_once(" = ")) else {
        return false;
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name && value.strip_prefix("move ").unwrap_or(value).starts_with('|')
}

/// Returns whether a line declares a function with the name of a predicate that changes its receiver or can fail.
fn is_acting_predicate(line: &str) -> bool {
    let Some((qualifiers, signature)) = line.split_once("fn ") else { return false };
    let is_declaration = qualifiers
        .split_whitespace()
        .all(|word| word.starts_with("pub") || ["async", "const"].contains(&word));
    let is_predicate = ["is_", "has_", "can_", "may_", "was_", "are_", "had_"]
        .iter()
        .any(|prefix| signature.starts_with(prefix));
    let returned = signature.split_once("-> ").map_or("", |(_, returned)| returned);
    let returned = returned.split(['<', ' ']).next().unwrap_or_default();
    is_declaration && is_predicate && (signature.contains("&mut self") || returned.ends_with("Result"))
}

/// Returns the string literals of a line.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(text: &str) -> Language {
        let mut language = Language::default();
        let source = Source { path: PathBuf::from("x.rs"), text: text.to_owned() };
        language.add(&source.path, source.product());
        language
    }

    #[test]
    fn riddles_are_found_and_plain_sentences_are_not() {
        let riddles = "/// What is left of it.\nfn a() {}\n/// Whether nobody asks.\nfn b() {}\n";
        let found = measure(riddles);
        assert_eq!((found.openings.len(), found.pronouns.len(), found.doc_lines), (1, 1, 2));
        let plain = "/// Iterates over rows.\n///\n/// What follows is read once.\nfn a() {}\n/// Bytes.\nfn b() {}\n";
        let found = measure(plain);
        assert_eq!((found.openings.len(), found.pronouns.len(), found.code_lines), (0, 0, 2));
    }

    #[test]
    fn predicates_must_not_act() {
        for acting in
            ["pub fn is_open(&mut self) -> bool {", "pub(crate) async fn has_room(x: u8) -> io::Result<()> {"]
        {
            assert_eq!(measure(acting).predicates.len(), 1, "{acting}");
        }
        for asking in ["fn is_open(&self) -> bool {", "fn has_result(&self) -> Option<Result<u8, ()>> {"] {
            assert_eq!(measure(asking).predicates.len(), 0, "{asking}");
        }
    }

    #[test]
    fn closures_with_names_and_vague_messages_are_found_outside_tests() {
        let product = "let each = |x: u8| x;\nlet add = move |x| x;\nlet y = a || b;\n";
        let message = "#[error(\"it cannot be reached: {0}\")]\n#[error(\"cannot connect: {0}\")]\n";
        let tests = "#[cfg(test)]\nmod tests {\nlet each = |x| x;\n}\n";
        let found = measure(&[product, message, tests].concat());
        assert_eq!((found.closures.len(), found.messages.len()), (2, 1));
    }
}
