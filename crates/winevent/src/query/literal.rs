//! Literals and the comparison of texts with them.

use super::operator::Operator;
use crate::timestamp::Timestamp;

/// How texts are compared. It is not known whether Windows ignores case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StringCase {
    /// With case.
    #[default]
    Sensitive,
    /// Without regard to the case of ASCII letters.
    Insensitive,
}

/// A literal. Its form selects the type of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// A number without quotes.
    Number(u64),
    Time(Timestamp),
    /// Lower case, without braces.
    Guid(Box<str>),
    Sid(Box<str>),
    Boolean(bool),
    Text {
        text: Box<str>,
        /// The text as a number, for `<` and the like.
        number: Option<i128>,
        case: StringCase,
    },
}

impl Literal {
    /// Returns the literal for a text in quotes.
    pub(super) fn quoted(text: &str, case: StringCase) -> Self {
        if text.len() >= "2024-01-01T00:00:00".len()
            && text.get(10..11) == Some("T")
            && let Ok(time) = Timestamp::parse(text)
        {
            return Self::Time(time);
        }
        if is_guid(text) {
            return Self::Guid(without_braces(text).to_ascii_lowercase().into());
        }
        if is_sid(text) {
            return Self::Sid(text.into());
        }
        match text {
            "true" => Self::Boolean(true),
            "false" => Self::Boolean(false),
            _ => Self::Text { text: text.into(), number: number(text), case },
        }
    }

    /// Returns whether values of this type have an order.
    pub(super) fn has_order(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Time(_) | Self::Text { number: Some(_), .. })
    }

    /// Returns the result of `text operator literal`. A text that is not a number is neither equal nor unequal
    /// to a number, and the same holds for times.
    pub(super) fn compare(&self, text: &str, operator: Operator) -> bool {
        match self {
            Self::Number(wanted) => {
                number(text).is_some_and(|found| operator.holds(&found, &i128::from(*wanted)))
            }
            Self::Time(wanted) => {
                Timestamp::parse(text.trim()).is_ok_and(|found| operator.holds(&found, wanted))
            }
            Self::Guid(wanted) => {
                operator.holds_equal(without_braces(text.trim()).eq_ignore_ascii_case(wanted))
            }
            Self::Sid(wanted) => operator.holds_equal(text.trim().eq_ignore_ascii_case(wanted)),
            Self::Boolean(wanted) => operator.holds_equal(boolean(text.trim()) == Some(*wanted)),
            Self::Text { number: Some(wanted), .. } if operator.is_order() => {
                number(text).is_some_and(|found| operator.holds(&found, wanted))
            }
            Self::Text { text: wanted, case, .. } => operator.holds_equal(is_same(text, wanted, *case)),
        }
    }
}

fn is_same(left: &str, right: &str, case: StringCase) -> bool {
    match case {
        StringCase::Sensitive => left == right,
        StringCase::Insensitive => left.eq_ignore_ascii_case(right),
    }
}

/// Parses a number as events contain it: decimal, possibly negative, or hexadecimal with `0x`.
pub(super) fn number(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return if is_plain { u64::from_str_radix(digits, 16).ok().map(i128::from) } else { None };
    }
    match text.strip_prefix('-') {
        Some(digits) => Some(-i128::from(unsigned(digits)?)),
        None => Some(i128::from(unsigned(text)?)),
    }
}

fn unsigned(digits: &str) -> Option<u64> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn without_braces(text: &str) -> &str {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text)
}

/// Returns whether the text is a GUID, with or without braces.
fn is_guid(text: &str) -> bool {
    let text = without_braces(text);
    let at_place = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(at_place)
}

fn is_sid(text: &str) -> bool {
    let Some(numbers) = text.strip_prefix("S-1-").or_else(|| text.strip_prefix("s-1-")) else { return false };
    numbers.split('-').all(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}
