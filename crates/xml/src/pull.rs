//! A parser without a tree, for the form of XML that most programs write.

use std::borrow::Cow;

use crate::character::{first_illegal, is_space, name_length};
use crate::reader::Bounds;
use crate::reference::{reference_at, resolve_attribute, resolve_text};

/// Parser that returns tags and texts in their order, and allocates nothing.
///
/// It accepts a part of what [`Document::parse`](crate::Document::parse) accepts: elements without prefixes, their
/// attributes without prefixes, namespace declarations, texts and references. Anything else is [`Unusual`], also what is
/// malformed or exceeds a bound. The caller then uses the complete parser, which alone decides about errors.
///
/// ```
/// use telarch_xml::{Bounds, PullReader, Token};
///
/// let mut reader = PullReader::new("<a b='1'>c &amp; d</a>", &Bounds::default())?;
/// assert!(matches!(reader.next_token()?, Some(Token::Start("a"))));
/// assert_eq!(reader.attribute("b").as_deref(), Some("1"));
/// let Some(Token::Text(text)) = reader.next_token()? else { panic!("no text") };
/// assert_eq!(text.decoded(), "c & d");
/// assert!(matches!(reader.next_token()?, Some(Token::End)));
/// assert!(reader.next_token()?.is_none());
/// # Ok::<(), telarch_xml::Unusual>(())
/// ```
pub struct PullReader<'t> {
    text: &'t str,
    at: usize,
    /// Whether the text has a reference, a carriage return or a bracket anywhere.
    has_special: bool,
    /// Whether the text has a tab or a line feed anywhere, which attribute values do not keep.
    has_space: bool,
    /// Elements and texts that may still come.
    nodes: usize,
    /// Namespace declarations that may still come.
    declarations: usize,
    /// Maximum depth.
    depth: usize,
    /// Maximum number of attributes of one element.
    attributes: usize,
    open: [Open<'t>; DEPTH],
    open_count: usize,
    /// Attributes of the last start tag.
    last: [PullAttribute<'t>; ATTRIBUTES],
    last_count: usize,
    /// Whether the last start tag was that of an empty element, so that its end comes next.
    is_empty: bool,
    has_root: bool,
}

/// Part of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'t> {
    /// Start tag with its local name. An empty element has a start and an end.
    Start(&'t str),
    /// Characters between two tags, never empty.
    Text(PullText<'t>),
    /// End of the innermost element.
    End,
}

/// Characters of an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullText<'t> {
    raw: &'t str,
    is_coded: bool,
}

/// A text that [`PullReader`] leaves to the complete parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("XML that only the complete parser reads")]
pub struct Unusual;

#[derive(Clone, Copy, Default)]
struct Open<'t> {
    name: &'t str,
    /// Default namespace inside the element.
    namespace: &'t str,
}

#[derive(Clone, Copy, Default)]
struct PullAttribute<'t> {
    /// Name as written; that of a namespace declaration begins with `xmlns`.
    name: &'t str,
    value: &'t str,
    is_coded: bool,
    is_declaration: bool,
}

/// Maximum depth in any case.
const DEPTH: usize = 24;
/// Maximum number of attributes of one element in any case.
const ATTRIBUTES: usize = 16;
/// Start of the namespaces with rules of their own (Namespaces in XML 1.0, section 3).
const RESERVED: &str = "http://www.w3.org/";

impl<'t> PullReader<'t> {
    /// Starts to parse a document.
    ///
    /// # Errors
    /// [`Unusual`] if the text is longer than the bound, or has a character that XML does not allow.
    pub fn new(text: &'t str, bounds: &Bounds) -> Result<Self, Unusual> {
        if text.len() > bounds.octets || first_illegal(text).is_some() {
            return Err(Unusual);
        }
        Ok(Self {
            text,
            at: 0,
            has_special: memchr::memchr3(b'&', b']', b'\r', text.as_bytes()).is_some(),
            has_space: memchr::memchr2(b'\t', b'\n', text.as_bytes()).is_some(),
            nodes: bounds.nodes,
            declarations: bounds.namespaces,
            depth: bounds.depth.min(DEPTH),
            attributes: bounds.attributes.min(ATTRIBUTES),
            open: [Open::default(); DEPTH],
            open_count: 0,
            last: [PullAttribute::default(); ATTRIBUTES],
            last_count: 0,
            is_empty: false,
            has_root: false,
        })
    }

