//! Minimal edits of a parsed file.

use std::ops::Range;

use conftext::TextEdits;

use crate::error::UnquotableWord;
use crate::quote::quote;
use crate::tree::{Directive, Document};

/// A directive to be written. All words are quoted where they need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDirective {
    words: Vec<String>,
    /// Words as they are written, with the brackets of a section.
    head: Vec<u8>,
    section: Option<Vec<NewDirective>>,
}

impl NewDirective {
    /// Creates a directive without a section. The first word is the name.
    ///
    /// # Errors
    /// [`UnquotableWord`]
    pub fn simple<T: AsRef<str>>(words: &[T]) -> Result<Self, UnquotableWord> {
        let words = owned(words);
        Ok(Self { head: join(&words)?, words, section: None })
    }

    /// Creates a section. The first word is the name, without `<`.
    ///
    /// # Errors
    /// [`UnquotableWord`]
    pub fn section<T: AsRef<str>>(words: &[T], section: Vec<Self>) -> Result<Self, UnquotableWord> {
        let words = owned(words);
        let head = [b"<".as_slice(), &join(&words)?, b">"].concat();
        Ok(Self { words, head, section: Some(section) })
    }

    /// Creates a comment, which takes a line of its own. Control characters and a final backslash are replaced.
    #[must_use]
    pub fn comment(text: &str) -> Self {
        let text: String =
            text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        let text = text.trim_end_matches(['\\', ' ']);
        Self { words: Vec::new(), head: format!("# {text}").into_bytes(), section: None }
    }

    /// Returns the words; none of a comment.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the directives of a section; `None` if this is no section.
    #[must_use]
    pub fn children(&self) -> Option<&[Self]> {
        self.section.as_deref()
    }

    /// Returns the text of the directive with its line end, indented by `indent`; sections are indented by `unit` more.
    #[must_use]
    pub fn write(&self, indent: &str, unit: &str) -> Vec<u8> {
        let mut text = Vec::new();
        self.write_into(&mut text, indent, unit);
        text
    }

    fn write_into(&self, text: &mut Vec<u8>, indent: &str, unit: &str) {
        text.extend(indent.as_bytes());
        text.extend(&self.head);
        text.push(b'\n');
        let Some(section) = &self.section else { return };
        let inner = format!("{indent}{unit}");
        for directive in section {
            directive.write_into(text, &inner, unit);
        }
        let name = self.words.first().map_or("", String::as_str);
        text.extend(format!("{indent}</{name}>\n").as_bytes());
    }
}

fn owned<T: AsRef<str>>(words: &[T]) -> Vec<String> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

