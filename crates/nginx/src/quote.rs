//! Writing of words.

/// Returns a word that nginx reads as this value, with quotes if they are needed.
///
/// Variables keep their meaning: nginx has no way to write a literal `$` in the value of a directive that reads them.
#[must_use]
pub fn quote(value: &[u8]) -> Vec<u8> {
    if !value.is_empty() && value.iter().all(|byte| is_plain(*byte)) {
        return value.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in value {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            _ => quoted.push(*byte),
        }
    }
    quoted.push(b'"');
    quoted
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:,=+@%~^*?!()[]|<>&$".contains(&byte)
}
