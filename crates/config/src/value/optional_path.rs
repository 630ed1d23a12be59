use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::{Kind, Value, excerpt, malformed};
use crate::Reason;

/// Absolute path, or nothing for the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionalPath(Option<PathBuf>);

impl OptionalPath {
    /// Returns the path, or `None` for the default.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

impl Value for OptionalPath {
    const KIND: Kind = Kind::Text { expected: "an absolute path, or nothing for the default" };

    fn parse(text: &str) -> Result<Self, Reason> {
        const LONGEST: usize = 4_095;
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        if !text.starts_with('/') || text.len() > LONGEST || text.contains(char::is_control) {
            return Err(malformed(&excerpt(text), Self::KIND.expected()));
        }
        Ok(Self(Some(text.into())))
    }

    fn show(&self) -> Cow<'_, str> {
        self.0.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default()
    }
}
