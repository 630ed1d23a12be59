//! Writes elements into one buffer.

use crate::character::{continues_name, is_legal, starts_name};
use crate::document::Element;

/// Writes XML: names are the caller's, everything else is escaped.
///
/// Methods return the writer, so that an element reads as one line.
/// A character that XML cannot carry is written as `?`, as Windows does (MS-WSMV 2.2.4).
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    /// Where in `out` the names of open elements stand.
    open: Vec<(usize, usize)>,
    /// The start tag of the innermost element still takes attributes.
    in_tag: bool,
}

/// XML that a [`Writer`] wrote: whole elements, to be put into another document unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment(String);

impl Fragment {
    /// What a [`Writer`] of another process of ours wrote. It is not looked at: whoever gets it must be the one whom
    /// that process works for.
    #[must_use]
    pub fn written_elsewhere(markup: String) -> Self {
        Self(markup)
    }

    /// The markup.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name from outside that was found fit to be an element's or attribute's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A text that is not an XML name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an XML name: use letters, digits, '_', '-' and '.', beginning with a letter or '_'")]
pub struct NameError(String);

impl Name {
    /// Checks an unqualified name (XML 1.0, production `Name` without colons).
    ///
    /// # Errors
    /// [`NameError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut characters = text.chars();
        let fits = characters.next().is_some_and(starts_name) && characters.all(continues_name);
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError(text.chars().take(80).collect())) }
    }

    /// The name with a prefix before it, ready for [`Writer::start`].
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> String {
        format!("{prefix}:{}", self.0)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for a number of octets.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self { out: String::with_capacity(octets), ..Self::default() }
    }

    /// Opens an element; the name (with its prefix) comes from the program or from [`Name`].
    pub fn start(&mut self, name: &str) -> &mut Self {
        self.close_tag();
        self.out.push('<');
        let from = self.out.len();
        self.out.push_str(name);
        self.open.push((from, self.out.len()));
        self.in_tag = true;
        self
    }

    /// Adds an attribute to the element just opened.
    pub fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "attribute {name} outside a start tag");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value, Place::Attribute);
        self.out.push('"');
        self
    }

    /// Declares a namespace on the element just opened; an empty prefix declares the default one.
    pub fn namespace(&mut self, prefix: &str, uri: &str) -> &mut Self {
        debug_assert!(self.in_tag, "declaration of {prefix} outside a start tag");
        self.out.push_str(" xmlns");
        if !prefix.is_empty() {
            self.out.push(':');
            self.out.push_str(prefix);
        }
        self.out.push_str("=\"");
        escape(&mut self.out, uri, Place::Attribute);
        self.out.push('"');
        self
    }

    /// Adds characters to the innermost element.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape(&mut self.out, text, Place::Text);
        self
    }

    /// Adds characters as [`Writer::text`] does, but writes quotes as references, too.
    ///
    /// Windows does so in the properties of instances (recorded from Server 2012), and nowhere else.
    pub fn property_text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape(&mut self.out, text, Place::Property);
        self
    }

    /// Lets `append` add characters that need no escaping, such as Base64, straight to the buffer.
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

    /// Adds whole elements written before.
    pub fn fragment(&mut self, fragment: &Fragment) -> &mut Self {
        self.close_tag();
        self.out.push_str(&fragment.0);
        self
    }

    /// Closes the innermost element with an end tag, also when it is empty.
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

    /// An element with text only.
    pub fn element(&mut self, name: &str, text: &str) -> &mut Self {
        self.start(name).text(text).end()
    }

    /// Copies an element that was read, with the namespaces it uses declared on it.
    ///
    /// A prefix counts as used where the markup mentions it, also in a value such as `xsi:type="p:Name"`.
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
        // The source's own tag follows the declarations that its surroundings gave it.
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

    /// Octets written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Closes whatever is open and returns the text.
    #[must_use]
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    /// The same as a piece for another document.
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

/// Whether `prefix:` stands anywhere as a word of its own.
fn mentions(markup: &str, prefix: &str) -> bool {
    markup.match_indices(prefix).any(|(at, _)| {
        let before = markup.get(..at).and_then(|before| before.chars().next_back());
        let after = markup.get(at + prefix.len()..).unwrap_or_default();
        after.starts_with(':') && !before.is_some_and(continues_name)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Property,
    Attribute,
}

fn escape(out: &mut String, text: &str, place: Place) {
    let is_kept = |byte| match place {
        Place::Text => matches!(byte, b'\t' | b'\n' | b'"' | b'\''),
        Place::Property => matches!(byte, b'\t' | b'\n'),
        Place::Attribute => byte == b'\'',
    };
    // Judged to the end without a branch, because that is faster than to stop at the first one.
    let special =
        |byte| (byte < 0x20 || matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'' | 0xEF)) & !is_kept(byte);
    if !text.bytes().fold(false, |found, byte| found | special(byte)) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' if place != Place::Text => out.push_str("&quot;"),
            '\'' if place == Place::Property => out.push_str("&apos;"),
            // Written plainly, readers would turn these into other white space.
            '\r' => out.push_str("&#xD;"),
            '\n' if place == Place::Attribute => out.push_str("&#xA;"),
            '\t' if place == Place::Attribute => out.push_str("&#x9;"),
            c if is_legal(c) => out.push(c),
            _ => out.push('?'),
        }
    }
}

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
    fn elements_are_closed_in_both_forms() {
        let mut writer = Writer::new();
        writer.start("a").start("b").end().start("c").end_empty().element("d", "e");
        assert_eq!(writer.finish(), "<a><b></b><c/><d>e</d></a>");
    }

    #[test]
    fn a_name_from_outside_is_checked() {
        assert!(Name::parse("Win32_Process").is_ok());
        for wrong in ["", "1a", "a b", "a>", "p:a", "-a"] {
            assert!(Name::parse(wrong).is_err(), "{wrong:?} was taken for a name");
        }
    }
}
