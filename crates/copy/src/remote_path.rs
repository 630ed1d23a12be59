//! Paths on the remote machine.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// Path on the remote machine: bytes on Linux, UTF-8 on Windows. A relative path begins in the home directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemotePath(Vec<u8>);

impl RemotePath {
    /// Creates a path. `~/` at its beginning, and an empty path, mean the home directory.
    #[must_use]
    pub fn new(path: impl Into<Vec<u8>>) -> Self {
        let path = path.into();
        match path.as_slice() {
            b"" | b"~" | b"~/" => Self(b".".to_vec()),
            [b'~', b'/', rest @ ..] => Self(rest.to_vec()),
            _ => Self(path),
        }
    }

    /// The path as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the last component for a local copy; `None` if there is none, such as for `/`, `..` and `C:\`. Backslashes
    /// separate components of paths that begin with a drive or two backslashes.
    #[must_use]
    pub fn file_name(&self) -> Option<OsString> {
        let is_windows = matches!(self.0.as_slice(), [_, b':', ..] | [b'\\', b'\\', ..]);
        let is_separator = |byte: &u8| *byte == b'/' || (is_windows && *byte == b'\\');
        let end = self.0.iter().rposition(|byte| !is_separator(byte))?;
        let path = self.0.get(..=end)?;
        let begin = path.iter().rposition(is_separator).map_or(0, |at| at + 1);
        let name = path.get(begin..)?;
        let is_name = !matches!(name, b"." | b"..") && !name.ends_with(b":") && !name.contains(&0);
        is_name.then(|| OsString::from_vec(name.to_vec()))
    }

    /// Returns the path of an entry of this directory.
    #[must_use]
    pub fn join(&self, name: &OsStr) -> Self {
        let mut path = self.0.clone();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        Self(path)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl From<&str> for RemotePath {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_are_single_components() {
        let name = |path: &str| RemotePath::from(path).file_name().map(|name| name.into_string().unwrap());
        for (path, expected) in [
            ("/etc/motd", Some("motd")),
            ("motd", Some("motd")),
            ("/etc/dir/", Some("dir")),
            ("C:\\Temp\\a b.txt", Some("a b.txt")),
            ("/a\\b", Some("a\\b")),
            ("\\\\host\\share\\c", Some("c")),
            ("C:\\Temp\\..", None),
            ("/", None),
            ("C:\\", None),
            ("C:", None),
            ("..", None),
            ("a/..", None),
            ("", None),
            ("a\0b", None),
        ] {
            assert_eq!(name(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        for (path, expected) in [("~/a", "a"), ("~", "."), ("", "."), ("~x", "~x"), ("/~/a", "/~/a")] {
            assert_eq!(RemotePath::from(path).to_string(), expected);
        }
    }
}
