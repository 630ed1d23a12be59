//! Neutralises control characters in text from other machines, so that it cannot control the user's terminal.
//!
//! A service, a saved file or a management controller may send C0 and C1 control characters, which begin escape
//! sequences, and bidirectional control characters, which make text look like different text (Unicode UAX #9,
//! "Trojan Source"). They are replaced in every output format, even if standard output is not a terminal, because
//! a file may be shown on a terminal later.
//!
//! The output of a command that `winrs` runs is passed on unchanged, as with `ssh`: it is the byte stream of a
//! program that the user chose to run, and programs such as `top` need terminal control.

use std::io::{self, Write};

/// Returns whether a character can control a terminal: a control character other than tab and line feed, a line
/// separator, or a bidirectional control character.
#[must_use]
pub fn controls_terminal(character: char) -> bool {
    match character {
        '\t' | '\n' => false,
        '\u{61C}' | '\u{200E}' | '\u{200F}' => true,
        '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Returns the text with U+FFFD in place of each character that can control a terminal.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.replace(controls_terminal, "\u{FFFD}")
}

/// Returns an equivalent XML document with character references in place of characters that can control a terminal.
///
/// Names cannot contain references: U+061C, the only such character allowed in names, becomes U+FFFD there.
#[must_use]
pub fn harmless_markup(markup: &str) -> String {
    if !markup.contains(controls_terminal) {
        return markup.to_owned();
    }
    // XML readers turn both into line feeds (XML 1.0, 2.11), but not a character reference.
    let markup = markup.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(markup.len() + 64);
    let mut context = Context::Text;
    for (at, character) in markup.char_indices() {
        let (before, rest) = markup.split_at_checked(at).unwrap_or_default();
        context = context.next(before, rest);
        let code = u32::from(character);
        match context {
            _ if !controls_terminal(character) => out.push(character),
            Context::Text | Context::Value(_) => out.push_str(&format!("&#x{code:X};")),
            // A CDATA section cannot contain references.
            Context::CData => out.push_str(&format!("]]>&#x{code:X};<![CDATA[")),
            Context::Tag | Context::Comment => out.push('\u{FFFD}'),
        }
    }
    out
}

/// Syntactic context of a character in well-formed markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    Text,
    /// In a tag, outside the values of its attributes.
    Tag,
    /// In an attribute value, enclosed in these quotation marks.
    Value(char),
    /// In a CDATA section (XML 1.0, 2.7).
    CData,
    Comment,
}

impl Context {
    /// Returns the context of the first character of `rest`; `self` is the context of the last character of `before`.
    fn next(self, before: &str, rest: &str) -> Self {
        let has_ended = match self {
            Self::CData => before.ends_with("]]>"),
            Self::Comment => before.ends_with("-->"),
            Self::Tag => before.ends_with('>'),
            Self::Text | Self::Value(_) => false,
        };
        let context = if has_ended { Self::Text } else { self };
        match (context, rest.chars().next()) {
            (Self::Text, Some('<')) if rest.starts_with("<![CDATA[") => Self::CData,
            (Self::Text, Some('<')) if rest.starts_with("<!--") => Self::Comment,
            (Self::Text, Some('<')) => Self::Tag,
            (Self::Tag, Some(quote @ ('"' | '\''))) => Self::Value(quote),
            (Self::Value(quote), Some(next)) if next == quote => Self::Tag,
            (context, _) => context,
        }
    }
}

/// Writer that replaces characters that can control a terminal, and invalid UTF-8, by U+FFFD.
///
/// Colour sequences (SGR, ECMA-48 8.3.117) pass, because programs write their own through this writer; they cannot
/// move the cursor. This is the second line of defence: text from other machines is already made
/// [harmless] where it is formatted.
#[derive(Debug)]
pub struct HarmlessWriter<W: Write> {
    inner: W,
    /// Incomplete UTF-8 sequence at the end of the last write: at most three bytes.
    pending: Vec<u8>,
}

impl<W: Write> HarmlessWriter<W> {
    /// Creates a writer in front of `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, pending: Vec::new() }
    }
}

impl<W: Write> Write for HarmlessWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.pending.is_empty() && bytes.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b' '..=b'~')) {
            return self.inner.write(bytes);
        }
        let all = [self.pending.as_slice(), bytes].concat();
        let (text, pending) = all.split_at_checked(whole_characters(&all)).unwrap_or((&all, &[]));
        self.inner.write_all(coloured(&String::from_utf8_lossy(text)).as_bytes())?;
        self.pending = pending.to_vec();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Makes text harmless, but keeps colour sequences.
