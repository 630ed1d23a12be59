//! Names of classes, properties, methods, parameters, qualifiers and namespaces.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Error;

/// CIM name: letters, digits and `_`, not beginning with a digit, at most 256 characters (DSP0004 annex A).
///
/// Names keep their spelling; comparison and order ignore case, as does the order of properties on the wire.
/// DSP0004 also allows letters beyond ASCII, which WMI does not. Every name is therefore a valid XML name.
#[derive(Clone)]
pub struct Name(Arc<str>);

impl Name {
    /// Maximum length in characters.
    pub const MAX: usize = 256;

    /// Parses a name.
    ///
    /// # Errors
    /// [`Error::Name`] if the text is not a name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(Error::Name { found: excerpt(text) }) }
    }

    /// Name in its original spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it is the name of a system class or property, such as `__CLASS`.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with("__")
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    let mut octets = text.bytes();
    text.len() <= Name::MAX
        && octets.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

/// Compares two names without regard to case.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    left.bytes()
        .map(|octet| octet.to_ascii_lowercase())
        .cmp(right.bytes().map(|octet| octet.to_ascii_lowercase()))
}

/// Truncates a text from outside for an error, and replaces its control characters by U+FFFD.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown.replace(char::is_control, "\u{fffd}")
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.bytes().for_each(|octet| state.write_u8(octet.to_ascii_lowercase()));
        state.write_u8(0xFF);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Namespace path such as `root/cimv2`, in lower case and with `/`, as WinRM prints it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Maximum length in characters.
    pub const MAX: usize = 512;

    /// Parses a path; `\` and `/` are equivalent, and case is ignored.
    ///
    /// # Errors
    /// [`Error::Namespace`] for an empty part, a character other than those of names and `-`, or an overlong path.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_valid = text.split(['/', '\\']).all(is_namespace_part);
        if text.len() > Self::MAX || !is_valid {
            return Err(Error::Namespace { found: excerpt(text) });
        }
        Ok(Self(text.to_ascii_lowercase().replace('\\', "/").into()))
    }

    /// Returns `root/cimv2`, the namespace of the operating system classes.
    #[must_use]
    pub fn cimv2() -> Self {
        Self("root/cimv2".into())
    }

    /// Path with `/` as the separator.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the enclosing namespace; `None` for a path without `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// Returns the path with `\` as the separator, as in object paths.
    #[must_use]
    pub fn to_backslashes(&self) -> String {
        self.0.replace('/', "\\")
    }
}

fn is_namespace_part(part: &str) -> bool {
    let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    !part.is_empty() && part.bytes().all(is_allowed)
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn names_are_equal_and_sorted_without_regard_to_case() {
        let mut names: Vec<_> = ["CSName", "CreationDate", "TimerId", "TIME_CREATED", "caption"]
            .map(|text| Name::parse(text).expect("a name"))
            .into();
        names.sort();
        let sorted: Vec<_> = names.iter().map(Name::as_str).collect();
        assert_eq!(sorted, ["caption", "CreationDate", "CSName", "TIME_CREATED", "TimerId"]);
        assert_eq!(Name::parse("win32_process").expect("a name"), *"Win32_Process");
    }

    #[test]
    fn invalid_names_are_rejected() {
        for wrong in ["", "1a", "a-b", "a b", "a:b", "ä", "a\0", &"x".repeat(257)] {
            let error = Name::parse(wrong).expect_err(wrong);
            assert_eq!(error.status(), Status::InvalidSyntax);
        }
    }

    #[test]
    fn namespaces_are_normalised() {
        let namespace = Namespace::parse("ROOT\\Microsoft/Windows").expect("a namespace");
        assert_eq!(namespace.as_str(), "root/microsoft/windows");
        assert_eq!(namespace.to_backslashes(), "root\\microsoft\\windows");
        assert_eq!(namespace.parent().expect("one above").as_str(), "root/microsoft");
        for wrong in ["", "/root", "root/", "root//x", "root/a b", "root/..", "root/é"] {
            assert!(Namespace::parse(wrong).is_err(), "{wrong:?} was accepted");
        }
    }
}
