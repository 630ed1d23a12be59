use std::borrow::Cow;
use std::path::PathBuf;

use super::{Kind, Value, excerpt, malformed};
use crate::Reason;

/// Absolute paths of log files, in the order of the setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFiles(Vec<PathBuf>);

impl LogFiles {
    /// Maximum number of files.
    const MAX: usize = 64;
    /// Maximum length of a path in bytes.
    const MAX_PATH: usize = 4_095;

    /// Returns the paths.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }
}

impl Value for LogFiles {
    const KIND: Kind = Kind::Text { expected: "at most 64 absolute paths separated by commas" };

    fn parse(text: &str) -> Result<Self, Reason> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            let is_path =
                path.starts_with('/') && path.len() <= Self::MAX_PATH && !path.contains(char::is_control);
            if !is_path || path.ends_with('/') || paths.len() >= Self::MAX {
                return Err(malformed(&excerpt(text), Self::KIND.expected()));
            }
            let path = PathBuf::from(path);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Ok(Self(paths))
    }

    fn show(&self) -> Cow<'_, str> {
        let paths: Vec<Cow<'_, str>> = self.0.iter().map(|path| path.to_string_lossy()).collect();
        paths.join(",").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_each_counts_once() {
        assert_eq!(LogFiles::parse(" ").unwrap(), LogFiles::default());
        let files = LogFiles::parse("/var/log/a.log, /srv/b c.log,/var/log/a.log").unwrap();
        assert_eq!(files.show(), "/var/log/a.log,/srv/b c.log");
        for wrong in ["a.log", "/a,,/b", ",", "/var/log/", "/a\u{7}b"] {
            assert!(LogFiles::parse(wrong).is_err(), "{wrong:?}");
        }
        let many: Vec<String> = (0..65).map(|number| format!("/{number}")).collect();
        assert!(LogFiles::parse(&many.join(",")).is_err());
    }
}
