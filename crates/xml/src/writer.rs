//! Writes XML into one buffer.

use crate::character::{continues_name, first_illegal, is_legal, starts_name};
use crate::document::Element;

/// XML writer. Names must come from the program or from [`Name`]; all other text is escaped.
///
/// Methods return the writer, so that calls for one element can be chained.
/// A character that XML cannot represent is written as `?`, as Windows does (MS-WSMV 2.2.4).
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    /// Ranges in `out` of the names of the open elements.
    open: Vec<(usize, usize)>,
    /// Whether the start tag of the innermost element is still open for attributes.
    in_tag: bool,
}

/// XML written by a [`Writer`]: whole elements that can be inserted into another document unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment(String);

impl Fragment {
    /// Wraps markup that a [`Writer`] produced in another process of this service. The markup is not checked,
    /// so send it only to the user on whose behalf that process runs.
    #[must_use]
    pub fn written_elsewhere(markup: String) -> Self {
        Self(markup)
    }

    /// Returns the markup.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An XML name from outside that has been checked and can be used for an element or attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Error: the text is not an XML name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an XML name: use letters, digits, '_', '-' and '.', beginning with a letter or '_'")]
pub struct NameError(String);

impl Name {
    /// Parses an unqualified name (XML 1.0, production `Name` without colons).
    ///
    /// # Errors
    /// [`NameError`] if the text is not such a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut characters = text.chars();
        let fits = characters.next().is_some_and(starts_name) && characters.all(continues_name);
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError(text.chars().take(80).collect())) }
    }

    /// Returns the name with a prefix, ready for [`Writer::start`].
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> String {
        format!("{prefix}:{}", self.0)
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Writer {
    /// Returns an empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty writer with capacity for this number of bytes.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self { out: String::with_capacity(octets), ..Self::default() }
    }

    /// Opens an element. The name, with its prefix, must come from the program or from [`Name`].
    pub fn start(&mut self, name: &str) -> &mut Self {
        self.close_tag();
        self.out.push('<');
        let from = self.out.len();
        self.out.push_str(name);
        self.open.push((from, self.out.len()));
        self.in_tag = true;
        self
    }

    /// Adds an attribute to the start tag just opened.
    pub fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "attribute {name} outside a start tag");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value, Context::Attribute);
        self.out.push('"');
        self
    }

    /// Declares a namespace on the start tag just opened; an empty prefix declares the default namespace.
    pub fn namespace(&mut self, prefix: &str, uri: &str) -> &mut Self {
        debug_assert!(self.in_tag, "declaration of {prefix} outside a start tag");
        self.out.push_str(" xmlns");
        if !prefix.is_empty() {
            self.out.push(':');
            self.out.push_str(prefix);
        }
        self.out.push_str("=\"");
        escape(&mut self.out, uri, Context::Attribute);
        self.out.push('"');
        self
    }

    /// Adds escaped text to the innermost element.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape(&mut self.out, text, Context::Text);
        self
    }

    /// Adds escaped text as [`Writer::text`] does, and also writes quotes as references.
    ///
    /// Windows does so in the properties of instances (recorded from Server 2012), and nowhere else.
    pub fn property_text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape(&mut self.out, text, Context::Property);
        self
    }

    /// Adds text as a CDATA section, or escaped if a section cannot hold it unchanged: with `]]>`, a carriage
    /// return, or a character that XML does not allow.
    pub fn cdata(&mut self, text: &str) -> &mut Self {
        if text.contains("]]>") || text.contains('\r') || first_illegal(text).is_some() {
            return self.text(text);
        }
        self.close_tag();
        self.out.push_str("<![CDATA[");
        self.out.push_str(text);
        self.out.push_str("]]>");
        self
    }

    /// Calls `append` to add text that needs no escaping, such as Base64, directly to the buffer.
    pub fn plain(&mut self, append: impl FnOnce(&mut String)) -> &mut Self {
        self.close_tag();
        let from = self.out.len();
        append(&mut self.out);
        debug_assert!(
            self.out.get(from..).is_some_and(|added| !added.contains(['<', '&', '>'])),
            "text that needs escaping was written as plain"
        );
        self
    }

    /// Adds elements written before.
    pub fn fragment(&mut self, fragment: &Fragment) -> &mut Self {
        self.close_tag();
        self.out.push_str(&fragment.0);
        self
    }

    /// Closes the innermost element with an end tag, even if it is empty.
    pub fn end(&mut self) -> &mut Self {
        self.close_tag();
        if let Some((from, to)) = self.open.pop() {
            self.out.push_str("</");
            self.out.extend_from_within(from..to);
            self.out.push('>');
        }
        self
    }

    /// Closes the innermost element, which has no content, as `<name/>`.
    pub fn end_empty(&mut self) -> &mut Self {
        if !self.in_tag {
            return self.end();
        }
        self.open.pop();
        self.in_tag = false;
        self.out.push_str("/>");
        self
    }

    /// Closes the innermost element, which has no content, as `<name />` with a space, as .NET writes it.
    pub fn end_empty_with_space(&mut self) -> &mut Self {
        if self.in_tag {
            self.out.push(' ');
        }
        self.end_empty()
    }

    /// Writes an element that contains only text.
    pub fn element(&mut self, name: &str, text: &str) -> &mut Self {
        self.start(name).text(text).end()
    }

    /// Copies an element of another document and declares the namespaces it uses.
    ///
    /// A prefix counts as used if it appears anywhere in the markup, including values such as
    /// `xsi:type="p:Name"`.
    pub fn copy(&mut self, element: Element<'_>) -> &mut Self {
        let mut declared: Vec<(&str, &str)> = Vec::new();
        let mut here = Some(element);
        while let Some(ancestor) = here {
            for (prefix, uri) in ancestor.declarations() {
                if !declared.iter().any(|(known, _)| *known == prefix) {
                    declared.push((prefix, uri));
                }
            }
            here = ancestor.parent();
        }
        declared.retain(|(prefix, uri)| !(prefix.is_empty() && uri.is_empty()));
        self.close_tag();
        self.out.push('<');
        // The element's own tag follows, after the declarations inherited from its ancestors.
        let source = element.source();
        let name_end = source.find([' ', '\t', '\n', '\r', '/', '>']).unwrap_or(0);
        self.out.push_str(source.get(1..name_end).unwrap_or_default());
        let own: Vec<&str> = element.declarations().map(|(prefix, _)| prefix).collect();
        self.in_tag = true;
        for (prefix, uri) in declared {
            if !own.contains(&prefix) && (prefix.is_empty() || mentions(source, prefix)) {
                self.namespace(prefix, uri);
            }
        }
        self.in_tag = false;
        self.out.push_str(source.get(name_end..).unwrap_or_default());
        self
    }

    /// Returns the number of bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Returns whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Closes all open elements and returns the text.
    #[must_use]
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    /// Closes all open elements and returns them as a fragment for another document.
    #[must_use]
    pub fn into_fragment(self) -> Fragment {
        Fragment(self.finish())
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }
}

