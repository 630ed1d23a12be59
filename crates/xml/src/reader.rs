//! The parser: one pass over the text, one stack, no recursion.

use crate::character::{first_illegal, is_space, name_length};
use crate::document::{
    Declaration, Document, Kind, NO_NAMESPACE, NONE, Node, RawAttribute, Span, Uri, slice,
};
use crate::error::{ReadError, Reason};
use crate::reference::{reference_at, resolve_attribute};

/// Size limits of a document; parsing stops at the first one that is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Length of the whole text in bytes; values above 4 GiB are capped there.
    pub octets: usize,
    /// Nesting depth of elements; the root has depth one.
    pub depth: usize,
    /// Number of elements and text nodes together.
    pub nodes: usize,
    /// Number of attributes and namespace declarations of one element.
    pub attributes: usize,
    /// Number of namespace declarations in scope at one point.
    pub namespaces: usize,
}

impl Default for Bounds {
    /// Enough for the largest envelope a service accepts by default, and for every capture seen.
    fn default() -> Self {
        Self { octets: 16 << 20, depth: 100, nodes: 200_000, attributes: 64, namespaces: 256 }
    }
}

/// Namespace of `xml:lang`, bound without a declaration (Namespaces in XML 1.0, section 3).
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Maximum length of a text in bytes; offsets are stored as `u32`, and `u32::MAX` is not an offset.
const MAX_TEXT: usize = 0xFFFF_FFFE;

impl Document {
    /// Parses a document. Parsing stops at the first bound that is exceeded.
    ///
    /// # Errors
    /// [`ReadError`] holds the reason and the byte offset. A `<!DOCTYPE` and processing instructions are
    /// always rejected (SOAP 1.2 part 1, section 5).
    pub fn parse(text: impl Into<String>, bounds: &Bounds) -> Result<Self, ReadError> {
        read(text.into(), bounds)
    }
}

fn read(text: String, bounds: &Bounds) -> Result<Document, ReadError> {
    if text.len() > bounds.octets.min(MAX_TEXT) {
        return Err(ReadError { offset: 0, reason: Reason::TooLarge("octets") });
    }
    let mut reader = Reader {
        text: &text,
        at: 0,
        bounds,
        nodes: Vec::with_capacity(64),
        attributes: Vec::with_capacity(32),
        declarations: Vec::with_capacity(16),
        namespaces: vec![Uri::Resolved("".into()), Uri::Resolved(XML_NAMESPACE.into())],
        scope: Vec::with_capacity(16),
        open: Vec::with_capacity(16),
        raw: Vec::with_capacity(8),
    };
    reader.document()?;
    let Reader { nodes, attributes, declarations, namespaces, .. } = reader;
    Ok(Document { text: text.into_boxed_str(), nodes, attributes, declarations, namespaces })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    bounds: &'t Bounds,
    nodes: Vec<Node>,
    attributes: Vec<RawAttribute>,
    declarations: Vec<Declaration>,
    namespaces: Vec<Uri>,
    /// Declarations in scope, innermost last.
    scope: Vec<Declaration>,
    open: Vec<Open>,
    /// Attributes of the tag being read, before their prefixes are resolved.
    raw: Vec<RawAttribute>,
}

struct Open {
    node: u32,
    last_child: u32,
    /// Length of `scope` before this element's own declarations.
    scope: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<(), ReadError> {
        self.skip_declaration()?;
        self.skip_between()?;
        if self.rest().is_empty() || !self.looking_at("<") {
            return self.fail(Reason::NotOneRoot);
        }
        self.start_tag()?;
        while !self.open.is_empty() {
            self.content()?;
        }
        self.skip_between()?;
        if self.rest().is_empty() { Ok(()) } else { self.fail(Reason::NotOneRoot) }
    }

