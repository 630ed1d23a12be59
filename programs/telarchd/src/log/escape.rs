//! Escaping of untrusted text for logs: no control characters, no characters that change the text direction, and a
//! bounded length.

use std::fmt::{self, Write};

/// Marks the end of a cut text.
pub(super) const CUT_MARK: &str = "…[cut]";

/// Returns whether a character can end a line, control a terminal, or change the order of displayed text.
pub(super) fn is_harmful(c: char) -> bool {
    // Control characters are C0, DEL and C1; the others are line separators and bidirectional controls.
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Writer that escapes harmful characters in Rust syntax, such as `\n` or `\u{9b}`, and cuts the text after a number of
/// characters.
pub(crate) struct Escaped<W> {
    inner: W,
    left: usize,
    is_cut: bool,
}

impl<W: Write> Escaped<W> {
    /// Creates a writer that passes on at most `limit` characters.
    pub(crate) fn new(inner: W, limit: usize) -> Self {
        Self { inner, left: limit, is_cut: false }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.is_cut {
                return Ok(());
            }
            if self.left == 0 {
                self.is_cut = true;
                return self.inner.write_str(CUT_MARK);
            }
            self.left = self.left.saturating_sub(1);
            if is_harmful(c) {
                write!(self.inner, "{}", c.escape_default())?;
            } else {
                self.inner.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Formats a value, cut after `limit` characters with [`CUT_MARK`], without escaping.
pub(crate) fn cut(value: &dyn fmt::Debug, limit: usize) -> String {
    let mut shortened = Shortened { text: String::new(), left: limit, is_cut: false };
    // Writing to a string cannot fail; if the value itself fails, its text so far is kept.
    let _ = write!(shortened, "{value:?}");
    shortened.text
}

/// Writer that keeps the first characters.
struct Shortened {
    text: String,
    left: usize,
    is_cut: bool,
}

impl Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.is_cut {
                return Ok(());
            }
            if self.left == 0 {
                self.is_cut = true;
                self.text.push_str(CUT_MARK);
                return Ok(());
            }
            self.left = self.left.saturating_sub(1);
            self.text.push(c);
        }
        Ok(())
    }
}

/// Returns the maximum number of characters of a field: sentences are longer than names.
pub(crate) fn limit_of(field: &str) -> usize {
    match field {
        "message" | "error" | "reason" | "fault" | "text" => MAX_SENTENCE,
        _ => MAX_NAME,
    }
}

const MAX_SENTENCE: usize = 1_024;
/// Longer than names of directory services and resource URIs.
const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, limit: usize) -> String {
        let mut shown = String::new();
        write!(Escaped::new(&mut shown, limit), "{text}").expect("a string takes everything");
        shown
    }

    #[test]
    fn control_and_direction_characters_are_escaped() {
        for (harmful, shown) in [
            ("a\nb", "a\\nb"),
            ("a\rb", "a\\rb"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("\u{7f}", "\\u{7f}"),
            ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
            ("plain, ä, 漢字", "plain, ä, 漢字"),
        ] {
            assert_eq!(escaped(harmful, 100), shown);
        }
    }

    #[test]
    fn a_cut_text_ends_with_a_mark() {
        assert_eq!(escaped("abcdef", 6), "abcdef");
        assert_eq!(escaped("abcdef", 5), "abcde…[cut]");
        assert_eq!(cut(&format_args!("{}", "x".repeat(300)), 256), format!("{}…[cut]", "x".repeat(256)));
    }
}
