//! Replacement of ranges of a text.

use std::ops::Range;

/// Edits of a text. All bytes that no edit names are kept.
#[derive(Debug)]
pub struct TextEdits<'a> {
    text: &'a [u8],
    /// Replaced ranges with their new text, in the order of the calls.
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> TextEdits<'a> {
    /// Creates a list without edits.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, edits: Vec::new() }
    }

    /// Returns the text before the edits.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Returns whether there are no edits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
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
        let mut result = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for (range, new) in &self.edits {
            if range.start < copied {
                continue;
            }
            result.extend(self.text.get(copied..range.start).unwrap_or_default());
            result.extend(new);
            copied = range.end;
        }
        result.extend(self.text.get(copied..).unwrap_or_default());
        result
    }

    /// Returns the offset of the first byte of a line.
    #[must_use]
    pub fn line_start(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found.saturating_add(1))
    }

    /// Returns the offset of the line break at or after a position, or the length of the text.
    #[must_use]
    pub fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |found| at.saturating_add(found))
    }

    /// Returns the offset behind the line break at or after a position, or the length of the text.
    #[must_use]
    pub fn next_line(&self, at: usize) -> usize {
        self.line_end(at).saturating_add(1).min(self.text.len())
    }

    /// Returns whether a position is the first of its line.
    #[must_use]
    pub fn is_line_start(&self, at: usize) -> bool {
        self.line_start(at) == at
    }

    /// Returns whether only white space precedes a position in its line.
    #[must_use]
    pub fn is_first_on_line(&self, at: usize) -> bool {
        self.text.get(self.line_start(at)..at).is_some_and(|before| before.trim_ascii().is_empty())
    }

    /// Returns the white space at the beginning of a line.
    #[must_use]
    pub fn indent(&self, at: usize) -> String {
        let line = self.text.get(self.line_start(at)..at).unwrap_or_default();
        let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        blanks.map(|byte| char::from(*byte)).collect()
    }
}
