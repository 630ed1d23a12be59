//! Comparison of a value with a constant.

use std::cmp::Ordering;

use super::{Constant, Operator, Pattern, compare};
use crate::object_path::{Identity, KeyValue};
use crate::{CimType, DateTime, Name, ObjectPath, Partial, Value};

/// Test of a value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    IsNull,
    Compare(Operator, Operand),
    /// A comparison for which the type of the value is known only at evaluation.
    Untyped {
        operator: Operator,
        constant: Constant,
        /// Offset from UTC in minutes, for times without an offset.
        offset: i16,
    },
    Like(Pattern),
    Isa(Name),
}

/// A constant in the form in which values of its type are compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Boolean(bool),
    Integer(i128),
    Real(f64),
    Text(String),
    /// Microseconds since 1970.
    Instant(i64),
    /// Microseconds.
    Interval(u64),
    Partial(Partial),
    Path(ObjectPath),
}

impl Test {
    /// Tests a value; a missing value passes only [`Test::IsNull`].
    pub(super) fn passes(&self, value: &Value) -> bool {
        match self {
            Self::IsNull => value.is_null(),
            Self::Compare(operator, operand) => {
                operand.order(value).is_some_and(|order| operator.holds(order))
            }
            Self::Untyped { operator, constant, offset } => {
                let Some(kind) = kind_of(value) else { return false };
                let operand = Operand::of(constant, &kind, *offset).filter(|_| is_allowed(*operator, &kind));
                operand.and_then(|operand| operand.order(value)).is_some_and(|order| operator.holds(order))
            }
            Self::Like(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::Isa(class) => match value {
                Value::Object(instance) => instance.class().is_a(class.as_str()),
                _ => false,
            },
        }
    }
}

/// Checks if values of a type support an operator.
pub(super) fn is_allowed(operator: Operator, kind: &CimType) -> bool {
    match kind {
        CimType::Object(_) => false,
        CimType::Boolean | CimType::Reference(_) => operator.is_equality(),
        _ => true,
    }
}

fn kind_of(value: &Value) -> Option<CimType> {
    match value {
        Value::Reference(_) => Some(CimType::Reference(None)),
        value => CimType::from_keyword(value.type_name()),
    }
}

impl Operand {
    /// Converts a constant for a type; `None` if it is not a value of the type.
    pub(super) fn of(constant: &Constant, kind: &CimType, offset: i16) -> Option<Self> {
        Some(match (kind, constant) {
            (CimType::Boolean, Constant::Boolean(value)) => Self::Boolean(*value),
            (CimType::Boolean, Constant::Integer(number @ (0 | 1))) => Self::Boolean(*number == 1),
            (CimType::Boolean, Constant::Text(text)) if text.eq_ignore_ascii_case("true") => {
                Self::Boolean(true)
            }
            (CimType::Boolean, Constant::Text(text)) if text.eq_ignore_ascii_case("false") => {
                Self::Boolean(false)
            }
            (CimType::String, Constant::Text(text)) => Self::Text(text.clone()),
            (CimType::String, Constant::Integer(number)) => Self::Text(number.to_string()),
            (CimType::String, Constant::Real(number)) => Self::Text(number.to_string()),
            (CimType::Char16, Constant::Text(_)) => match kind.parse(&constant.plain()).ok()? {
                Value::Char16(unit) => Self::Integer(unit.into()),
                _ => return None,
            },
            (CimType::DateTime, Constant::Text(text)) => match DateTime::parse_lenient(text, offset).ok()? {
                DateTime::Timestamp(timestamp) => Self::Instant(timestamp.unix_micros()),
                DateTime::Interval(interval) => Self::Interval(interval.micros()),
                DateTime::Partial(partial) => Self::Partial(partial),
            },
            (CimType::Reference(_), Constant::Text(text)) => Self::Path(ObjectPath::parse(text).ok()?),
            (
                CimType::Real32 | CimType::Real64,
                Constant::Integer(_) | Constant::Real(_) | Constant::Text(_),
            ) => match CimType::Real64.parse(&constant.plain()).ok()? {
                Value::Real64(number) => Self::Real(number),
                _ => return None,
            },
            (kind, Constant::Integer(number)) if kind.is_integer() || *kind == CimType::Char16 => {
                Self::Integer(*number)
            }
            (kind, Constant::Real(number)) if kind.is_integer() => Self::Real(*number),
            (kind, Constant::Text(text)) if kind.is_integer() => {
                Self::Integer(crate::value::integer(text.trim())?)
            }
            _ => return None,
        })
    }

