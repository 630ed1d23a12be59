//! Minimal edits of a parsed file.

use std::ops::Range;

use conftext::TextEdits;

use crate::quote::quote;
use crate::tree::{Directive, Document};

/// A directive to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDirective {
    words: Vec<String>,
    block: Option<Vec<NewDirective>>,
    comment: Option<String>,
}

impl NewDirective {
    /// Creates a directive that ends with a semicolon. The first word is the name.
    #[must_use]
    pub fn simple<T: AsRef<str>>(words: &[T]) -> Self {
        Self { words: owned(words), block: None, comment: None }
    }

    /// Creates a directive with a block.
    #[must_use]
    pub fn with_block<T: AsRef<str>>(words: &[T], block: Vec<NewDirective>) -> Self {
        Self { words: owned(words), block: Some(block), comment: None }
    }

    /// Creates a comment, which takes a line of its own. Line breaks in the text become spaces.
    #[must_use]
    pub fn comment(text: &str) -> Self {
        Self { words: Vec::new(), block: None, comment: Some(text.replace(['\n', '\r'], " ")) }
    }

    /// Returns the words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the directives of the block.
    #[must_use]
    pub fn block(&self) -> Option<&[NewDirective]> {
        self.block.as_deref()
    }

    /// Returns the text of the directive with its line end, indented by `indent`; blocks are indented by `unit` more.
    #[must_use]
    pub fn write(&self, indent: &str, unit: &str) -> Vec<u8> {
        let mut text = Vec::new();
        self.write_into(&mut text, indent, unit);
        text
    }

    fn write_into(&self, text: &mut Vec<u8>, indent: &str, unit: &str) {
        text.extend(indent.as_bytes());
        if let Some(comment) = &self.comment {
            text.extend(b"# ");
            text.extend(comment.as_bytes());
        } else {
            text.extend(join(&self.words));
            match &self.block {
                None => text.push(b';'),
                Some(block) => {
                    text.extend(b" {\n");
                    let inner = format!("{indent}{unit}");
                    for directive in block {
                        directive.write_into(text, &inner, unit);
                    }
                    text.extend(indent.as_bytes());
                    text.push(b'}');
                }
            }
        }
        text.push(b'\n');
    }
}

fn owned<T: AsRef<str>>(words: &[T]) -> Vec<String> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