fn join(words: &[String]) -> Result<Vec<u8>, UnquotableWord> {
    let words = words.iter().map(|word| quote(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    Ok(words.join(&b' '))
}

/// Edits of a file. All bytes that no edit names are kept, comments included.
#[derive(Debug)]
pub struct Editor<'a> {
    document: &'a Document,
    edits: TextEdits<'a>,
}

impl<'a> Editor<'a> {
    /// Creates an editor without edits.
    #[must_use]
    pub fn new(document: &'a Document) -> Self {
        Self { document, edits: TextEdits::new(document.text()) }
    }

    /// Returns whether there are no edits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Replaces the words of a directive behind its name. Words with the same value keep their bytes; the name is kept,
    /// too. A section keeps at least its first argument.
    ///
    /// # Errors
    /// [`UnquotableWord`]; no word is changed then.
    pub fn set_words<T: AsRef<str>>(
        &mut self,
        directive: &Directive,
        words: &[T],
    ) -> Result<(), UnquotableWord> {
        let old = directive.words();
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        for (old, new) in old.iter().zip(words).skip(1) {
            if old.value() != new.as_ref().as_bytes() {
                edits.push((old.span(), quote(new.as_ref().as_bytes())?));
            }
        }
        let added = owned(words.get(old.len()..).unwrap_or_default());
        if let (Some(last), false) = (old.last(), added.is_empty()) {
            let text = [b" ".as_slice(), &join(&added)?].concat();
            edits.push((last.span().end..last.span().end, text));
        }
        let least = if directive.section().is_some() { 2 } else { 1 };
        let kept = words.len().max(least);
        if let (Some(kept), Some(last)) = (old.get(kept.saturating_sub(1)), old.last())
            && old.len() > words.len()
        {
            edits.push((kept.span().end..last.span().end, Vec::new()));
        }
        edits.into_iter().for_each(|(range, text)| self.edits.replace(range, text));
        Ok(())
    }

    /// Adds a directive at the end of a section, or at the end of the file. Nothing is added if the parent is no section.
    pub fn append(&mut self, parent: Option<&Directive>, new: &NewDirective) {
        let Some(parent) = parent else {
            let end = self.edits.text().len();
            self.insert(end, "", UNIT, new);
            return;
        };
        let Some(section) = parent.section() else { return };
        let (indent, unit) = self.inner_indent(parent);
        self.insert(section.inner().end, &indent, &unit, new);
    }

    /// Adds a directive behind another one.
    pub fn insert_after(&mut self, sibling: &Directive, new: &NewDirective) {
        let indent = self.edits.indent(sibling.span().start);
        let unit = unit_of(&indent);
        self.insert(sibling.lines().end, &indent, unit, new);
    }

    /// Adds a directive before another one.
    pub fn insert_before(&mut self, sibling: &Directive, new: &NewDirective) {
        let indent = self.edits.indent(sibling.span().start);
        let unit = unit_of(&indent);
        self.insert(sibling.lines().start, &indent, unit, new);
    }

    /// Adds a directive at the beginning of a section. Nothing is added if the parent is no section.
    pub fn insert_first(&mut self, parent: &Directive, new: &NewDirective) {
        let Some(section) = parent.section() else { return };
        let (indent, unit) = self.inner_indent(parent);
        self.insert(section.inner().start, &indent, &unit, new);
    }

    /// Replaces a directive or a section by another one.
    pub fn replace_directive(&mut self, old: &Directive, new: &NewDirective) {
        let indent = self.edits.indent(old.span().start);
        let lines = old.lines();
        let mut text = new.write(&indent, unit_of(&indent));
        if lines.end == self.edits.text().len() && !self.edits.is_line_start(lines.end) {
            text.pop();
        }
        self.edits.replace(lines, text);
    }

    /// Removes the lines of a directive or section.
    pub fn remove(&mut self, directive: &Directive) {
        self.edits.replace(directive.lines(), Vec::new());
    }

    /// Replaces a range of bytes. The text is written as it is.
    pub fn replace(&mut self, range: Range<usize>, text: Vec<u8>) {
        self.edits.replace(range, text);
    }

    /// Returns the new text. An edit that overlaps an earlier one in the text is ignored.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.edits.finish()
    }

    /// Returns the document that is edited.
    #[must_use]
    pub fn document(&self) -> &'a Document {
        self.document
    }

    fn insert(&mut self, at: usize, indent: &str, unit: &str, new: &NewDirective) {
        let mut text = if self.edits.is_line_start(at) { Vec::new() } else { vec![b'\n'] };
        text.extend(new.write(indent, unit));
        self.edits.replace(at..at, text);
    }

    /// Returns the indentation of the directives of a section, and that of one level.
    fn inner_indent(&self, parent: &Directive) -> (String, String) {
        let outer = self.edits.indent(parent.span().start);
        let first = parent.children().first().map(|first| self.edits.indent(first.span().start));
        let unit = first.as_deref().and_then(|first| first.strip_prefix(outer.as_str()));
        let unit = unit.filter(|unit| !unit.is_empty()).unwrap_or(unit_of(&outer)).to_owned();
        (first.unwrap_or_else(|| format!("{outer}{unit}")), unit)
    }
}

/// Indentation of a section, unless the file has another one.
const UNIT: &str = "    ";

fn unit_of(indent: &str) -> &'static str {
    if indent.starts_with('\t') { "\t" } else { UNIT }
}
