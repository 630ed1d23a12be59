//! One value against one constant of a query.

use std::cmp::Ordering;

use super::{Constant, Operator, Pattern, compare};
use crate::object_path::{Identity, KeyValue};
use crate::{CimType, DateTime, Name, ObjectPath, Partial, Value};

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    IsNull,
    Compare(Operator, Wanted),
    /// The type of the value is known only when there is one.
    Untyped {
        operator: Operator,
        constant: Constant,
        /// Minutes east of Greenwich, for times without an offset.
        offset: i16,
    },
    Like(Pattern),
    Isa(Name),
}

/// A constant in the form in which values of its type are compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
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
    /// Whether the value passes; one that is missing passes [`Test::IsNull`] only.
    pub(super) fn passes(&self, value: &Value) -> bool {
        match self {
            Self::IsNull => value.is_null(),
            Self::Compare(operator, wanted) => wanted.order(value).is_some_and(|order| operator.holds(order)),
            Self::Untyped { operator, constant, offset } => {
                let Some(kind) = kind_of(value) else { return false };
                let wanted = Wanted::of(constant, &kind, *offset).filter(|_| is_allowed(*operator, &kind));
                wanted.and_then(|wanted| wanted.order(value)).is_some_and(|order| operator.holds(order))
            }
            Self::Like(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::Isa(class) => match value {
                Value::Object(instance) => instance.class().is_a(class.as_str()),
                _ => false,
            },
        }
    }
}

/// Whether values of a type can be compared so.
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

impl Wanted {
    /// The constant as one of a type; `None` if it is none.
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

    /// The constant as a value of a type, if the type has it.
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

    /// How the value stands to the constant; `None` if they have no order.
    fn order(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Boolean(wanted), Value::Boolean(value)) => Some(value.cmp(wanted)),
            (Self::Integer(wanted), value) => Some(value.as_integer()?.cmp(wanted)),
            (Self::Real(wanted), Value::Real64(value)) => value.partial_cmp(wanted),
            // The shortest text of a real32 is what somebody would ask for, not its value as a real64.
            (Self::Real(wanted), Value::Real32(value)) => {
                format!("{value}").parse::<f64>().ok()?.partial_cmp(wanted)
            }
            (Self::Real(wanted), value) => {
                // Whole numbers of 64 bits are compared exactly: by their whole part first.
                let whole = value.as_integer()?;
                let floor = format!("{:.0}", wanted.floor()).parse::<i128>().ok();
                match floor {
                    Some(floor) if whole == floor && wanted.fract() != 0.0 => Some(Ordering::Less),
                    Some(floor) => Some(whole.cmp(&floor)),
                    None => Some(if *wanted > 0.0 { Ordering::Less } else { Ordering::Greater }),
                }
            }
            (Self::Text(wanted), Value::String(value)) => Some(compare::order(value, wanted)),
            (Self::Instant(wanted), Value::DateTime(DateTime::Timestamp(value))) => {
                Some(value.unix_micros().cmp(wanted))
            }
            (Self::Interval(wanted), Value::DateTime(DateTime::Interval(value))) => {
                Some(value.micros().cmp(wanted))
            }
            // Values with unknown fields have no order, but can be equal.
            (Self::Partial(wanted), Value::DateTime(DateTime::Partial(value))) => {
                (value == wanted).then_some(Ordering::Equal)
            }
            (Self::Path(wanted), Value::Reference(value)) => {
                Some(if same_object(value, wanted) { Ordering::Equal } else { Ordering::Greater })
            }
            _ => None,
        }
    }
}

impl Constant {
    /// The constant as a text without quotes.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => format!("{number:e}"),
            Self::Boolean(value) => value.to_string(),
        }
    }
}

/// Whether two paths name one object, as far as both say where it is.
pub(super) fn same_object(left: &ObjectPath, right: &ObjectPath) -> bool {
    let same_place = match (&left.namespace, &right.namespace) {
        (Some(left), Some(right)) => left == right,
        _ => true,
    };
    let same_value = |left: &KeyValue, right: &KeyValue| match (left, right) {
        (KeyValue::Reference(left), KeyValue::Reference(right)) => same_object(left, right),
        (left, right) => compare::equal(&left.to_text(), &right.to_text()),
    };
    let same_keys = match (&left.identity, &right.identity) {
        (Identity::Keys(left), Identity::Keys(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| {
                    right.iter().any(|(other, wanted)| name == other && same_value(value, wanted))
                })
        }
        (Identity::Keys(keys), Identity::Unnamed(value))
        | (Identity::Unnamed(value), Identity::Keys(keys)) => {
            matches!(keys.as_slice(), [(_, only)] if same_value(only, value))
        }
        (Identity::Unnamed(left), Identity::Unnamed(right)) => same_value(left, right),
        (left, right) => left == right,
    };
    same_place && left.class == right.class && same_keys
}
