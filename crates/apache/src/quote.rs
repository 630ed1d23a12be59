//! Writing of words.

use crate::error::UnquotableWord;

/// Returns a word that Apache reads as this value, with quotes if they are needed.
///
/// # Errors
/// If the value contains a control character, which could end the line, or `${`, which starts a variable even inside quotes.
pub fn quote(value: &[u8]) -> Result<Vec<u8>, UnquotableWord> {
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
        || value.windows(2).any(|pair| pair == b"${")
    {
        return Err(UnquotableWord::new(value));
    }
    if !value.is_empty() && value.iter().all(|byte| is_plain(*byte)) {
        return Ok(value.to_vec());
    }
    let mut quoted = vec![b'"'];
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    Ok(quoted)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:,=+@%*!()[]|&~^?".contains(&byte)
}
