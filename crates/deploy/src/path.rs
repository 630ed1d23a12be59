//! Paths of files in the folder of a site.

use std::fmt;

use serde::Serialize;

use crate::error::DeployError;

/// Path below the folder of a site, with slashes between its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ContentPath(
    /// INVARIANT: 1 to 1,024 bytes, at most 32 parts of 1 to 255 bytes without control characters and backslashes, none of
    /// them `.` or `..`.
    String,
);

impl ContentPath {
    /// Parses the name of an archive entry. A slash at the end, and `./` at the beginning, are ignored.
    ///
    /// Returns `None` for the folder itself.
    ///
    /// # Errors
    /// [`DeployError::Name`] for a name that leads out of the folder, is too long, or has characters that no platform
    /// treats alike.
    pub(crate) fn of_entry(name: &str) -> Result<Option<Self>, DeployError> {
        let mut path = name;
        while let Some(rest) = path.strip_prefix("./") {
            path = rest;
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() || path == "." {
            return if name.starts_with('/') { Err(invalid(name, "it is absolute")) } else { Ok(None) };
        }
        Self::parse(path).map(Some)
    }

    /// Parses a path.
    ///
    /// # Errors
    /// [`DeployError::Name`]
    pub(crate) fn parse(path: &str) -> Result<Self, DeployError> {
        if path.len() > MAX_PATH {
            return Err(invalid(path, "it is longer than 1,024 bytes"));
        }
        if path.starts_with('/') {
            return Err(invalid(path, "it is absolute"));
        }
        if path.contains('\\') || path.chars().any(char::is_control) {
            return Err(invalid(path, "it contains a backslash or a control character"));
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(path, "it has an empty part, \".\" or \"..\""));
        }
        if path.split('/').any(|part| part.len() > MAX_PART) {
            return Err(invalid(path, "a part of it is longer than 255 bytes"));
        }
        if path.split('/').count() > MAX_DEPTH {
            return Err(invalid(path, "it has more than 32 parts"));
        }
        Ok(Self(path.to_owned()))
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path of an entry of this folder.
    pub(crate) fn join(&self, name: &str) -> Result<Self, DeployError> {
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// Returns the parts of the folder, and the name of the entry in it.
    pub(crate) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folder, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (folder.split('/').filter(|part| !part.is_empty()), name)
    }

    /// Returns the paths of all folders above, the outermost first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices('/').filter_map(|(at, _)| self.0.get(..at)).map(|path| Self(path.to_owned()))
    }
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn invalid(name: &str, reason: &'static str) -> DeployError {
    let name: String = name.chars().take(200).collect();
    DeployError::Name { name: name.escape_debug().to_string(), reason }
}

const MAX_PATH: usize = 1_024;
const MAX_PART: usize = 255;
/// Maximum number of parts. Each open folder costs a descriptor.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries_stay_in_the_folder() {
        let parsed = |name| ContentPath::of_entry(name).map(|path| path.map(|path| path.0)).ok();
        assert_eq!(parsed("./a/b.html"), Some(Some("a/b.html".to_owned())));
        assert_eq!(parsed("a/"), Some(Some("a".to_owned())));
        assert_eq!((parsed("./"), parsed("."), parsed("")), (Some(None), Some(None), Some(None)));
        for name in
            ["/", "/etc/passwd", "../a", "a/../b", "a/..", "a//b", "a/./b", "a\\..\\b", "a\nb", "a\0b"]
        {
            assert_eq!(parsed(name), None, "{name:?}");
        }
        let (deep, long) = ("a/".repeat(33), "a".repeat(256));
        assert!(ContentPath::of_entry(&deep).is_err() && ContentPath::of_entry(&long).is_err());
    }

    #[test]
    fn folders_above_are_listed_from_the_outermost() {
        let path = ContentPath::parse("a/b/c").unwrap();
        assert_eq!(path.folders().map(|path| path.0).collect::<Vec<_>>(), ["a", "a/b"]);
        let (folder, name) = path.split();
        assert_eq!((folder.collect::<Vec<_>>(), name), (vec!["a", "b"], "c"));
    }
}