    /// Returns the next part; `None` after the end of the root element, if only white space follows.
    ///
    /// # Errors
    /// [`Unusual`] for everything that this parser does not read. It cannot be used afterwards.
    #[inline]
    pub fn next_token(&mut self) -> Result<Option<Token<'t>>, Unusual> {
        if std::mem::take(&mut self.is_empty) {
            return self.close();
        }
        if self.open_count == 0 {
            return self.outside();
        }
        let rest = self.rest();
        let length = memchr::memchr(b'<', rest.as_bytes()).ok_or(Unusual)?;
        if length > 0 {
            self.at += length;
            return self.characters(rest.get(..length).ok_or(Unusual)?).map(Some);
        }
        match self.byte_at(1) {
            Some(b'/') => self.end_tag(),
            Some(b'!' | b'?') => Err(Unusual),
            _ => self.start_tag(),
        }
    }

    /// Returns the value of an attribute of the last start tag.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'t, str>> {
        self.attributes().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Returns names and values of the attributes of the last start tag, without namespace declarations.
    pub fn attributes(&self) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> {
        let last = self.last.get(..self.last_count).unwrap_or_default();
        last.iter().filter(|attribute| !attribute.is_declaration).map(|attribute| {
            let value = match attribute.is_coded {
                true => Cow::Owned(resolve_attribute(attribute.value)),
                false => Cow::Borrowed(attribute.value),
            };
            (attribute.name, value)
        })
    }

    /// Returns the namespace of the innermost open element; empty if it has none.
    #[must_use]
    pub fn namespace(&self) -> &'t str {
        self.innermost().map_or("", |open| open.namespace)
    }

    /// Parses what is before and after the root element.
    fn outside(&mut self) -> Result<Option<Token<'t>>, Unusual> {
        self.skip_space();
        match (self.byte_at(0), self.has_root) {
            (None, true) => Ok(None),
            (Some(b'<'), false) if !matches!(self.byte_at(1), Some(b'!' | b'?' | b'/')) => {
                self.has_root = true;
                self.start_tag()
            }
            _ => Err(Unusual),
        }
    }

    fn characters(&mut self, raw: &'t str) -> Result<Token<'t>, Unusual> {
        self.count_node()?;
        let mut is_coded = false;
        if self.has_special {
            is_coded = memchr::memchr2(b'&', b'\r', raw.as_bytes()).is_some();
            require_references(raw)?;
            if memchr::memmem::find(raw.as_bytes(), b"]]>").is_some() {
                return Err(Unusual);
            }
        }
        Ok(Token::Text(PullText { raw, is_coded }))
    }

    fn start_tag(&mut self) -> Result<Option<Token<'t>>, Unusual> {
        self.count_node()?;
        self.at += 1;
        let name = self.name()?;
        let mut namespace = self.namespace();
        self.last_count = 0;
        self.is_empty = loop {
            let spaces = self.skip_space();
            match self.byte_at(0) {
                Some(b'>') => {
                    self.at += 1;
                    break false;
                }
                Some(b'/') if self.byte_at(1) == Some(b'>') => {
                    self.at += 2;
                    break true;
                }
                Some(_) if spaces > 0 => {
                    if let Some(declared) = self.read_attribute()? {
                        namespace = declared;
                    }
                }
                _ => return Err(Unusual),
            }
        };
        if self.open_count >= self.depth {
            return Err(Unusual);
        }
        *self.open.get_mut(self.open_count).ok_or(Unusual)? = Open { name, namespace };
        self.open_count += 1;
        Ok(Some(Token::Start(name)))
    }

    /// Parses an attribute. Returns the default namespace if the attribute declares one.
    fn read_attribute(&mut self) -> Result<Option<&'t str>, Unusual> {
        let from = self.at;
        let first = self.name()?;
        let mut declares_prefix = false;
        if self.byte_at(0) == Some(b':') {
            self.at += 1;
            declares_prefix = first == "xmlns" && !self.name()?.starts_with("xml");
            if !declares_prefix {
                return Err(Unusual);
            }
        }
        let name = self.text.get(from..self.at).ok_or(Unusual)?;
        self.skip_space();
        self.expect(b'=')?;
        self.skip_space();
        let (value, is_coded) = self.quoted_value()?;
        let declares_default = name == "xmlns";
        let is_declaration = declares_prefix || declares_default;
        if is_declaration {
            self.declarations = self.declarations.checked_sub(1).ok_or(Unusual)?;
            let is_simple =
                !is_coded && !value.starts_with(RESERVED) && (declares_default || !value.is_empty());
            if !is_simple {
                return Err(Unusual);
            }
        }
        let known = self.last.get(..self.last_count).unwrap_or_default();
        if self.last_count >= self.attributes || known.iter().any(|known| known.name == name) {
            return Err(Unusual);
        }
        *self.last.get_mut(self.last_count).ok_or(Unusual)? =
            PullAttribute { name, value, is_coded, is_declaration };
        self.last_count += 1;
        Ok(declares_default.then_some(value))
    }

    /// Parses a quoted value; the second value is whether it has references or white space to resolve.
    fn quoted_value(&mut self) -> Result<(&'t str, bool), Unusual> {
        let quote = self.byte_at(0).filter(|quote| matches!(quote, b'"' | b'\'')).ok_or(Unusual)?;
        self.at += 1;
        let rest = self.rest();
        let length = memchr::memchr2(quote, b'<', rest.as_bytes()).ok_or(Unusual)?;
        let value = rest.get(..length).ok_or(Unusual)?;
        self.at += length;
        self.expect(quote)?;
        if !self.has_special && !self.has_space {
            return Ok((value, false));
        }
        require_references(value)?;
        let is_coded = value.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r'));
        Ok((value, is_coded))
    }

    fn end_tag(&mut self) -> Result<Option<Token<'t>>, Unusual> {
        self.at += 2;
        let name = self.innermost().ok_or(Unusual)?.name;
        let after = self.rest().strip_prefix(name).ok_or(Unusual)?;
        self.at += name.len();
        if !after.starts_with('>') {
            self.skip_space();
        }
        self.expect(b'>')?;
        self.close()
    }

    fn close(&mut self) -> Result<Option<Token<'t>>, Unusual> {
        self.open_count = self.open_count.checked_sub(1).ok_or(Unusual)?;
        Ok(Some(Token::End))
    }

    fn count_node(&mut self) -> Result<(), Unusual> {
        self.nodes = self.nodes.checked_sub(1).ok_or(Unusual)?;
        Ok(())
    }

    fn name(&mut self) -> Result<&'t str, Unusual> {
        let rest = self.rest();
        let name = rest.get(..name_length(rest)).filter(|name| !name.is_empty()).ok_or(Unusual)?;
        self.at += name.len();
        Ok(name)
    }

    fn innermost(&self) -> Option<&Open<'t>> {
        self.open.get(self.open_count.checked_sub(1)?)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte_at(&self, offset: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + offset).copied()
    }

    fn skip_space(&mut self) -> usize {
        let from = self.at;
        while self.byte_at(0).is_some_and(is_space) {
            self.at += 1;
        }
        self.at - from
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unusual> {
        if self.byte_at(0) != Some(byte) {
            return Err(Unusual);
        }
        self.at += 1;
        Ok(())
    }
}

impl<'t> PullText<'t> {
    /// Returns the characters with references and line ends resolved.
    #[must_use]
    pub fn decoded(self) -> Cow<'t, str> {
        if self.is_coded { Cow::Owned(resolve_text(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// Requires that every `&` begins a reference that the complete parser accepts.
fn require_references(raw: &str) -> Result<(), Unusual> {
    let mut references = memchr::memchr_iter(b'&', raw.as_bytes());
    match references.all(|at| raw.get(at..).is_some_and(|reference| reference_at(reference).is_some())) {
        true => Ok(()),
        false => Err(Unusual),
    }
}
