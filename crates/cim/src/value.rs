//! Values and their types (DSP0004 5.2).

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use crate::name::excerpt;
use crate::{DateTime, Error, Instance, Name, ObjectPath};

/// A value of a property, parameter, key or qualifier.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value, which differs from an empty text or an empty array.
    #[default]
    Null,
    /// `boolean`
    Boolean(bool),
    /// `uint8`
    Uint8(u8),
    /// `uint16`
    Uint16(u16),
    /// `uint32`
    Uint32(u32),
    /// `uint64`
    Uint64(u64),
    /// `sint8`
    Sint8(i8),
    /// `sint16`
    Sint16(i16),
    /// `sint32`
    Sint32(i32),
    /// `sint64`
    Sint64(i64),
    /// `real32`
    Real32(f32),
    /// `real64`
    Real64(f64),
    /// `char16`, a UTF-16 code unit
    Char16(u16),
    /// `string`; a constant needs no allocation
    String(Cow<'static, str>),
    /// `datetime`
    DateTime(DateTime),
    /// Reference to an instance.
    Reference(Box<ObjectPath>),
    /// Embedded instance.
    Object(Box<Instance>),
    /// Array of values of one type, which are not arrays.
    Array(Box<[Value]>),
}

/// Type of a value, or of the elements of an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CimType {
    /// `boolean`
    Boolean,
    /// `uint8`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `sint8`
    Sint8,
    /// `sint16`
    Sint16,
    /// `sint32`
    Sint32,
    /// `sint64`
    Sint64,
    /// `real32`
    Real32,
    /// `real64`
    Real64,
    /// `char16`
    Char16,
    /// `string`
    String,
    /// `datetime`
    DateTime,
    /// Reference to an instance, optionally of a given class.
    Reference(Option<Name>),
    /// Embedded instance, optionally of a given class.
    Object(Option<Name>),
}

/// Type of a property, parameter or qualifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Type of the value, or of the array elements.
    pub element: CimType,
    /// Scalar or array.
    pub shape: Shape,
}

/// Number of values of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Scalar.
    Scalar,
    /// Array of any length.
    Array,
    /// Array with a maximum length.
    FixedArray(
        /// Maximum length, declared in brackets after the name.
        u32,
    ),
}

impl Type {
    /// Creates a scalar type.
    #[must_use]
    pub const fn scalar(element: CimType) -> Self {
        Self { element, shape: Shape::Scalar }
    }

    /// Creates an array type.
    #[must_use]
    pub const fn array(element: CimType) -> Self {
        Self { element, shape: Shape::Array }
    }

    /// Returns whether it is an array type.
    #[must_use]
    pub const fn is_array(&self) -> bool {
        !matches!(self.shape, Shape::Scalar)
    }

    /// Returns whether a value has this type; NULL has every type.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        match (self.shape, value) {
            (_, Value::Null) => true,
            (Shape::Scalar, value) => self.element.holds(value),
            (shape, Value::Array(values)) => {
                let fits = match shape {
                    Shape::FixedArray(most) => u32::try_from(values.len()).is_ok_and(|count| count <= most),
                    Shape::Scalar | Shape::Array => true,
                };
                fits && values.iter().all(|value| matches!(value, Value::Null) || self.element.holds(value))
            }
            _ => false,
        }
    }

    /// Rejects a value of another type.
    ///
    /// # Errors
    /// [`Error::Type`] names the property or parameter, `place`.
    pub(crate) fn require(&self, place: impl fmt::Display, value: &Value) -> Result<(), Error> {
        if self.holds(value) {
            return Ok(());
        }
        Err(Error::Type {
            place: place.to_string(),
            expected: self.to_string(),
            found: value.type_name().to_owned(),
        })
    }
}

impl CimType {
    /// Types with a keyword of their own.
    const NAMED: [Self; 14] = [
        Self::Boolean,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Sint8,
        Self::Sint16,
        Self::Sint32,
        Self::Sint64,
        Self::Real32,
        Self::Real64,
        Self::Char16,
        Self::String,
        Self::DateTime,
    ];