fn coloured(text: &str) -> String {
    let mut parts = text.split('\u{1B}');
    let mut out = harmless(parts.next().unwrap_or_default());
    for part in parts {
        let parameters = part.strip_prefix('[').and_then(|rest| rest.split_once('m'));
        let is_colour = parameters.is_some_and(|(parameters, _)| {
            parameters.len() <= 8 && parameters.chars().all(|c| c.is_ascii_digit() || c == ';')
        });
        out.push(if is_colour { '\u{1B}' } else { '\u{FFFD}' });
        out.push_str(&harmless(part));
    }
    out
}

/// Returns the number of bytes before an incomplete UTF-8 sequence at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut begin = 0;
    for chunk in bytes.utf8_chunks() {
        begin += chunk.valid().len();
        let invalid = chunk.invalid();
        let is_last = begin + invalid.len() == bytes.len();
        let is_begun = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if is_last && is_begun && !invalid.is_empty() {
            return begin;
        }
        begin += invalid.len();
    }
    bytes.len()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CONTROL: [char; 12] = [
        '\u{1B}', '\u{7}', '\u{8}', '\r', '\u{7F}', '\u{9B}', '\u{9D}', '\u{202E}', '\u{2066}', '\u{200F}',
        '\u{61C}', '\u{2028}',
    ];

    #[test]
    fn control_characters_are_replaced_and_other_text_is_unchanged() {
        for character in CONTROL {
            assert_eq!(harmless(&format!("a{character}b")), "a\u{FFFD}b", "{character:?}");
        }
        for text in ["ü日\t\n", "שלום", "مرحبا", "\u{200D}", "\u{202F}", "\u{2065}\u{206A}"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn markup_stays_the_same_document() {
        for character in CONTROL.into_iter().filter(|c| xml_has(*c)) {
            let text = format!("a{character}b<![CDATA[<c{character}d>]]>e");
            let markup = format!("<r x=\"{character}\">{text}</r>");
            let shown = harmless_markup(&markup);
            assert!(!shown.contains(controls_terminal), "{shown:?}");
            let bounds = xml::Bounds::default();
            let [before, after] = [&markup, &shown].map(|markup| {
                let document = xml::Document::parse(markup, &bounds).unwrap();
                let root = document.root();
                (root.text().into_owned(), root.attribute("", "x").unwrap().into_owned())
            });
            assert_eq!(before, after, "{character:?}");
        }
        for (markup, shown) in [
            ("<r>\u{9B}</r>", "<r>&#x9B;</r>"),
            ("<r a='\"\u{9B}>' b=\"'\u{9C}\">\u{9D}</r>", "<r a='\"&#x9B;>' b=\"'&#x9C;\">&#x9D;</r>"),
            ("<r><!-- \u{9B}\"<x --></r>\u{9B}", "<r><!-- \u{FFFD}\"<x --></r>&#x9B;"),
            ("<a\u{61C}b c\u{61C}=\"\u{61C}\"/>", "<a\u{FFFD}b c\u{FFFD}=\"&#x61C;\"/>"),
        ] {
            assert_eq!(harmless_markup(markup), shown);
        }
    }

    /// Returns whether XML 1.0 allows the character; other control characters are not allowed.
    fn xml_has(character: char) -> bool {
        character == '\r' || character >= '\u{7F}'
    }

    #[test]
    fn the_writer_handles_characters_split_across_writes() {
        let text = "a\u{1B}]0;x\u{7}\u{9B}ü日\u{202E}\u{1F600}\n";
        for size in 1..6 {
            let mut writer = HarmlessWriter::new(Vec::new());
            text.as_bytes().chunks(size).for_each(|chunk| writer.write_all(chunk).unwrap());
            let shown = String::from_utf8(writer.inner).unwrap();
            assert_eq!(shown, harmless(text), "in pieces of {size}");
        }
        let mut writer = HarmlessWriter::new(Vec::new());
        writer.write_all(b"a\xFFb\xE2\x80").unwrap();
        writer.write_all(b"c").unwrap();
        assert_eq!(String::from_utf8(writer.inner).unwrap(), "a\u{FFFD}b\u{FFFD}c");
        let mut writer = HarmlessWriter::new(Vec::new());
        writer.write_all(b"\x1b[1;31mred\x1b[0m \x1b[2J \x1b[m\xC2\x9B").unwrap();
        let shown = String::from_utf8(writer.inner).unwrap();
        assert_eq!(shown, "\u{1B}[1;31mred\u{1B}[0m \u{FFFD}[2J \u{1B}[m\u{FFFD}");
    }
}
