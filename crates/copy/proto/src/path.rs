//! Paths in messages: percent-encoded bytes, because XML cannot carry every byte of a file name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Returns a path as text.
#[must_use]
pub fn encode_path(path: &[u8]) -> String {
    percent_encode(path, ENCODED).to_string()
}

/// Parses a path; `None` if it is empty, contains NUL, or is longer than Linux allows.
#[must_use]
pub fn decode_path(text: &str) -> Option<Vec<u8>> {
    if text.len() > 3 * LONGEST_PATH {
        return None;
    }
    let path: Vec<u8> = percent_decode_str(text).collect();
    (!path.is_empty() && path.len() <= LONGEST_PATH && !path.contains(&0)).then_some(path)
}

/// Path below a directory: it has neither `..` nor `.` nor empty components, so it does not lead out of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelativePath(Vec<u8>);

impl RelativePath {
    /// Parses a path; `None` if it leads out of its directory or is too long.
    #[must_use]
    pub fn new(path: impl Into<Vec<u8>>) -> Option<Self> {
        let path = path.into();
        let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
        let mut components = path.split(|byte| *byte == b'/');
        let is_valid = path.len() < 4_096 && components.all(is_name);
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        (is_valid && depth < DEEPEST).then_some(Self(path))
    }

    /// The path as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path of the directory, if it is not the root, and the name of the entry.
    #[must_use]
    pub fn split(&self) -> (Option<&[u8]>, &[u8]) {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (self.0.get(..at), self.0.get(at + 1..).unwrap_or_default()),
            None => (None, &self.0),
        }
    }

    /// Parses the text of a message.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::new(decode_path(text)?)
    }
}

/// Encoded characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
/// Maximum number of directories in a relative path.
const DEEPEST: usize = 128;
/// Maximum length of a path in bytes (PATH_MAX without the final NUL).
const LONGEST_PATH: usize = 4_095;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives() {
        for path in [&b"/a b/c"[..], b"%41", "\u{fc}".as_bytes(), b"\xff\n\r\t<&>", b" ", b"-x", b".."] {
            let text = encode_path(path);
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
            assert_eq!(decode_path(&text).as_deref(), Some(path));
        }
        assert_eq!(decode_path(""), None);
        assert_eq!(decode_path("a%00b"), None);
        assert_eq!(decode_path(&"a".repeat(5_000)), None);
        assert_eq!(decode_path(&"%41".repeat(4_096)), None);
        assert_eq!(decode_path("%zz").as_deref(), Some(&b"%zz"[..]));
    }
}