    /// Returns the type of a MOF keyword, without regard to case.
    #[must_use]
    pub fn from_keyword(word: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|known| known.keyword().eq_ignore_ascii_case(word))
    }

    /// Returns the MOF keyword; for references `ref`.
    #[must_use]
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint8 => "sint8",
            Self::Sint16 => "sint16",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Real32 => "real32",
            Self::Real64 => "real64",
            Self::Char16 => "char16",
            Self::String => "string",
            Self::DateTime => "datetime",
            Self::Reference(_) => "ref",
            Self::Object(_) => "object",
        }
    }

    /// Returns whether it is an integer type.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(
            self,
            Self::Uint8
                | Self::Uint16
                | Self::Uint32
                | Self::Uint64
                | Self::Sint8
                | Self::Sint16
                | Self::Sint32
                | Self::Sint64
        )
    }

    /// Returns whether a scalar value other than NULL has this type.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Reference(_), Value::Reference(_)) => true,
            (Self::Object(class), Value::Object(instance)) => {
                class.as_ref().is_none_or(|class| instance.class().is_a(class.as_str()))
            }
            (Self::Reference(_) | Self::Object(_), _) => false,
            (_, value) => value.type_name() == self.keyword(),
        }
    }

    /// Parses the text of an element, a selector or a query literal.
    ///
    /// Booleans may be in any case or 0 and 1, a `char16` a character or its number, a `datetime` any form that
    /// [`DateTime::parse_lenient`] accepts (in UTC without an offset), and a reference an object path.
    ///
    /// # Errors
    /// [`Error::Lexical`] or [`Error::OutOfRange`] for an invalid text; always for embedded instances.
    pub fn parse(&self, text: &str) -> Result<Value, Error> {
        let wrong = || Error::Lexical { found: excerpt(text), expected: self.keyword() };
        let trimmed = text.trim();
        match self {
            Self::String => Ok(Value::String(Cow::Owned(text.to_owned()))),
            Self::Boolean => match trimmed {
                "1" => Ok(Value::Boolean(true)),
                "0" => Ok(Value::Boolean(false)),
                word if word.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
                word if word.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
                _ => Err(wrong()),
            },
            Self::Real32 | Self::Real64 => {
                let number = real(trimmed).ok_or_else(wrong)?;
                // A real32 is parsed from the text, because conversion from a real64 would round twice.
                let half = trimmed.parse::<f32>().map_err(|_| wrong())?;
                let is_half = *self == Self::Real32;
                let is_infinite = if is_half { half.is_infinite() } else { number.is_infinite() };
                if is_infinite && !trimmed.ends_with("INF") {
                    return Err(Error::OutOfRange { found: excerpt(text), expected: self.keyword() });
                }
                Ok(if is_half { Value::Real32(half) } else { Value::Real64(number) })
            }
            Self::Char16 => char16(text).map(Value::Char16).ok_or_else(wrong),
            Self::DateTime => DateTime::parse_lenient(text, 0).map(Value::DateTime),
            Self::Reference(_) => ObjectPath::parse(trimmed).map(|path| Value::Reference(Box::new(path))),
            Self::Object(_) => Err(wrong()),
            _ => self.integer(integer(trimmed).ok_or_else(wrong)?),
        }
    }

    /// Converts an integer to a value of this type.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the type cannot represent the number, [`Error::Lexical`] if it is not an integer type.
    pub fn integer(&self, number: i128) -> Result<Value, Error> {
        let value = match self {
            Self::Uint8 => number.try_into().ok().map(Value::Uint8),
            Self::Uint16 => number.try_into().ok().map(Value::Uint16),
            Self::Uint32 => number.try_into().ok().map(Value::Uint32),
            Self::Uint64 => number.try_into().ok().map(Value::Uint64),
            Self::Sint8 => number.try_into().ok().map(Value::Sint8),
            Self::Sint16 => number.try_into().ok().map(Value::Sint16),
            Self::Sint32 => number.try_into().ok().map(Value::Sint32),
            Self::Sint64 => number.try_into().ok().map(Value::Sint64),
            Self::Char16 => number.try_into().ok().map(Value::Char16),
            other => {
                return Err(Error::Lexical { found: number.to_string(), expected: other.keyword() });
            }
        };
        value.ok_or_else(|| Error::OutOfRange { found: number.to_string(), expected: self.keyword() })
    }
}

/// Parses a decimal integer with an optional sign.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // The longest number of any type has 20 digits; a few leading zeros are accepted.
    let is_number = (1..=30).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Parses a number of XML Schema, which defines `INF`, but not `infinity`.
