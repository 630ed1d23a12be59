//! What a mapping is found by.

use std::fmt;
use std::mem::discriminant;

/// The subjects that a mapping is for: a name, or with one `*` at its beginning or its end, many.
///
/// Only ASCII letters are compared without regard to case: in other scripts there are letters that become others
/// when their case changes, and a name that merely resembles another must not be taken for it.
#[derive(Clone)]
pub struct SubjectPattern(Pattern);

/// The resources that a mapping is for: a resource URI, or with a `*` at its end, all that begin with it.
#[derive(Clone)]
pub struct UriPattern(Pattern);

/// Why a text is not the key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Not 40 digits.
    #[error("the issuer is not a thumbprint of 40 hexadecimal digits")]
    Thumbprint,
    /// Nothing, too much, or something that cannot be in a name.
    #[error("{what} is empty, longer than {MAX_OCTETS} octets or has control characters")]
    Text {
        /// Which key.
        what: &'static str,
    },
    /// A `*` in the middle, or two.
    #[error("the subject has a * that is neither its first nor its last character, or more than one")]
    SubjectWildcard,
    /// A `*` before the end.
    #[error("the URI has a * that is not its last character")]
    UriWildcard,
}

#[derive(Clone)]
enum Pattern {
    Exact(String),
    StartsWith(String),
    EndsWith(String),
}

impl SubjectPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Pattern::parse(text, "the subject")
            .and_then(|pattern| pattern.ok_or(PatternError::SubjectWildcard))
            .map(Self)
    }

    /// Whether a name is one of those meant.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        self.0.fits(name)
    }

    pub(super) fn length(&self) -> usize {
        self.0.length()
    }
}

impl UriPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match Pattern::parse(text, "the URI")? {
            Some(pattern @ (Pattern::Exact(_) | Pattern::StartsWith(_))) => Ok(Self(pattern)),
            Some(Pattern::EndsWith(_)) | None => Err(PatternError::UriWildcard),
        }
    }

    /// Whether a resource is one of those meant.
    #[must_use]
    pub fn fits(&self, resource: &str) -> bool {
        self.0.fits(resource)
    }

    pub(super) fn length(&self) -> usize {
        self.0.length()
    }
}

impl Pattern {
    /// None if a `*` stands where none may stand.
    fn parse(text: &str, what: &'static str) -> Result<Option<Self>, PatternError> {
        let is_text = !text.is_empty() && text.len() <= MAX_OCTETS && !text.chars().any(char::is_control);
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

    fn fits(&self, text: &str) -> bool {
        let part = self.part();
        let same = |piece: Option<&str>| piece.is_some_and(|piece| piece.eq_ignore_ascii_case(part));
        match self {
            Self::Exact(_) => same(Some(text)),
            Self::StartsWith(_) => same(text.get(..part.len())),
            Self::EndsWith(_) => same(text.len().checked_sub(part.len()).and_then(|at| text.get(at..))),
        }
    }

    fn part(&self) -> &str {
        match self {
            Self::Exact(part) | Self::StartsWith(part) | Self::EndsWith(part) => part,
        }
    }

    /// The characters of the whole pattern.
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

/// Two patterns are equal if they mean the same: the case of ASCII letters does not count.
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

const MAX_OCTETS: usize = 1_024;
