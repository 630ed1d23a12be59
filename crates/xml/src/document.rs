//! The parsed tree of a document and its navigation.

use std::borrow::Cow;

use crate::reference;

/// A whole XML document: its text and a flat tree of positions in that text.
///
/// The document owns its text, so it can be moved between tasks. Elements borrow from it.
pub struct Document {
    pub(crate) text: Box<str>,
    /// INVARIANT: never empty; the first node is the root element.
    pub(crate) nodes: Vec<Node>,
    pub(crate) attributes: Vec<RawAttribute>,
    pub(crate) declarations: Vec<Declaration>,
    pub(crate) namespaces: Vec<Uri>,
}

/// A range of the document's text, from byte `0` up to but not including byte `1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u32, pub(crate) u32);

/// Index that means "no such node".
pub(crate) const NONE: u32 = u32::MAX;
/// Index of the empty namespace, used for names without one.
pub(crate) const NO_NAMESPACE: u32 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Element,
    /// Character data that needs no decoding.
    Text,
    /// Character data with references or line ends to resolve.
    CodedText,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The whole markup of an element, or the characters of a text.
    pub(crate) source: Span,
    pub(crate) prefix: Span,
    pub(crate) local: Span,
    pub(crate) namespace: u32,
    /// Index of the first attribute in `Document::attributes`, and their number.
    pub(crate) attributes: (u32, u32),
    /// Index of the first declaration in `Document::declarations`, and their number.
    pub(crate) declarations: (u32, u32),
    pub(crate) parent: u32,
    pub(crate) first_child: u32,
    pub(crate) next_sibling: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RawAttribute {
    pub(crate) prefix: Span,
    pub(crate) local: Span,
    pub(crate) namespace: u32,
    pub(crate) value: Span,
    /// Whether the value has references or white space to resolve.
    pub(crate) coded: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Declaration {
    pub(crate) prefix: Span,
    pub(crate) namespace: u32,
}

#[derive(Debug)]
pub(crate) enum Uri {
    Source(Span),
    Resolved(Box<str>),
}

impl Document {
    /// Returns the root element.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// Returns the element with an identifier that [`Element::id`] returned for this document, or `None` if
    /// there is no element.
    #[must_use]
    pub fn at(&self, id: ElementId) -> Option<Element<'_>> {
        match self.node(id.0) {
            Some(Node { kind: Kind::Element, .. }) => Some(Element { document: self, index: id.0 }),
            _ => None,
        }
    }

    /// Returns the text of the whole document.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        slice(&self.text, span)
    }

    pub(crate) fn uri(&self, index: u32) -> &str {
        match usize::try_from(index).ok().and_then(|index| self.namespaces.get(index)) {
            Some(Uri::Source(span)) => self.slice(*span),
            Some(Uri::Resolved(uri)) => uri,
            None => "",
        }
    }
}

pub(crate) fn slice(text: &str, span: Span) -> &str {
    let (Ok(start), Ok(end)) = (usize::try_from(span.0), usize::try_from(span.1)) else { return "" };
    text.get(start..end).unwrap_or_default()
}

/// Identifies an element of a document; does not borrow the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementId(u32);

/// An element of a [`Document`].
#[derive(Clone, Copy)]
pub struct Element<'a> {
    document: &'a Document,
    index: u32,
}