pub(crate) fn real(text: &str) -> Option<f64> {
    match text {
        "INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if text.bytes().all(|octet| octet.is_ascii_digit() || b"+-.eE".contains(&octet)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// Parses a character of one code unit; several characters must be a number.
fn char16(text: &str) -> Option<u16> {
    let mut units = text.encode_utf16();
    match (units.next(), units.next()) {
        (Some(unit), None) => Some(unit),
        (None, _) => None,
        (Some(_), Some(_)) => integer(text.trim()).and_then(|number| number.try_into().ok()),
    }
}

impl Value {
    /// Creates a text value.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::String(Cow::Owned(text.into()))
    }

    /// Returns the approximate memory usage in bytes.
    pub(crate) fn octets(&self) -> usize {
        let heap = match self {
            Self::String(Cow::Owned(text)) => text.len(),
            Self::Reference(path) => size_of::<ObjectPath>() + path.to_string().len(),
            Self::Object(instance) => instance.octets(),
            Self::Array(values) => values.iter().map(Self::octets).sum(),
            _ => 0,
        };
        size_of::<Self>() + heap
    }

    /// Returns whether the value is NULL.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the value if it is a text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value if it is an integer of any type.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        Some(match *self {
            Self::Uint8(number) => number.into(),
            Self::Uint16(number) => number.into(),
            Self::Uint32(number) => number.into(),
            Self::Uint64(number) => number.into(),
            Self::Sint8(number) => number.into(),
            Self::Sint16(number) => number.into(),
            Self::Sint32(number) => number.into(),
            Self::Sint64(number) => number.into(),
            Self::Char16(unit) => unit.into(),
            _ => return None,
        })
    }

    /// Returns the elements of an array; none for NULL, and the value itself for a scalar.
    #[must_use]
    pub fn elements(&self) -> &[Value] {
        match self {
            Self::Null => &[],
            Self::Array(values) => values,
            other => std::slice::from_ref(other),
        }
    }

    /// Returns the keyword of the value's type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Uint8(_) => "uint8",
            Self::Uint16(_) => "uint16",
            Self::Uint32(_) => "uint32",
            Self::Uint64(_) => "uint64",
            Self::Sint8(_) => "sint8",
            Self::Sint16(_) => "sint16",
            Self::Sint32(_) => "sint32",
            Self::Sint64(_) => "sint64",
            Self::Real32(_) => "real32",
            Self::Real64(_) => "real64",
            Self::Char16(_) => "char16",
            Self::String(_) => "string",
            Self::DateTime(_) => "datetime",
            Self::Reference(_) => "ref",
            Self::Object(_) => "object",
            Self::Array(_) => "array",
        }
    }

    /// Returns the text of [`Self::write_text`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text);
        text
    }

    /// Appends the text form of a scalar in elements and selectors; nothing for NULL, arrays and instances.
    ///
    /// A real number is written with the fewest digits that are parsed as the same number.
    pub fn write_text(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Null | Self::Array(_) | Self::Object(_) => Ok(()),
            Self::Boolean(true) => out.write_str("true"),
            Self::Boolean(false) => out.write_str("false"),
            Self::Uint8(number) => push_unsigned(out, (*number).into()),
            Self::Uint16(number) => push_unsigned(out, (*number).into()),
            Self::Uint32(number) => push_unsigned(out, (*number).into()),
            Self::Uint64(number) => push_unsigned(out, *number),
            Self::Sint8(number) => push_signed(out, (*number).into()),
            Self::Sint16(number) => push_signed(out, (*number).into()),
            Self::Sint32(number) => push_signed(out, (*number).into()),
            Self::Sint64(number) => push_signed(out, *number),
            Self::Real32(number) if is_plain(f64::from(*number)) => write!(out, "{number}"),
            Self::Real32(number) if number.is_finite() => write!(out, "{number:e}"),
            Self::Real32(number) => out.write_str(not_finite(f64::from(*number))),
            Self::Real64(number) if is_plain(*number) => write!(out, "{number}"),
            Self::Real64(number) if number.is_finite() => write!(out, "{number:e}"),
            Self::Real64(number) => out.write_str(not_finite(*number)),
            Self::Char16(unit) => {
                out.write_char(char::from_u32((*unit).into()).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            Self::String(text) => out.write_str(text),
            Self::DateTime(value) => write!(out, "{value}"),
            Self::Reference(path) => write!(out, "{path}"),
        };
    }
}

/// Appends a number without the formatting machinery, which is slow, because rows consist mostly of numbers.
fn push_unsigned(out: &mut String, mut number: u64) -> fmt::Result {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let (_, digits) = digits.split_at(digits.len() - used);
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
    Ok(())
}

fn push_signed(out: &mut String, number: i64) -> fmt::Result {
    if number < 0 {
        out.push('-');
    }
    push_unsigned(out, number.unsigned_abs())
}

/// Returns whether a number is short without an exponent.
fn is_plain(number: f64) -> bool {
    let size = number.abs();
    size == 0.0 || (1e-5..1e17).contains(&size)
}

fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "INF"
    } else {
        "-INF"
    }
}

impl fmt::Display for CimType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(Some(class)) => write!(f, "{class} ref"),
            Self::Object(Some(class)) => write!(f, "object:{class}"),
            other => f.write_str(other.keyword()),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Scalar => write!(f, "{}", self.element),
            Shape::Array => write!(f, "{}[]", self.element),
            Shape::FixedArray(most) => write!(f, "{}[{most}]", self.element),
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident;)*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Boolean;
    u8 => Uint8;
    u16 => Uint16;
    u32 => Uint32;
    u64 => Uint64;
    i8 => Sint8;
    i16 => Sint16;
    i32 => Sint32;
    i64 => Sint64;
    f32 => Real32;
    f64 => Real64;
    String => String;
    &'static str => String;
    DateTime => DateTime;
    ObjectPath => Reference;
    Instance => Object;
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests;