/// Returns whether `prefix:` appears in the markup as a word of its own.
fn mentions(markup: &str, prefix: &str) -> bool {
    markup.match_indices(prefix).any(|(at, _)| {
        let before = markup.get(..at).and_then(|before| before.chars().next_back());
        let after = markup.get(at + prefix.len()..).unwrap_or_default();
        after.starts_with(':') && !before.is_some_and(continues_name)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Text,
    Property,
    Attribute,
}

impl Context {
    /// Returns whether a byte may start a character that must be escaped or replaced.
    #[inline]
    fn is_special(self, byte: u8) -> bool {
        let is_literal = match self {
            Self::Text => matches!(byte, b'\t' | b'\n' | b'"' | b'\''),
            Self::Property => matches!(byte, b'\t' | b'\n'),
            Self::Attribute => byte == b'\'',
        };
        (byte < 0x20 || matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'' | 0xEF)) & !is_literal
    }
}

fn escape(out: &mut String, text: &str, context: Context) {
    // One loop for each context: compilers do not vectorise a loop that selects the bytes in each turn.
    let has_special = match context {
        Context::Text => has_any(text, |byte| Context::Text.is_special(byte)),
        Context::Property => has_any(text, |byte| Context::Property.is_special(byte)),
        Context::Attribute => has_any(text, |byte| Context::Attribute.is_special(byte)),
    };
    if !has_special {
        // The end tag behind a long text must not make the buffer grow to twice its size.
        out.reserve(text.len() + END_TAG);
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' if context != Context::Text => out.push_str("&quot;"),
            '\'' if context == Context::Property => out.push_str("&apos;"),
            // As plain characters, readers would normalise these to other white space.
            '\r' => out.push_str("&#xD;"),
            '\n' if context == Context::Attribute => out.push_str("&#xA;"),
            '\t' if context == Context::Attribute => out.push_str("&#x9;"),
            c if is_legal(c) => out.push(c),
            _ => out.push('?'),
        }
    }
}

