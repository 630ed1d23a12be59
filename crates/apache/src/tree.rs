//! The lossless tree of a file.

use std::ops::Range;

use crate::error::{SyntaxError, SyntaxProblem, shortened};
use crate::lexer::{Lexer, Line, RawWord};

/// Limits of a parsed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum size in bytes.
    pub size: usize,
    /// Maximum depth of nested sections.
    pub depth: usize,
    /// Maximum number of directives.
    pub directives: usize,
    /// Maximum number of words of a directive.
    pub words: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { size: 4 << 20, depth: 64, directives: 200_000, words: 20_000 }
    }
}

/// A parsed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: Vec<u8>,
    directives: Vec<Directive>,
}

/// A directive, or a section with its directives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// INVARIANT: not empty.
    words: Vec<Word>,
    span: Range<usize>,
    lines: Range<usize>,
    line: u32,
    section: Option<Section>,
}

/// A word of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    span: Range<usize>,
    value: Vec<u8>,
}

/// Content of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Bytes between the lines of the tags.
    inner: Range<usize>,
    directives: Vec<Directive>,
    is_raw: bool,
}

/// A section whose end was not found yet.
struct OpenSection {
    directive: Directive,
    /// Line that Apache reports.
    last: u32,
    /// Directives before the section, of the parent.
    before: Vec<Directive>,
}

impl Document {
    /// Parses a file with the default [`Bounds`].
    ///
    /// # Errors
    /// [`SyntaxError`] with the line that Apache reports.
    pub fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        Self::parse_within(text, &Bounds::default())
    }

    /// Parses a file.
    ///
    /// # Errors
    /// [`SyntaxError`] with the line that Apache reports, or if a limit is exceeded.
    pub fn parse_within(text: &[u8], bounds: &Bounds) -> Result<Self, SyntaxError> {
        if text.len() > bounds.size {
            return Err(limit(1, "the size in bytes", bounds.size));
        }
        let directives = parse_directives(text, bounds)?;
        Ok(Self { text: text.to_vec(), directives })
    }

    /// Returns the text of the file, as it was parsed.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the directives outside of all sections.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// Returns the bytes of a range, or nothing if the range is not part of the text.
    #[must_use]
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.text.get(range).unwrap_or_default()
    }
}

fn parse_directives(text: &[u8], bounds: &Bounds) -> Result<Vec<Directive>, SyntaxError> {
    let mut lexer = Lexer::new(text);
    let mut line = Line::default();
    let mut open: Vec<OpenSection> = Vec::new();
    let mut directives = Vec::new();
    let mut count = 0_usize;
    while lexer.read(&mut line) {
        if line.is_unended {
            return Err(SyntaxError { line: line.last, problem: SyntaxProblem::UnendedLine });
        }
        if line.bytes().contains(&0) {
            return Err(SyntaxError { line: line.last, problem: SyntaxProblem::Nul });
        }
        if line.is_blank() {
            continue;
        }
        count = count.saturating_add(1);
        if count > bounds.directives {
            return Err(limit(line.last, "the number of directives", bounds.directives));
        }
        let Some(name) = line.word(0, line.bytes().len()) else { continue };
        match name.value.as_slice() {
            [b'<', b'/', ..] => {
                let mut section = open.pop().ok_or_else(|| unmatched(&name, line.last))?;
                require_end(&section.directive, &name, line.last)?;
                let inner = std::mem::replace(&mut directives, section.before);
                section.directive.end(&line, inner, false);
                directives.push(section.directive);
            }
            [b'<', ..] => {
                if open.len() >= bounds.depth {
                    return Err(limit(line.last, "the depth of sections", bounds.depth));
                }
                let directive = start_tag(&line, name, bounds)?;
                if is_raw(&directive) {
                    directives.push(raw_section(&mut lexer, &mut line, directive)?);
                    continue;
                }
                let before = std::mem::take(&mut directives);
                open.push(OpenSection { directive, last: line.last, before });
            }
            _ => {
                let words = words(&line, name, line.bytes().len(), bounds)?;
                directives.push(Directive::new(&line, words));
            }
        }
    }
    match open.first() {
        Some(section) => {
            let problem = SyntaxProblem::UnendedSection(shortened(section.directive.name_bytes()));
            Err(SyntaxError { line: section.last, problem })
        }
        None => Ok(directives),
    }
}

fn limit(line: u32, what: &'static str, limit: usize) -> SyntaxError {
    SyntaxError { line, problem: SyntaxProblem::Limit { what, limit } }
}

/// Returns the words up to position `end` of a line, with `name` as the first one.
fn words(line: &Line, name: RawWord, end: usize, bounds: &Bounds) -> Result<Vec<Word>, SyntaxError> {
    let mut at = name.next;
    let mut words = vec![Word { span: name.span, value: name.value }];
    while let Some(word) = line.word(at, end) {
        if words.len() >= bounds.words {
            return Err(limit(line.last, "the number of words of a directive", bounds.words));
        }
        at = word.next;
        words.push(Word { span: word.span, value: word.value });
    }
    Ok(words)
}

