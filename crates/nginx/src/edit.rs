//! Minimal edits of a parsed file.

use std::ops::Range;

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
    /// Replaced ranges with their new text, in the order of the calls.
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Editor<'a> {
    /// Creates an editor without edits.
    #[must_use]
    pub fn new(document: &'a Document) -> Self {
        Self { document, edits: Vec::new() }
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
                let mut text = if self.is_line_start(end) { Vec::new() } else { vec![b'\n'] };
                text.extend(new.write("", UNIT));
                self.replace(end..end, text);
            }
        }
    }

    /// Adds a directive behind another one, on a line of its own.
    pub fn insert_after(&mut self, sibling: &Directive, new: &NewDirective) {
        let span = sibling.span();
        let indent = self.indent(span.start);
        let unit = self.unit(sibling, &indent);
        let text = self.document.text();
        let line_end = self.line_end(span.end);
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
        let indent = self.indent(start);
        let unit = self.unit(sibling, &indent);
        if self.is_first_on_line(start) {
            let at = self.line_start(start);
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
        let outer = self.indent(parent.span().start);
        let indent = match block.directives().first() {
            Some(first) if self.is_first_on_line(first.span().start) => self.indent(first.span().start),
            _ => format!("{outer}{}", self.unit(parent, &outer)),
        };
        let unit = self.unit(parent, &outer);
        let text = self.document.text();
        let line_end = self.line_end(inner.start);
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
        let indent = self.indent(span.start);
        let unit = self.unit(old, &indent);
        let text = new.write(&indent, &unit);
        let written = text.get(indent.len()..text.len().saturating_sub(1)).unwrap_or_default();
        self.replace(span, written.to_vec());
    }

    /// Removes a directive, and its lines if nothing else is on them. Comments on the same line are kept.
    pub fn remove(&mut self, directive: &Directive) {
        let span = directive.span();
        let text = self.document.text();
        let line_end = self.line_end(span.end);
        let rest = text.get(span.end..line_end).unwrap_or_default();
        if self.is_first_on_line(span.start) && rest.trim_ascii().is_empty() {
            let end = if line_end < text.len() { line_end.saturating_add(1) } else { line_end };
            self.replace(self.line_start(span.start)..end, Vec::new());
        } else {
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let end =
                if self.is_first_on_line(span.start) { span.end.saturating_add(blanks) } else { span.end };
            self.replace(span.start..end, Vec::new());
        }
    }

    /// Replaces a range of bytes. The text is written as it is.
    pub fn replace(&mut self, range: Range<usize>, text: Vec<u8>) {
        self.edits.push((range, text));
    }

    /// Returns the new text. An edit that overlaps an earlier one in the text is ignored.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        // The sort is stable, so insertions at one place keep their order. They come before a removal that begins there.
        self.edits.sort_by_key(|(range, _)| (range.start, !range.is_empty()));
        let text = self.document.text();
        let mut result = Vec::with_capacity(text.len());
        let mut copied = 0;
        for (range, new) in &self.edits {
            if range.start < copied {
                continue;
            }
            result.extend(text.get(copied..range.start).unwrap_or_default());
            result.extend(new);
            copied = range.end;
        }
        result.extend(text.get(copied..).unwrap_or_default());
        result
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.document.text().get(..at).unwrap_or_default();
        before.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found.saturating_add(1))
    }

    /// Returns the offset of the line break at or after a position, or the length of the text.
    fn line_end(&self, at: usize) -> usize {
        let text = self.document.text();
        let rest = text.get(at..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(text.len(), |found| at.saturating_add(found))
    }

    fn is_line_start(&self, at: usize) -> bool {
        self.line_start(at) == at
    }

    fn is_first_on_line(&self, at: usize) -> bool {
        self.document.text().get(self.line_start(at)..at).is_some_and(|before| before.trim_ascii().is_empty())
    }

    /// Returns the white space at the beginning of a line.
    fn indent(&self, at: usize) -> String {
        let line = self.document.text().get(self.line_start(at)..at).unwrap_or_default();
        let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        blanks.map(|byte| char::from(*byte)).collect()
    }

    /// Returns the white space by which the block of a directive is indented, from its first line.
    fn unit(&self, directive: &Directive, indent: &str) -> String {
        let child = directive.children().first().filter(|child| self.is_first_on_line(child.span().start));
        let inner = child.map(|child| self.indent(child.span().start));
        let unit =
            inner.as_deref().and_then(|inner| inner.strip_prefix(indent)).filter(|unit| !unit.is_empty());
        let tab = if indent.starts_with('\t') { "\t" } else { UNIT };
        unit.unwrap_or(tab).to_owned()
    }
}

/// Indentation of a block, unless the file has another one.
const UNIT: &str = "    ";
