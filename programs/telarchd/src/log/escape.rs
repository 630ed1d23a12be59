//! Text from outside as it may stand in a log: no control characters, no marks that change the direction of text, and
//! no more than a bounded number of characters.

use std::fmt::{self, Write};

/// Follows a text of which the end was left out.
pub(super) const CUT_MARK: &str = "…[cut]";

/// Returns whether a character could end a line, command a terminal, or change the order in which text is shown.
pub(super) fn is_harmful(c: char) -> bool {
    // C0, DEL and C1 are the control characters; the others are separators of lines and of directions of text.
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Writes text with harmful characters escaped as Rust does it, `\n` or `\u{9b}`, and cuts it after a number of
/// characters.
pub(crate) struct Escaped<W> {
    inner: W,
    left: usize,
    is_cut: bool,
}

impl<W: Write> Escaped<W> {
    /// Passes at most this many characters on.
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

/// Returns a value as text of at most this many characters and [`CUT_MARK`], without escaping anything.
pub(crate) fn cut(value: &dyn fmt::Debug, limit: usize) -> String {
    let mut shortened = Shortened { text: String::new(), left: limit, is_cut: false };
    // Writing to a string does not fail; what a value gave before its own error is kept.
    let _ = write!(shortened, "{value:?}");
    shortened.text
}

/// Keeps the first characters of what is written.
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

/// Returns the maximum number of characters of a field. Names are short; reasons are sentences.
pub(crate) fn limit_of(field: &str) -> usize {
    match field {
        "message" | "error" | "reason" | "fault" | "text" => LONGEST_SENTENCE,
        _ => LONGEST_NAME,
    }
}

const LONGEST_SENTENCE: usize = 1_024;
/// Longer than a name of any directory service, and than any URI that this service has.
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, limit: usize) -> String {
        let mut shown = String::new();
        write!(Escaped::new(&mut shown, limit), "{text}").expect("a string takes everything");
        shown
    }

    #[test]
    fn no_text_ends_a_line_commands_a_terminal_or_turns_the_direction() {
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
    fn text_that_was_cut_says_so() {
        assert_eq!(escaped("abcdef", 6), "abcdef");
        assert_eq!(escaped("abcdef", 5), "abcde…[cut]");
        assert_eq!(cut(&format_args!("{}", "x".repeat(300)), 256), format!("{}…[cut]", "x".repeat(256)));
    }
}
