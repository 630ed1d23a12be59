//! Text of other machines, so that it cannot steer the terminal it is shown on.
//!
//! A service, a saved file or a controller may send what a terminal obeys: C0 and C1 control characters, which begin
//! escape sequences, and characters that change the direction or the order of what is shown, so that text looks like
//! another one (Unicode UAX #9, "Trojan Source"). None of them is printed, in no format, whether standard output is a
//! terminal or not: what is written to a file today is shown on a terminal tomorrow.
//!
//! What a command prints that `winrs` runs is not touched, as with `ssh`: it is the byte stream of a program that the
//! user has chosen to run, and programs such as `top` need a terminal that obeys.

use std::io::{self, Write};

/// Returns whether a character steers a terminal: a control character other than a tab and a line feed, or one that
/// ends lines or changes the direction of text.
#[must_use]
pub fn steers(character: char) -> bool {
    match character {
        '\t' | '\n' => false,
        '\u{61C}' | '\u{200E}' | '\u{200F}' => true,
        '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Returns the text with U+FFFD in place of each character that steers a terminal.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.replace(steers, "\u{FFFD}")
}

/// Returns the same XML document with character references in place of what steers a terminal.
#[must_use]
pub fn harmless_markup(markup: &str) -> String {
    const BEGIN: &str = "<![CDATA[";
    const END: &str = "]]>";
    if !markup.contains(steers) {
        return markup.to_owned();
    }
    // Readers turn both into line feeds (XML 1.0, 2.11), and would not do so with a reference.
    let markup = markup.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(markup.len() + 64);
    let mut rest = markup.as_str();
    let mut is_data = false;
    while !rest.is_empty() {
        let mark = if is_data { END } else { BEGIN };
        let end = rest.find(mark).map_or(rest.len(), |at| at + mark.len());
        let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        for character in part.chars() {
            let reference = format_args!("&#x{:X};", u32::from(character)).to_string();
            match (steers(character), is_data) {
                (false, _) => out.push(character),
                (true, false) => out.push_str(&reference),
                // There are no references in a section of plain data.
                (true, true) => out.extend([END, &reference, BEGIN]),
            }
        }
        (rest, is_data) = (after, !is_data);
    }
    out
}

/// Writes text with U+FFFD in place of what steers a terminal, and of what is no UTF-8.
///
/// Colours pass (ECMA-48 8.3.117), because programs write their own ones through this writer; they can neither move
/// the cursor nor hide the end of a colour. It is the second line of defence: text from outside is made
/// [harmless] where it is put into words.
#[derive(Debug)]
pub struct HarmlessWriter<W: Write> {
    inner: W,
    /// The beginning of a character whose end was not written yet: at most three bytes.
    pending: Vec<u8>,
}

impl<W: Write> HarmlessWriter<W> {
    /// Writes to `inner`.
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

/// Harmless text, with its colours.
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

/// How many bytes come before a character whose end is missing.
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

    const STEERING: [char; 12] = [
        '\u{1B}', '\u{7}', '\u{8}', '\r', '\u{7F}', '\u{9B}', '\u{9D}', '\u{202E}', '\u{2066}', '\u{200F}',
        '\u{61C}', '\u{2028}',
    ];

    #[test]
    fn what_steers_a_terminal_is_replaced_and_the_rest_stays() {
        for character in STEERING {
            assert_eq!(harmless(&format!("a{character}b")), "a\u{FFFD}b", "{character:?}");
        }
        for text in ["ü日\t\n", "שלום", "مرحبا", "\u{200D}", "\u{202F}", "\u{2065}\u{206A}"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn markup_stays_the_same_document() {
        for character in STEERING.into_iter().filter(|c| xml_has(*c)) {
            let text = format!("a{character}b<![CDATA[<c{character}d>]]>e");
            let markup = format!("<r x=\"{character}\">{text}</r>");
            let shown = harmless_markup(&markup);
            assert!(!shown.contains(steers), "{shown:?}");
            let bounds = xml::Bounds::default();
            let [before, after] = [&markup, &shown].map(|markup| {
                let document = xml::Document::parse(markup, &bounds).unwrap();
                let root = document.root();
                (root.text().into_owned(), root.attribute("", "x").unwrap().into_owned())
            });
            assert_eq!(before, after, "{character:?}");
        }
        assert_eq!(harmless_markup("<r>\u{9B}</r>"), "<r>&#x9B;</r>");
    }

    /// XML 1.0 has no other control characters.
    fn xml_has(character: char) -> bool {
        character == '\r' || character >= '\u{7F}'
    }

    #[test]
    fn a_writer_sees_characters_whole_however_they_are_cut() {
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