/// Parses the start tag of a section. The last `>` of the line ends it.
fn start_tag(line: &Line, name: RawWord, bounds: &Bounds) -> Result<Directive, SyntaxError> {
    let is_alone = name.value.len() > 1 && name.value.last() == Some(&b'>');
    let rest = line.bytes().get(name.next..).unwrap_or_default();
    let bracket = rest.iter().rposition(|byte| *byte == b'>').map(|found| name.next.saturating_add(found));
    let value = name.value.get(1..).unwrap_or_default();
    let value = if is_alone { value.strip_suffix(b">").unwrap_or(value) } else { value };
    let end = match bracket {
        Some(bracket) => bracket,
        None if is_alone => name.next,
        None => {
            return Err(SyntaxError {
                line: line.last,
                problem: SyntaxProblem::MissingBracket(shortened(value)),
            });
        }
    };
    let words = words(line, RawWord { value: value.to_vec(), ..name }, end, bounds)?;
    Ok(Directive::new(line, words))
}

fn unmatched(name: &RawWord, line: u32) -> SyntaxError {
    let tag = name.value.get(2..).unwrap_or_default();
    let tag = tag.strip_suffix(b">").unwrap_or(tag);
    SyntaxError { line, problem: SyntaxProblem::UnmatchedEnd(shortened(tag)) }
}

/// Checks that an end tag belongs to a section.
fn require_end(section: &Directive, tag: &RawWord, line: u32) -> Result<(), SyntaxError> {
    let name = tag.value.get(2..).unwrap_or_default();
    let Some(name) = name.strip_suffix(b">") else {
        let problem = SyntaxProblem::MissingBracket(format!("/{}", shortened(name)));
        return Err(SyntaxError { line, problem });
    };
    if name.eq_ignore_ascii_case(section.name_bytes()) {
        return Ok(());
    }
    let expected = shortened(section.name_bytes());
    Err(SyntaxError { line, problem: SyntaxProblem::WrongEnd { expected, found: shortened(name) } })
}

/// Returns whether the lines of a section are code of another language.
fn is_raw(section: &Directive) -> bool {
    let name = section.name().to_ascii_lowercase();
    name == "perl" || name.starts_with("lua")
}

/// Reads a section of code up to its end tag, which is alone on its line.
fn raw_section(
    lexer: &mut Lexer<'_>,
    line: &mut Line,
    mut directive: Directive,
) -> Result<Directive, SyntaxError> {
    let end_tag = [b"</", directive.name_bytes(), b">"].concat();
    let begin = line.last;
    while lexer.read(line) {
        if line.bytes().eq_ignore_ascii_case(&end_tag) {
            directive.end(line, Vec::new(), true);
            return Ok(directive);
        }
    }
    let problem = SyntaxProblem::UnendedSection(shortened(directive.name_bytes()));
    Err(SyntaxError { line: begin, problem })
}

impl Directive {
    fn new(line: &Line, words: Vec<Word>) -> Self {
        Self { words, span: line.span(), lines: line.lines.clone(), line: line.first, section: None }
    }

    /// Completes a section with the line of its end tag.
    fn end(&mut self, tag: &Line, directives: Vec<Self>, is_raw: bool) {
        self.section = Some(Section { inner: self.lines.end..tag.lines.start, directives, is_raw });
        self.span.end = tag.span().end;
        self.lines.end = tag.lines.end;
    }

    /// Returns the name as it is written, without `<`. It is empty if it is not UTF-8.
    #[must_use]
    pub fn name(&self) -> &str {
        self.word(0).unwrap_or_default()
    }

    fn name_bytes(&self) -> &[u8] {
        self.words.first().map_or(&[], |word| &word.value)
    }

    /// Returns whether the directive has this name. Apache does not distinguish upper and lower case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name_bytes().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns all words; the first one is the name. Variables are not replaced.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Returns the value of a word, if it exists and is UTF-8. Word 0 is the name.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index).and_then(Word::text)
    }

    /// Returns the values of the words after the name. A value that is not UTF-8 is omitted.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).filter_map(Word::text)
    }

    /// Returns the range from the first to the last byte; of a section, up to its end tag.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the range of all its lines, with the line breaks; of a section, up to the line of its end tag.
    #[must_use]
    pub fn lines(&self) -> Range<usize> {
        self.lines.clone()
    }

    /// Returns the line of the name, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the content, if this is a section.
    #[must_use]
    pub fn section(&self) -> Option<&Section> {
        self.section.as_ref()
    }

    /// Returns the directives of the section; none if this is no section.
    #[must_use]
    pub fn children(&self) -> &[Directive] {
        self.section.as_ref().map_or(&[], |section| &section.directives)
    }
}

impl Section {
    /// Returns the range of the lines between the tags.
    #[must_use]
    pub fn inner(&self) -> Range<usize> {
        self.inner.clone()
    }

    /// Returns whether the section contains code of another language.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.is_raw
    }
}

impl Word {
    /// Returns the value without quotes and escapes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Returns the value, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(&self.value).ok()
    }

    /// Returns the range in the text, with quotes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}