    fn content(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        let Some(length) = memchr::memchr(b'<', self.rest().as_bytes()) else {
            self.at = self.text.len();
            return self.fail(Reason::UnexpectedEnd);
        };
        if length > 0 {
            self.at += length;
            self.character_data(start)?;
        }
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'/') => self.end_tag(),
            Some(b'!') if self.looking_at("<!--") => self.comment(),
            Some(b'!') if self.looking_at("<![CDATA[") => self.cdata(),
            Some(b'!') => self.fail(Reason::DoctypeRefused),
            Some(b'?') => self.fail(Reason::InstructionRefused),
            _ => self.start_tag(),
        }
    }

    /// Adds a text node for the text from `start` to the current position.
    fn character_data(&mut self, start: usize) -> Result<(), ReadError> {
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.legal(raw, start)?;
        let mut coded = memchr::memchr(b'\r', raw.as_bytes()).is_some();
        for at in memchr::memchr_iter(b'&', raw.as_bytes()) {
            coded = true;
            let reference = raw.get(at..).unwrap_or_default();
            if reference_at(reference).is_none() {
                return self.fail_at(start + at, Reason::UnknownReference);
            }
        }
        for at in memchr::memchr_iter(b']', raw.as_bytes()) {
            if raw.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(b"]]>")) {
                return self.fail_at(start + at, Reason::BadCharacterData);
            }
        }
        let kind = if coded { Kind::CodedText } else { Kind::Text };
        self.push_text(kind, start, self.at)
    }

    fn cdata(&mut self) -> Result<(), ReadError> {
        let start = self.at + "<![CDATA[".len();
        let Some(length) = self.text.get(start..).and_then(|rest| rest.find("]]>")) else {
            return self.fail(Reason::UnexpectedEnd);
        };
        let mut from = start;
        let raw = self.text.get(start..start + length).unwrap_or_default();
        self.legal(raw, start)?;
        // References are not resolved in CDATA, but line ends are. Text between carriage returns becomes a
        // node as it is; a carriage return becomes a line feed of its own, or is dropped before a line feed.
        for at in memchr::memchr_iter(b'\r', raw.as_bytes()) {
            self.push_text(Kind::Text, from, start + at)?;
            from = start + at + 1;
            if self.text.as_bytes().get(from) != Some(&b'\n') {
                self.push_text(Kind::CodedText, start + at, from)?;
            }
        }
        self.push_text(Kind::Text, from, start + length)?;
        self.at = start + length + "]]>".len();
        Ok(())
    }

    fn push_text(&mut self, kind: Kind, start: usize, end: usize) -> Result<(), ReadError> {
        if start == end {
            return Ok(());
        }
        self.push_node(Node {
            kind,
            source: span(start, end),
            prefix: Span::default(),
            local: Span::default(),
            namespace: NO_NAMESPACE,
            attributes: (0, 0),
            declarations: (0, 0),
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
        })?;
        Ok(())
    }

    fn start_tag(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        self.at += 1;
        let (prefix, local) = self.qualified_name()?;
        let scope = self.scope.len();
        let first_attribute = self.attributes.len();
        let first_declaration = self.declarations.len();
        self.raw.clear();
        let empty = loop {
            let spaces = self.skip_space();
            match self.peek() {
                Some(b'>') => {
                    self.at += 1;
                    break false;
                }
                Some(b'/') => {
                    self.at += 1;
                    if self.peek() != Some(b'>') {
                        return self.fail(Reason::BadTag);
                    }
                    self.at += 1;
                    break true;
                }
                Some(_) if spaces > 0 => self.attribute(first_declaration)?,
                Some(_) => return self.fail(Reason::BadTag),
                None => return self.fail(Reason::UnexpectedEnd),
            }
        };
        let namespace = self.namespace_of(prefix, start)?;
        self.keep_attributes(first_attribute)?;
        let node = self.push_node(Node {
            kind: Kind::Element,
            source: span(start, self.at),
            prefix,
            local,
            namespace,
            attributes: (index(first_attribute), index(self.attributes.len() - first_attribute)),
            declarations: (index(first_declaration), index(self.declarations.len() - first_declaration)),
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
        })?;
        if empty {
            self.scope.truncate(scope);
        } else {
            if self.open.len() >= self.bounds.depth {
                return self.fail_at(start, Reason::TooLarge("depth"));
            }
            self.open.push(Open { node, last_child: NONE, scope });
        }
        Ok(())
    }

    /// Parses one `name="value"`: a namespace declaration enters scope, any other attribute is added to
    /// `raw`.
    fn attribute(&mut self, first_declaration: usize) -> Result<(), ReadError> {
        let start = self.at;
        let (prefix, local) = self.qualified_name()?;
        self.skip_space();
        self.expect(b'=')?;
        self.skip_space();
        let (value, coded) = self.quoted_value()?;
        let count = self.raw.len() + self.declarations.len() - first_declaration;
        if count >= self.bounds.attributes {
            return self.fail_at(start, Reason::TooLarge("attributes"));
        }
        let declares = match (slice(self.text, prefix), slice(self.text, local)) {
            ("xmlns", _) => Some(local),
            ("", "xmlns") => Some(Span::default()),
            _ => None,
        };
        match declares {
            Some(declared) => self.declare(declared, value, coded, first_declaration, start),
            None => {
                let namespace = NO_NAMESPACE;
                self.raw.push(RawAttribute { prefix, local, namespace, value, coded });
                Ok(())
            }
        }
    }

    fn declare(
        &mut self,
        prefix: Span,
        value: Span,
        coded: bool,
        first_declaration: usize,
        start: usize,
    ) -> Result<(), ReadError> {
        let name = slice(self.text, prefix);
        let again = self
            .declarations
            .iter()
            .skip(first_declaration)
            .any(|declared| slice(self.text, declared.prefix) == name);
        if again {
            return self.fail_at(start, Reason::DuplicateAttribute);
        }
        let raw = slice(self.text, value);
        let resolved = coded.then(|| resolve_attribute(raw));
        let uri = resolved.as_deref().unwrap_or(raw);
        // Namespaces in XML 1.0, section 3: the names `xml` and `xmlns` and their URIs cannot be redefined,
        // and a prefix cannot be undeclared.
        let wrong = name == "xmlns"
            || uri == XMLNS_NAMESPACE
            || (name == "xml") != (uri == XML_NAMESPACE)
            || (!name.is_empty() && uri.is_empty());
        if wrong {
            return self.fail_at(start, Reason::BadNamespace);
        }
        if self.scope.len() >= self.bounds.namespaces {
            return self.fail_at(start, Reason::TooLarge("namespaces"));
        }
        let namespace = if uri.is_empty() { NO_NAMESPACE } else { self.intern(value, resolved) };
        let declaration = Declaration { prefix, namespace };
        self.declarations.push(declaration);
        self.scope.push(declaration);
        Ok(())
    }

    /// Returns the index of a namespace URI, adding it if it is new. Equal URIs in scope have equal indices.
    fn intern(&mut self, value: Span, resolved: Option<String>) -> u32 {
        let text = self.text;
        let wanted = resolved.as_deref().unwrap_or(slice(text, value));
        let known = self.scope.iter().rev().find(|declared| self.uri(declared.namespace) == wanted);
        if let Some(known) = known {
            return known.namespace;
        }
        if wanted == XML_NAMESPACE {
            return 1;
        }
        self.namespaces.push(match resolved {
            Some(uri) => Uri::Resolved(uri.into()),
            None => Uri::Source(value),
        });
        index(self.namespaces.len() - 1)
    }

    fn uri(&self, namespace: u32) -> &str {
        match usize::try_from(namespace).ok().and_then(|at| self.namespaces.get(at)) {
            Some(Uri::Source(span)) => slice(self.text, *span),
            Some(Uri::Resolved(uri)) => uri,
            None => "",
        }
    }

    fn namespace_of(&self, prefix: Span, start: usize) -> Result<u32, ReadError> {
        let name = slice(self.text, prefix);
        if name == "xml" {
            return Ok(1);
        }
        let declared = self.scope.iter().rev().find(|declared| slice(self.text, declared.prefix) == name);
        match declared {
            Some(declared) => Ok(declared.namespace),
            None if name.is_empty() => Ok(NO_NAMESPACE),
            None => self.fail_at(start, Reason::BadNamespace),
        }
    }

    /// Resolves the prefixes of the attributes in `raw` and rejects two attributes with the same expanded
    /// name.
    fn keep_attributes(&mut self, first: usize) -> Result<(), ReadError> {
        let raw = std::mem::take(&mut self.raw);
        for attribute in &raw {
            let start = usize::try_from(attribute.local.0).unwrap_or(self.at);
            let namespace = match attribute.prefix {
                Span(from, to) if from == to => NO_NAMESPACE,
                prefix => self.namespace_of(prefix, start)?,
            };
            let name = slice(self.text, attribute.local);
            let again = self.attributes.iter().skip(first).any(|stored| {
                slice(self.text, stored.local) == name && self.uri(stored.namespace) == self.uri(namespace)
            });
            if again {
                return self.fail_at(start, Reason::DuplicateAttribute);
            }
            self.attributes.push(RawAttribute { namespace, ..*attribute });
        }
        self.raw = raw;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        self.at += 2;
        let (prefix, local) = self.qualified_name()?;
        self.skip_space();
        self.expect(b'>')?;
        let Some(open) = self.open.pop() else {
            return self.fail_at(start, Reason::MismatchedEnd);
        };
        self.scope.truncate(open.scope);
        let text = self.text;
        let end = index(self.at);
        match usize::try_from(open.node).ok().and_then(|at| self.nodes.get_mut(at)) {
            Some(node)
                if slice(text, node.prefix) == slice(text, prefix)
                    && slice(text, node.local) == slice(text, local) =>
            {
                node.source.1 = end;
                Ok(())
            }
            _ => self.fail_at(start, Reason::MismatchedEnd),
        }
    }

    fn push_node(&mut self, mut node: Node) -> Result<u32, ReadError> {
        if self.nodes.len() >= self.bounds.nodes {
            return self.fail(Reason::TooLarge("elements and texts"));
        }
        let here = index(self.nodes.len());
        if let Some(open) = self.open.last_mut() {
            node.parent = open.node;
            let before = std::mem::replace(&mut open.last_child, here);
            let (link_from, first) = if before == NONE { (open.node, true) } else { (before, false) };
            if let Some(earlier) = usize::try_from(link_from).ok().and_then(|at| self.nodes.get_mut(at)) {
                if first {
                    earlier.first_child = here;
                } else {
                    earlier.next_sibling = here;
                }
            }
        }
        self.nodes.push(node);
        Ok(here)
    }

    fn qualified_name(&mut self) -> Result<(Span, Span), ReadError> {
        let first = self.name()?;
        if self.peek() != Some(b':') {
            return Ok((Span::default(), first));
        }
        self.at += 1;
        let local = self.name()?;
        Ok((first, local))
    }

    fn name(&mut self) -> Result<Span, ReadError> {
        let rest = self.rest();
        let length = name_length(rest);
        if length == 0 {
            let reason = if rest.is_empty() { Reason::UnexpectedEnd } else { Reason::BadName };
            return self.fail(reason);
        }
        let name = span(self.at, self.at + length);
        self.at += length;
        Ok(name)
    }

    /// Parses a quoted value; the second value is whether it has references or white space to resolve.
    fn quoted_value(&mut self) -> Result<(Span, bool), ReadError> {
        let quote = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => quote,
            Some(_) => return self.fail(Reason::BadTag),
            None => return self.fail(Reason::UnexpectedEnd),
        };
        let start = self.at + 1;
        let rest = self.text.get(start..).unwrap_or_default();
        let Some(length) = memchr::memchr(quote, rest.as_bytes()) else {
            return self.fail(Reason::UnexpectedEnd);
        };
        let raw = rest.get(..length).unwrap_or_default();
        self.legal(raw, start)?;
        if let Some(at) = memchr::memchr(b'<', raw.as_bytes()) {
            return self.fail_at(start + at, Reason::BadTag);
        }
        let mut coded = memchr::memchr3(b'\t', b'\n', b'\r', raw.as_bytes()).is_some();
        for at in memchr::memchr_iter(b'&', raw.as_bytes()) {
            coded = true;
            if reference_at(raw.get(at..).unwrap_or_default()).is_none() {
                return self.fail_at(start + at, Reason::UnknownReference);
            }
        }
        self.at = start + length + 1;
        Ok((span(start, start + length), coded))
    }

    /// Skips an XML declaration: the encoding was determined before the bytes became text.
    fn skip_declaration(&mut self) -> Result<(), ReadError> {
        let declared = self
            .rest()
            .strip_prefix("<?xml")
            .is_some_and(|rest| rest.as_bytes().first().copied().is_some_and(is_space));
        if !declared {
            return Ok(());
        }
        let Some(length) = self.rest().find("?>") else { return self.fail(Reason::UnexpectedEnd) };
        let declaration = self.rest().get("<?xml".len()..length).unwrap_or_default();
        if length > 200 || declared_wrongly(declaration) {
            return self.fail(Reason::BadTag);
        }
        self.at += length + "?>".len();
        Ok(())
    }

    /// Skips white space and comments outside the root element.
    fn skip_between(&mut self) -> Result<(), ReadError> {
        loop {
            self.skip_space();
            if self.looking_at("<!--") {
                self.comment()?;
            } else if self.looking_at("<!") {
                return self.fail(Reason::DoctypeRefused);
            } else if self.looking_at("<?") {
                return self.fail(Reason::InstructionRefused);
            } else {
                return Ok(());
            }
        }
    }

    fn comment(&mut self) -> Result<(), ReadError> {
        let start = self.at + "<!--".len();
        let Some(length) = self.text.get(start..).and_then(|rest| rest.find("--")) else {
            return self.fail(Reason::UnexpectedEnd);
        };
        self.legal(self.text.get(start..start + length).unwrap_or_default(), start)?;
        self.at = start + length + 2;
        if self.peek() != Some(b'>') {
            return self.fail(Reason::BadCharacterData);
        }
        self.at += 1;
        Ok(())
    }

    fn legal(&self, raw: &str, start: usize) -> Result<(), ReadError> {
        match first_illegal(raw) {
            Some(at) => self.fail_at(start + at, Reason::IllegalCharacter),
            None => Ok(()),
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn looking_at(&self, start: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(start.as_bytes()))
    }

    fn skip_space(&mut self) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| is_space(**byte)).count();
        self.at += count;
        count
    }

    fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => self.fail(Reason::BadTag),
            None => self.fail(Reason::UnexpectedEnd),
        }
    }

    fn fail<T>(&self, reason: Reason) -> Result<T, ReadError> {
        self.fail_at(self.at, reason)
    }

    fn fail_at<T>(&self, offset: usize, reason: Reason) -> Result<T, ReadError> {
        Err(ReadError { offset, reason })
    }
}

fn declared_wrongly(declaration: &str) -> bool {
    !declaration.is_ascii() || !declaration.contains("version=") || declaration.contains('<')
}

fn span(start: usize, end: usize) -> Span {
    Span(index(start), index(end))
}

/// Converts a position. It always fits: `read` rejects longer texts, and there are fewer nodes than bytes.
fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(NONE)
}
