//! Values without parts (MS-PSRP 2.2.5.1).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;

use crate::base64_engine::BASE64;
use crate::error::PsrpError;
use crate::guid::Guid;

use super::scalar::{DateTime, Decimal, TimeSpan, Version, float_text, parse_float};
use super::text::Text;

/// Value without parts: null, text, a number, and the like.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// The null reference.
    Null,
    /// Text.
    String(Text),
    /// UTF-16 unit.
    Char(u16),
    /// Truth value.
    Boolean(bool),
    /// Date and time.
    DateTime(DateTime),
    /// Length of time.
    TimeSpan(TimeSpan),
    /// Unsigned number of 8 bits.
    U8(u8),
    /// Signed number of 8 bits.
    I8(i8),
    /// Unsigned number of 16 bits.
    U16(u16),
    /// Signed number of 16 bits.
    I16(i16),
    /// Unsigned number of 32 bits.
    U32(u32),
    /// Signed number of 32 bits.
    I32(i32),
    /// Unsigned number of 64 bits.
    U64(u64),
    /// Signed number of 64 bits.
    I64(i64),
    /// Floating-point number of 32 bits.
    F32(f32),
    /// Floating-point number of 64 bits.
    F64(f64),
    /// Decimal number.
    Decimal(Decimal),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Identifier.
    Guid(Guid),
    /// URI.
    Uri(Text),
    /// Version.
    Version(Version),
    /// XML document as text.
    Xml(Text),
    /// Script block as text.
    Script(Text),
    /// Encrypted text.
    Secure(SecureString),
    /// Progress of an activity, as files and `powershell.exe` represent it.
    Progress(Box<Progress>),
}

/// Text that travels encrypted (MS-PSRP 2.2.5.1.24). [`SessionKey`](crate::SessionKey) encrypts and decrypts it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecureString(Vec<u8>);

impl SecureString {
    /// Wraps bytes as they travel: encrypted, or plain in UTF-16 under version 2.4.
    #[must_use]
    pub fn from_wire(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes as they travel.
    #[must_use]
    pub fn wire_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecureString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecureString(***)")
    }
}

/// Progress of an activity in a file or in the output of `powershell.exe`, element `PR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Name of the activity.
    pub activity: Text,
    /// Identifier of the activity.
    pub activity_id: i32,
    /// Current step.
    pub current_operation: Option<Text>,
    /// Identifier of the enclosing activity; −1 without one.
    pub parent_id: i32,
    /// Completed part in percent; −1 if unknown.
    pub percent_complete: i32,
    /// `Processing` or `Completed`.
    pub kind: Text,
    /// Estimated remaining time in seconds; −1 if unknown.
    pub seconds_remaining: i32,
    /// State of the activity.
    pub status: Text,
}

impl Primitive {
    /// Returns the text if the value is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Returns the number if the value is a signed number of 32 bits.
    #[must_use]
    pub fn as_i32(&self) -> Option<i32> {
        if let Self::I32(number) = self { Some(*number) } else { None }
    }

