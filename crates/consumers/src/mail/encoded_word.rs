//! Encoded words for header texts that are not ASCII (RFC 2047).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Encodes a text as words of RFC 2047, each on a separate line.
pub(super) fn encoded(text: &str) -> String {
    /// A line with an encoded word has at most 76 characters (section 2): twelve around the word, and in the
    /// first line also the longest field name, `Reply-To: `.
    const OCTETS: usize = 39;
    let mut words = vec![String::new()];
    for letter in text.chars() {
        if words.last().is_some_and(|word| word.len() + letter.len_utf8() > OCTETS) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}
