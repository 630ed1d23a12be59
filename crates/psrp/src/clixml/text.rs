//! Text with the form in which it was received.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use super::escape;

/// Text of a value or a name. It keeps the escapes of the peer where they differ from those that this crate
/// writes; two texts are equal only if both their characters and their escapes are.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text {
    decoded: Box<str>,
    /// Form on the wire if [`escape::encode`] would write another one.
    raw: Option<Box<str>>,
}

impl Text {
    /// Returns the text for this form on the wire.
    pub(super) fn from_wire(raw: &str) -> Self {
        if escape::is_plain(raw) {
            return Self { decoded: raw.into(), raw: None };
        }
        let (decoded, is_lossy) = escape::decode(raw);
        let is_usual = !is_lossy && escape::encode(&decoded) == raw;
        Self { raw: (!is_usual).then(|| raw.into()), decoded: decoded.into() }
    }

    /// Returns the form on the wire, without escapes of XML.
    pub(super) fn to_wire(&self) -> Cow<'_, str> {
        match &self.raw {
            Some(raw) => Cow::Borrowed(raw),
            None => escape::encode(&self.decoded),
        }
    }

    /// Returns the characters. Half of a surrogate pair is U+FFFD.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.decoded
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.decoded
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { decoded: text.into(), raw: None }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { decoded: text.into(), raw: None }
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.decoded)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.decoded, f)
    }
}