    /// Returns the number if the value is a signed number of 64 or 32 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::I64(number) => Some(*number),
            Self::I32(number) => Some(i64::from(*number)),
            _ => None,
        }
    }

    /// Returns the truth value if the value is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// Parses the text of an element; `None` if no primitive value has an element of this name.
    pub(super) fn parse(element: &str, text: &str) -> Option<Result<Self, PsrpError>> {
        Some(match element {
            "Nil" => Ok(Self::Null),
            "S" => Ok(Self::String(Text::from_wire(text))),
            "C" => number(text, "character code").map(Self::Char),
            "B" => match text {
                "true" | "1" => Ok(Self::Boolean(true)),
                "false" | "0" => Ok(Self::Boolean(false)),
                _ => Err(PsrpError::scalar("Boolean", text)),
            },
            "DT" => DateTime::parse(text).map(Self::DateTime),
            "TS" => TimeSpan::parse(text).map(Self::TimeSpan),
            "By" => number(text, "byte").map(Self::U8),
            "SB" => number(text, "signed byte").map(Self::I8),
            "U16" => number(text, "16-bit number").map(Self::U16),
            "I16" => number(text, "signed 16-bit number").map(Self::I16),
            "U32" => number(text, "32-bit number").map(Self::U32),
            "I32" => number(text, "signed 32-bit number").map(Self::I32),
            "U64" => number(text, "64-bit number").map(Self::U64),
            "I64" => number(text, "signed 64-bit number").map(Self::I64),
            "Sg" => parse_float(text).map(Self::F32).ok_or_else(|| PsrpError::scalar("number", text)),
            "Db" => parse_float(text).map(Self::F64).ok_or_else(|| PsrpError::scalar("number", text)),
            "D" => Decimal::parse(text).map(Self::Decimal),
            "BA" => decode_base64(text).map(Self::Bytes),
            "G" => Guid::parse(text).map(Self::Guid),
            "URI" => Ok(Self::Uri(Text::from_wire(text))),
            "Version" => Version::parse(text).map(Self::Version),
            "XD" => Ok(Self::Xml(Text::from_wire(text))),
            "SBK" => Ok(Self::Script(Text::from_wire(text))),
            "SS" => match decode_base64(text) {
                Ok(bytes) => Ok(Self::Secure(SecureString(bytes))),
                // The error does not quote the text, which may be a secret.
                Err(_) => Err(PsrpError::Structure("encrypted text is not Base64".to_owned())),
            },
            _ => return None,
        })
    }

    /// Returns the name of the element.
    pub(super) fn element(&self) -> &'static str {
        match self {
            Self::Null => "Nil",
            Self::String(_) => "S",
            Self::Char(_) => "C",
            Self::Boolean(_) => "B",
            Self::DateTime(_) => "DT",
            Self::TimeSpan(_) => "TS",
            Self::U8(_) => "By",
            Self::I8(_) => "SB",
            Self::U16(_) => "U16",
            Self::I16(_) => "I16",
            Self::U32(_) => "U32",
            Self::I32(_) => "I32",
            Self::U64(_) => "U64",
            Self::I64(_) => "I64",
            Self::F32(_) => "Sg",
            Self::F64(_) => "Db",
            Self::Decimal(_) => "D",
            Self::Bytes(_) => "BA",
            Self::Guid(_) => "G",
            Self::Uri(_) => "URI",
            Self::Version(_) => "Version",
            Self::Xml(_) => "XD",
            Self::Script(_) => "SBK",
            Self::Secure(_) => "SS",
            Self::Progress(_) => "PR",
        }
    }

    /// Returns the text of the element; `None` for null and progress, which have no text.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Null | Self::Progress(_) => return None,
            Self::String(text) | Self::Uri(text) | Self::Xml(text) | Self::Script(text) => text.to_wire(),
            Self::Char(unit) => unit.to_string().into(),
            Self::Boolean(value) => value.to_string().into(),
            Self::DateTime(value) => value.to_string().into(),
            Self::TimeSpan(value) => value.to_string().into(),
            Self::U8(value) => value.to_string().into(),
            Self::I8(value) => value.to_string().into(),
            Self::U16(value) => value.to_string().into(),
            Self::I16(value) => value.to_string().into(),
            Self::U32(value) => value.to_string().into(),
            Self::I32(value) => value.to_string().into(),
            Self::U64(value) => value.to_string().into(),
            Self::I64(value) => value.to_string().into(),
            Self::F32(value) => float_text(&format!("{value:E}"), 7).into(),
            Self::F64(value) => float_text(&format!("{value:E}"), 15).into(),
            Self::Decimal(value) => value.to_string().into(),
            Self::Bytes(bytes) | Self::Secure(SecureString(bytes)) => BASE64.encode(bytes).into(),
            Self::Guid(value) => value.to_string().into(),
            Self::Version(value) => value.to_string().into(),
        })
    }
}

fn number<N: std::str::FromStr>(text: &str, kind: &'static str) -> Result<N, PsrpError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = if is_number { text.parse().ok() } else { None };
    value.ok_or_else(|| PsrpError::scalar(kind, text))
}

/// Decodes Base64; .NET breaks long texts into lines.
fn decode_base64(text: &str) -> Result<Vec<u8>, PsrpError> {
    let decoded = if text.contains(|c: char| c.is_ascii_whitespace()) {
        BASE64.decode(text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>())
    } else {
        BASE64.decode(text)
    };
    decoded.map_err(|_| PsrpError::scalar("Base64 text", text))
}

macro_rules! conversions {
    ($($from:ty => $variant:ident;)*) => {$(
        impl From<$from> for Primitive {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

conversions! {
    Text => String;
    bool => Boolean;
    DateTime => DateTime;
    TimeSpan => TimeSpan;
    u8 => U8;
    i8 => I8;
    u16 => U16;
    i16 => I16;
    u32 => U32;
    i32 => I32;
    u64 => U64;
    i64 => I64;
    f32 => F32;
    f64 => F64;
    Decimal => Decimal;
    Vec<u8> => Bytes;
    Guid => Guid;
    Version => Version;
    SecureString => Secure;
}

impl From<&str> for Primitive {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Primitive {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}