    /// Converts the constant to a value of a type, if the type can represent it.
    pub(super) fn value(&self, kind: &CimType) -> Option<Value> {
        match self {
            Self::Boolean(value) => Some(Value::Boolean(*value)),
            Self::Integer(number) => kind.integer(*number).ok(),
            Self::Real(number) => kind.parse(&format!("{number}")).ok(),
            Self::Text(text) => Some(Value::text(text.as_str())),
            Self::Instant(micros) => {
                crate::Timestamp::from_unix_micros(*micros, 0).map(|value| DateTime::Timestamp(value).into())
            }
            Self::Interval(micros) => {
                crate::Interval::from_micros(*micros).map(|value| DateTime::Interval(value).into())
            }
            Self::Partial(partial) => Some(DateTime::Partial(*partial).into()),
            Self::Path(path) => Some(path.clone().into()),
        }
    }

    /// Compares a value with the constant; `None` if they have no order.
    fn order(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Boolean(operand), Value::Boolean(value)) => Some(value.cmp(operand)),
            (Self::Integer(operand), value) => Some(value.as_integer()?.cmp(operand)),
            (Self::Real(operand), Value::Real64(value)) => value.partial_cmp(operand),
            // Compared by its shortest text, which is the number that users write, not by its value as a real64.
            (Self::Real(operand), Value::Real32(value)) => {
                format!("{value}").parse::<f64>().ok()?.partial_cmp(operand)
            }
            (Self::Real(operand), value) => {
                // 64-bit integers are compared exactly: the integer part first.
                let whole = value.as_integer()?;
                let floor = format!("{:.0}", operand.floor()).parse::<i128>().ok();
                match floor {
                    Some(floor) if whole == floor && operand.fract() != 0.0 => Some(Ordering::Less),
                    Some(floor) => Some(whole.cmp(&floor)),
                    None => Some(if *operand > 0.0 { Ordering::Less } else { Ordering::Greater }),
                }
            }
            (Self::Text(operand), Value::String(value)) => Some(compare::order(value, operand)),
            (Self::Instant(operand), Value::DateTime(DateTime::Timestamp(value))) => {
                Some(value.unix_micros().cmp(operand))
            }
            (Self::Interval(operand), Value::DateTime(DateTime::Interval(value))) => {
                Some(value.micros().cmp(operand))
            }
            // Values with unknown fields have no order but can be equal.
            (Self::Partial(operand), Value::DateTime(DateTime::Partial(value))) => {
                (value == operand).then_some(Ordering::Equal)
            }
            (Self::Path(operand), Value::Reference(value)) => {
                Some(if same_object(value, operand) { Ordering::Equal } else { Ordering::Greater })
            }
            _ => None,
        }
    }
}

impl Constant {
    /// Returns the constant as text without quotes.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => format!("{number:e}"),
            Self::Boolean(value) => value.to_string(),
        }
    }
}

/// Compares two paths, ignoring the namespace if one of them has none.
pub(super) fn same_object(left: &ObjectPath, right: &ObjectPath) -> bool {
    let same_namespace = match (&left.namespace, &right.namespace) {
        (Some(left), Some(right)) => left == right,
        _ => true,
    };
    let same_keys = match (&left.identity, &right.identity) {
        (Identity::Keys(left), Identity::Keys(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| {
                    right.iter().any(|(other, expected)| name == other && same_key(value, expected))
                })
        }
        (Identity::Keys(keys), Identity::Unnamed(value))
        | (Identity::Unnamed(value), Identity::Keys(keys)) => {
            matches!(keys.as_slice(), [(_, only)] if same_key(only, value))
        }
        (Identity::Unnamed(left), Identity::Unnamed(right)) => same_key(left, right),
        (left, right) => left == right,
    };
    same_namespace && left.class == right.class && same_keys
}

fn same_key(left: &KeyValue, right: &KeyValue) -> bool {
    match (left, right) {
        (KeyValue::Reference(left), KeyValue::Reference(right)) => same_object(left, right),
        (left, right) => compare::equal(&left.to_text(), &right.to_text()),
    }
}