/// Returns whether any byte is special. Checks the whole text without branches, which is faster than stopping at the
/// first one.
#[inline]
fn has_any(text: &str, is_special: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |found, byte| found | is_special(byte))
}

/// Room for an end tag in bytes.
const END_TAG: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_become_markup() {
        let mut writer = Writer::new();
        writer.start("a").attribute("b", "\"><x>&\n").text("</a>&\r\u{1}").end();
        assert_eq!(writer.finish(), "<a b=\"&quot;&gt;&lt;x&gt;&amp;&#xA;\">&lt;/a&gt;&amp;&#xD;?</a>");
    }

    #[test]
    fn white_space_and_quotes_are_kept_where_readers_keep_them() {
        let mut writer = Writer::new();
        writer.start("a").attribute("b", "\t\"ü日\u{ffff}").text("\t\"\n").text("ü日\n\u{ffff}\r").end();
        assert_eq!(writer.finish(), "<a b=\"&#x9;&quot;ü日?\">\t\"\nü日\n?&#xD;</a>");
    }

    #[test]
    fn quotes_are_references_in_properties_only() {
        let mut writer = Writer::new();
        writer.start("a").attribute("b", "it's").text("it's \"x\"").property_text("it's \"x\" & \n").end();
        assert_eq!(writer.finish(), "<a b=\"it's\">it's \"x\"it&apos;s &quot;x&quot; &amp; \n</a>");
    }

    #[test]
    fn cdata_is_used_only_for_text_that_it_keeps() {
        let mut writer = Writer::new();
        writer.start("a").cdata("<b>&").end();
        assert_eq!(writer.finish(), "<a><![CDATA[<b>&]]></a>");
        let mut writer = Writer::new();
        writer.start("a").cdata("]]>").cdata("\r").cdata("<\u{1}").end();
        assert_eq!(writer.finish(), "<a>]]&gt;&#xD;&lt;?</a>");
    }

    #[test]
    fn elements_are_closed_in_both_forms() {
        let mut writer = Writer::new();
        writer.start("a").start("b").end().start("c").end_empty().element("d", "e");
        writer.start("f").end_empty_with_space().start("g").text("").end_empty_with_space();
        assert_eq!(writer.finish(), "<a><b></b><c/><d>e</d><f /><g></g></a>");
    }

    #[test]
    fn a_name_from_outside_is_checked() {
        assert!(Name::parse("Win32_Process").is_ok());
        for wrong in ["", "1a", "a b", "a>", "p:a", "-a"] {
            assert!(Name::parse(wrong).is_err(), "{wrong:?} was taken for a name");
        }
    }
}