fn join(words: &[String]) -> Vec<u8> {
    words.iter().map(|word| quote(word.as_bytes())).collect::<Vec<_>>().join(&b' ')
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

    /// Replaces the words of a directive, including the name. Words with the same value keep their bytes.
    pub fn set_words<T: AsRef<str>>(&mut self, directive: &Directive, words: &[T]) {
        let old = directive.words();
        for (old, new) in old.iter().zip(words) {
            if old.value() != new.as_ref().as_bytes() {
                self.replace(old.span(), quote(new.as_ref().as_bytes()));
            }
        }
        if let Some(last) = old.last()
            && old.len() < words.len()
        {
            let end = last.span().end;
            let added = owned(words.get(old.len()..).unwrap_or_default());
            let mut text = vec![b' '];
            text.extend(join(&added));
            self.replace(end..end, text);
        } else if let (Some(kept), Some(last)) = (old.get(words.len().saturating_sub(1)), old.last())
            && old.len() > words.len()
        {
            self.replace(kept.span().end..last.span().end, Vec::new());
        }
    }

    /// Adds a directive at the end of a block, or at the end of the file.
    pub fn append(&mut self, parent: Option<&Directive>, new: &NewDirective) {
        let children = parent.map_or(self.document.directives(), Directive::children);
        match (children.last(), parent) {
            (Some(last), _) => self.insert_after(last, new),
            (None, Some(parent)) => self.insert_first(parent, new),
            (None, None) => {
                let end = self.document.text().len();
                let mut text = if self.edits.is_line_start(end) { Vec::new() } else { vec![b'\n'] };
                text.extend(new.write("", UNIT));
                self.replace(end..end, text);
            }
        }
    }

    /// Adds a directive behind another one, on a line of its own.
    pub fn insert_after(&mut self, sibling: &Directive, new: &NewDirective) {
        let span = sibling.span();
        let indent = self.edits.indent(span.start);
        let unit = self.unit(sibling, &indent);
        let text = self.document.text();
        let line_end = self.edits.line_end(span.end);
        let rest = text.get(span.end..line_end).unwrap_or_default().trim_ascii_start();
        if rest.is_empty() || rest.starts_with(b"#") {
            let has_break = line_end < text.len();
            let at = if has_break { line_end.saturating_add(1) } else { line_end };
            let mut inserted = if has_break { Vec::new() } else { vec![b'\n'] };
            inserted.extend(new.write(&indent, &unit));
            self.replace(at..at, inserted);
        } else {
            // Another directive or the end of the block follows on the same line.
            let mut inserted = vec![b'\n'];
            inserted.extend(new.write(&indent, &unit));
            inserted.extend(indent.as_bytes());
            self.replace(span.end..span.end, inserted);
        }
    }

    /// Adds a directive before another one, on a line of its own.
    pub fn insert_before(&mut self, sibling: &Directive, new: &NewDirective) {
        let start = sibling.span().start;
        let indent = self.edits.indent(start);
        let unit = self.unit(sibling, &indent);
        if self.edits.is_first_on_line(start) {
            let at = self.edits.line_start(start);
            self.replace(at..at, new.write(&indent, &unit));
        } else {
            let mut inserted = vec![b'\n'];
            inserted.extend(new.write(&indent, &unit));
            inserted.extend(indent.as_bytes());
            self.replace(start..start, inserted);
        }
    }

    /// Adds a directive at the beginning of a block. Nothing is added if the parent has no block.
    pub fn insert_first(&mut self, parent: &Directive, new: &NewDirective) {
        let Some(block) = parent.block() else { return };
        let inner = block.inner();
        let outer = self.edits.indent(parent.span().start);
        let indent = match block.directives().first() {
            Some(first) if self.edits.is_first_on_line(first.span().start) => {
                self.edits.indent(first.span().start)
            }
            _ => format!("{outer}{}", self.unit(parent, &outer)),
        };
        let unit = self.unit(parent, &outer);
        let text = self.document.text();
        let line_end = self.edits.line_end(inner.start);
        let rest = text.get(inner.start..line_end.min(inner.end)).unwrap_or_default().trim_ascii_start();
        if line_end < inner.end && (rest.is_empty() || rest.starts_with(b"#")) {
            let at = line_end.saturating_add(1);
            self.replace(at..at, new.write(&indent, &unit));
        } else {
            let mut inserted = vec![b'\n'];
            inserted.extend(new.write(&indent, &unit));
            inserted.extend(outer.as_bytes());
            self.replace(inner.start..inner.start, inserted);
        }
    }

    /// Replaces a directive and its block by another one.
    pub fn replace_directive(&mut self, old: &Directive, new: &NewDirective) {
        let span = old.span();
        let indent = self.edits.indent(span.start);
        let unit = self.unit(old, &indent);
        let text = new.write(&indent, &unit);
        let written = text.get(indent.len()..text.len().saturating_sub(1)).unwrap_or_default();
        self.replace(span, written.to_vec());
    }

    /// Removes a directive, and its lines if nothing else is on them. Comments on the same line are kept.
    pub fn remove(&mut self, directive: &Directive) {
        let span = directive.span();
        let text = self.document.text();
        let line_end = self.edits.line_end(span.end);
        let rest = text.get(span.end..line_end).unwrap_or_default();
        if self.edits.is_first_on_line(span.start) && rest.trim_ascii().is_empty() {
            let end = if line_end < text.len() { line_end.saturating_add(1) } else { line_end };
            self.replace(self.edits.line_start(span.start)..end, Vec::new());
        } else {
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let end = if self.edits.is_first_on_line(span.start) {
                span.end.saturating_add(blanks)
            } else {
                span.end
            };
            self.replace(span.start..end, Vec::new());
        }
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

    /// Returns the white space by which the block of a directive is indented, from its first line.
    fn unit(&self, directive: &Directive, indent: &str) -> String {
        let child =
            directive.children().first().filter(|child| self.edits.is_first_on_line(child.span().start));
        let inner = child.map(|child| self.edits.indent(child.span().start));
        let unit =
            inner.as_deref().and_then(|inner| inner.strip_prefix(indent)).filter(|unit| !unit.is_empty());
        let tab = if indent.starts_with('\t') { "\t" } else { UNIT };
        unit.unwrap_or(tab).to_owned()
    }
}

/// Indentation of a block, unless the file has another one.
const UNIT: &str = "    ";
