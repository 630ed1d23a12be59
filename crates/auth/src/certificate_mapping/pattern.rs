//! Patterns in the keys of a mapping.

use std::fmt;
use std::mem::discriminant;

/// Pattern for subject names: a name, optionally with one `*` at its beginning or its end.
///
/// Only ASCII letters are compared without case. In other scripts, changing the case can turn a letter into a different
/// one, and a name that merely resembles another must not match it.
#[derive(Clone)]
pub struct SubjectPattern(Pattern);

/// Pattern for resource URIs: a URI, or a prefix followed by `*`.
#[derive(Clone)]
pub struct UriPattern(Pattern);

/// Reason why a text is not a key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The issuer is not a thumbprint.
    #[error("issuer must be a thumbprint of 40 hexadecimal digits")]
    Thumbprint,
    /// A pattern is empty, too long, or contains control characters.
    #[error("{what} must have 1 to {MAX_LENGTH} bytes without control characters")]
    Text {
        /// Name of the key.
        what: &'static str,
    },
    /// The subject contains a `*` in the middle, or two.
    #[error("subject pattern has a * in another place; use one, as its first or last character")]
    SubjectWildcard,
    /// The URI contains a `*` before its end.
    #[error("URI pattern has a * in another place; use one, as its last character")]
    UriWildcard,
}

#[derive(Clone)]
enum Pattern {
    Exact(String),
    StartsWith(String),
    EndsWith(String),
}

impl SubjectPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`] if the text or its wildcard is invalid.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Pattern::parse(text, "the subject")
            .and_then(|pattern| pattern.ok_or(PatternError::SubjectWildcard))
            .map(Self)
    }

    /// Returns `true` if a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }

    pub(super) fn length(&self) -> usize {
        self.0.length()
    }
}

impl UriPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`] if the text or its wildcard is invalid.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match Pattern::parse(text, "the URI")? {
            Some(pattern @ (Pattern::Exact(_) | Pattern::StartsWith(_))) => Ok(Self(pattern)),
            Some(Pattern::EndsWith(_)) | None => Err(PatternError::UriWildcard),
        }
    }

    /// Returns `true` if a resource URI matches.
    #[must_use]
    pub fn matches(&self, resource: &str) -> bool {
        self.0.matches(resource)
    }

    pub(super) fn length(&self) -> usize {
        self.0.length()
    }
}

impl Pattern {
    /// Parses a pattern; `None` if a `*` is in the middle.
    fn parse(text: &str, what: &'static str) -> Result<Option<Self>, PatternError> {
        let is_text = !text.is_empty() && text.len() <= MAX_LENGTH && !text.chars().any(char::is_control);
        if !is_text {
            return Err(PatternError::Text { what });
        }
        let pattern = match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(head), _) => Self::StartsWith(head.to_owned()),
            (None, Some(tail)) => Self::EndsWith(tail.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        };
        Ok((!pattern.part().contains('*')).then_some(pattern))
    }

    fn matches(&self, text: &str) -> bool {
        let part = self.part();
        let piece = match self {
            Self::Exact(_) => Some(text),
            Self::StartsWith(_) => text.get(..part.len()),
            Self::EndsWith(_) => text.len().checked_sub(part.len()).and_then(|at| text.get(at..)),
        };
        piece.is_some_and(|piece| piece.eq_ignore_ascii_case(part))
    }

    fn part(&self) -> &str {
        match self {
            Self::Exact(part) | Self::StartsWith(part) | Self::EndsWith(part) => part,
        }
    }

    /// Number of characters of the pattern, including the `*`.
    fn length(&self) -> usize {
        self.part().chars().count() + usize::from(!matches!(self, Self::Exact(_)))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(part) => f.write_str(part),
            Self::StartsWith(part) => write!(f, "{part}*"),
            Self::EndsWith(part) => write!(f, "*{part}"),
        }
    }
}

/// Patterns are equal if they match the same texts: the case of ASCII letters is ignored.
macro_rules! pattern {
    ($($pattern:ty),*) => {$(
        impl PartialEq for $pattern {
            fn eq(&self, other: &Self) -> bool {
                discriminant(&self.0) == discriminant(&other.0)
                    && self.0.part().eq_ignore_ascii_case(other.0.part())
            }
        }

        impl Eq for $pattern {}

        impl fmt::Display for $pattern {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $pattern {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0.to_string(), f)
            }
        }
    )*};
}

pattern!(SubjectPattern, UriPattern);

const MAX_LENGTH: usize = 1_024;
