//! The lossless tree of a file.

use std::ops::Range;

use crate::error::{SyntaxError, SyntaxProblem};
use crate::lexer::{End, Lexer, Statement};

/// Limits of a parsed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum size in bytes.
    pub size: usize,
    /// Maximum depth of nested blocks.
    pub depth: usize,
    /// Maximum number of directives.
    pub directives: usize,
    /// Maximum number of words of a directive.
    pub words: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { size: 4 << 20, depth: 32, directives: 200_000, words: 20_000 }
    }
}

/// A parsed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: Vec<u8>,
    directives: Vec<Directive>,
}

/// A directive with its block, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// INVARIANT: not empty.
    words: Vec<Word>,
    span: Range<usize>,
    line: u32,
    block: Option<Block>,
}

/// A word of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    span: Range<usize>,
    value: Vec<u8>,
}

/// The block of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bytes between the braces.
    inner: Range<usize>,
    directives: Vec<Directive>,
    is_lua: bool,
}

/// Blocks whose lines are data. nginx accepts no blocks inside them.
const DATA_BLOCKS: &[&[u8]] = &[b"types", b"map", b"geo", b"split_clients", b"charset_map"];

/// A block that is being parsed.
struct OpenBlock {
    words: Vec<Word>,
    begin: usize,
    line: u32,
    inner: usize,
    /// Directives before the block, of the parent.
    before: Vec<Directive>,
    has_data: bool,
}

impl Document {
    /// Parses a file with the default [`Bounds`].
    ///
    /// # Errors
    /// [`SyntaxError`] with the line that nginx reports.
    pub fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        Self::parse_within(text, &Bounds::default())
    }

    /// Parses a file.
    ///
    /// # Errors
    /// [`SyntaxError`] with the line that nginx reports, or if a limit is exceeded.
    pub fn parse_within(text: &[u8], bounds: &Bounds) -> Result<Self, SyntaxError> {
        if text.len() > bounds.size {
            let problem = SyntaxProblem::Limit { what: "the size in bytes", limit: bounds.size };
            return Err(SyntaxError { line: 1, problem });
        }
        let directives = parse_directives(text, bounds)?;
        Ok(Self { text: text.to_vec(), directives })
    }

    /// Returns the text of the file, as it was parsed.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the directives outside of all blocks.
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
    let mut open: Vec<OpenBlock> = Vec::new();
    let mut directives = Vec::new();
    let mut count = 0_usize;
    loop {
        let statement = lexer.statement(bounds.words)?;
        if !statement.words.is_empty() {
            count = count.saturating_add(1);
            if count > bounds.directives {
                let what = "the number of directives";
                return Err(lexer.error(SyntaxProblem::Limit { what, limit: bounds.directives }));
            }
        }
        match statement.end {
            End::Semicolon => directives.push(simple(statement)),
            End::Open if open.last().is_some_and(|block| block.has_data) => {
                return Err(lexer.error(SyntaxProblem::Unexpected('{')));
            }
            End::Open if is_lua(&statement) => {
                let inner = statement.end_at.saturating_add(1);
                let close = lexer.skip_lua()?;
                let block = Block { inner: inner..close, directives: Vec::new(), is_lua: true };
                let mut directive = simple(statement);
                directive.span.end = close.saturating_add(1);
                directive.block = Some(block);
                directives.push(directive);
            }
            End::Open => {
                if open.len() >= bounds.depth {
                    let what = "the depth of blocks";
                    return Err(lexer.error(SyntaxProblem::Limit { what, limit: bounds.depth }));
                }
                let begin = statement.words.first().map_or(statement.end_at, |word| word.span.start);
                let has_data =
                    statement.words.first().is_some_and(|word| DATA_BLOCKS.contains(&&*word.value));
                open.push(OpenBlock {
                    inner: statement.end_at.saturating_add(1),
                    line: statement.line,
                    words: words(statement),
                    begin,
                    before: std::mem::take(&mut directives),
                    has_data,
                });
            }
            End::Close => {
                let Some(block) = open.pop() else {
                    return Err(lexer.error(SyntaxProblem::Unexpected('}')));
                };
                let inner = std::mem::replace(&mut directives, block.before);
                directives.push(Directive {
                    words: block.words,
                    span: block.begin..statement.end_at.saturating_add(1),
                    line: block.line,
                    block: Some(Block {
                        inner: block.inner..statement.end_at,
                        directives: inner,
                        is_lua: false,
                    }),
                });
            }
            End::File if open.is_empty() => return Ok(directives),
            End::File => return Err(lexer.error(SyntaxProblem::UnendedBlock)),
        }
    }
}

fn simple(statement: Statement) -> Directive {
    let begin = statement.words.first().map_or(statement.end_at, |word| word.span.start);
    Directive {
        span: begin..statement.end_at.saturating_add(1),
        line: statement.line,
        words: words(statement),
        block: None,
    }
}

fn words(statement: Statement) -> Vec<Word> {
    statement.words.into_iter().map(|word| Word { span: word.span, value: word.value }).collect()
}

fn is_lua(statement: &Statement) -> bool {
    statement.words.first().is_some_and(|word| word.value.ends_with(b"_by_lua_block"))
}

impl Directive {
    /// Returns the name. It is empty if it is not UTF-8.
    #[must_use]
    pub fn name(&self) -> &str {
        self.word(0).unwrap_or_default()
    }

    /// Returns all words; the first one is the name.
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

    /// Returns the range from the first word to the semicolon or closing brace, inclusive.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the line of the name, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the block.
    #[must_use]
    pub fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// Returns the directives of the block; none without a block.
    #[must_use]
    pub fn children(&self) -> &[Directive] {
        self.block.as_ref().map_or(&[], |block| &block.directives)
    }
}

impl Block {
    /// Returns the range between the braces.
    #[must_use]
    pub fn inner(&self) -> Range<usize> {
        self.inner.clone()
    }

    /// Returns the directives. A block of Lua code has none.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// Returns whether the block contains Lua code.
    #[must_use]
    pub fn is_lua(&self) -> bool {
        self.is_lua
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