impl<'a> Element<'a> {
    /// Returns the local name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.node().map_or("", |node| self.document.slice(node.local))
    }

    /// Returns the namespace URI, empty if the element has none.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        self.node().map_or("", |node| self.document.uri(node.namespace))
    }

    /// Returns the prefix as written; empty for a name without a prefix.
    #[must_use]
    pub fn prefix(&self) -> &'a str {
        self.node().map_or("", |node| self.document.slice(node.prefix))
    }

    /// Returns whether the element has this namespace and local name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// Returns the enclosing element, or `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Element<'a>> {
        let parent = self.node()?.parent;
        self.document.node(parent).map(|_| Element { document: self.document, index: parent })
    }

    /// Returns the child elements in document order.
    pub fn children(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let document = self.document;
        self.nodes()
            .filter(|(_, node)| node.kind == Kind::Element)
            .map(move |(index, _)| Element { document, index })
    }

    /// Returns the first child element with this namespace and local name.
    #[must_use]
    pub fn child(&self, namespace: &str, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.is(namespace, name))
    }

    /// Returns the element's own text with references resolved, without the text of child elements.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        let mut parts = self.nodes().filter(|(_, node)| node.kind != Kind::Element);
        let Some((_, first)) = parts.next() else { return Cow::Borrowed("") };
        let first = self.resolved(first);
        let Some((_, second)) = parts.next() else { return first };
        let mut text = first.into_owned();
        text.push_str(&self.resolved(second));
        for (_, node) in parts {
            text.push_str(&self.resolved(node));
        }
        Cow::Owned(text)
    }

    /// Returns the value of the attribute with this namespace and local name. Most attributes have no
    /// namespace (`""`).
    #[must_use]
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<Cow<'a, str>> {
        self.attributes()
            .find(|attribute| attribute.name() == name && attribute.namespace() == namespace)
            .map(|attribute| attribute.value())
    }

    /// Returns the attributes in document order, without namespace declarations.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let document = self.document;
        let (from, count) = self.node().map_or((0, 0), |node| node.attributes);
        stretch(&document.attributes, from, count).iter().map(move |raw| Attribute { document, raw })
    }

    /// Returns prefix and URI of each namespace declared on this element itself.
    pub fn declarations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let document = self.document;
        let (from, count) = self.node().map_or((0, 0), |node| node.declarations);
        stretch(&document.declarations, from, count)
            .iter()
            .map(move |declaration| (document.slice(declaration.prefix), document.uri(declaration.namespace)))
    }

    /// Returns the namespace URI bound to a prefix in the scope of this element, or `None`. Qualified names
    /// in values, such as `s:Sender`, need it.
    #[must_use]
    pub fn resolve(&self, prefix: &str) -> Option<&'a str> {
        let mut here = Some(*self);
        while let Some(element) = here {
            if let Some((_, uri)) = element.declarations().find(|(declared, _)| *declared == prefix) {
                return Some(uri);
            }
            here = element.parent();
        }
        None
    }

    /// Returns the markup of the element exactly as it is in the document.
    #[must_use]
    pub fn source(&self) -> &'a str {
        self.node().map_or("", |node| self.document.slice(node.source))
    }

    /// Returns the identifier of the element, for [`Document::at`].
    #[must_use]
    pub fn id(&self) -> ElementId {
        ElementId(self.index)
    }

    fn node(&self) -> Option<&'a Node> {
        self.document.node(self.index)
    }

    fn nodes(&self) -> impl Iterator<Item = (u32, &'a Node)> + use<'a> {
        let document = self.document;
        let mut index = self.node().map_or(NONE, |node| node.first_child);
        std::iter::from_fn(move || {
            let node = document.node(index)?;
            let here = index;
            index = node.next_sibling;
            Some((here, node))
        })
    }

    fn resolved(&self, node: &Node) -> Cow<'a, str> {
        let raw = self.document.slice(node.source);
        match node.kind {
            Kind::CodedText => Cow::Owned(reference::resolve_text(raw)),
            Kind::Text | Kind::Element => Cow::Borrowed(raw),
        }
    }
}

/// An attribute of an [`Element`].
#[derive(Clone, Copy)]
pub struct Attribute<'a> {
    document: &'a Document,
    raw: &'a RawAttribute,
}

impl<'a> Attribute<'a> {
    /// Returns the local name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.document.slice(self.raw.local)
    }

    /// Returns the namespace URI, empty for a name without prefix.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        self.document.uri(self.raw.namespace)
    }

    /// Returns the prefix as written; empty for a name without a prefix.
    #[must_use]
    pub fn prefix(&self) -> &'a str {
        self.document.slice(self.raw.prefix)
    }

    /// Returns the value with references resolved.
    #[must_use]
    pub fn value(&self) -> Cow<'a, str> {
        let raw = self.document.slice(self.raw.value);
        if self.raw.coded { Cow::Owned(reference::resolve_attribute(raw)) } else { Cow::Borrowed(raw) }
    }
}

fn stretch<T>(all: &[T], from: u32, count: u32) -> &[T] {
    let (Ok(from), Ok(count)) = (usize::try_from(from), usize::try_from(count)) else { return &[] };
    from.checked_add(count).and_then(|end| all.get(from..end)).unwrap_or_default()
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Message bodies may contain secrets, so only the root name and the length are shown.
        f.debug_struct("Document")
            .field("root", &self.root().name())
            .field("octets", &self.text.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Element({})", self.name())
    }
}
