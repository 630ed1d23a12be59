//! References such as `&lt;` and `&#65;`, and normalisation of white space.

use crate::character::is_legal;

/// Returns the text with references and line ends resolved (XML 1.0, 2.11 and 4.6).
pub(crate) fn resolve_text(raw: &str) -> String {
    resolve(raw, |c| c)
}

/// Returns the attribute value with references resolved and white space replaced by spaces (XML 1.0, 3.3.3).
pub(crate) fn resolve_attribute(raw: &str) -> String {
    resolve(raw, |c| if matches!(c, '\t' | '\n') { ' ' } else { c })
}

fn resolve(raw: &str, fold: fn(char) -> char) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '&' => match reference_at(rest) {
                Some((referenced, consumed)) => {
                    text.push(referenced);
                    length = consumed;
                }
                None => text.push('&'),
            },
            '\r' => {
                text.push(fold('\n'));
                if rest.as_bytes().get(1) == Some(&b'\n') {
                    length = 2;
                }
            }
            _ => text.push(fold(c)),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    text
}

/// Returns the character that the reference at the start of the text represents, and the length of the
/// reference in bytes.
pub(crate) fn reference_at(text: &str) -> Option<(char, usize)> {
    // The longest useful reference is `&#x10FFFF;`; the bound leaves room for a few leading zeros.
    let end = text.bytes().take(16).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = match number.strip_prefix('x') {
                Some(digits) => (digits, 16),
                None => (number, 10),
            };
            if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
                return None;
            }
            char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|c| is_legal(*c))?
        }
    };
    Some((c, end + 1))
}
