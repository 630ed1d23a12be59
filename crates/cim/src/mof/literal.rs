//! Values as written in a text.

use crate::name::excerpt;
use crate::{CimType, DateTime, Error, ObjectPath, Shape, Type, Value};

use super::InstanceDeclaration;

/// A value of a text, before its type is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `NULL`
    Null,
    /// `TRUE` or `FALSE`
    Boolean(bool),
    /// A whole number in any base.
    Integer(i128),
    /// A real number.
    Real(f64),
    /// `'c'`
    Character(u16),
    /// A string, a time or the path of a reference.
    Text(String),
    /// A reference to the instance of an alias.
    Alias(String),
    /// An embedded instance.
    Instance(Box<InstanceDeclaration>),
    /// `{ … }`
    Array(Vec<Literal>),
}

impl Literal {
    /// Creates the literal of a value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Real32(number) => {
                // Through the text, to keep 0.1 from becoming 0.10000000149011612.
                let mut text = String::new();
                Value::Real32(*number).write_text(&mut text);
                Self::Real(text.parse().unwrap_or(f64::from(*number)))
            }
            Value::Real64(number) => Self::Real(*number),
            Value::Char16(unit) => Self::Character(*unit),
            Value::String(text) => Self::Text(text.clone().into_owned()),
            Value::DateTime(value) => Self::Text(value.to_string()),
            Value::Reference(path) => Self::Text(path.to_string()),
            Value::Object(instance) => Self::Instance(Box::new(InstanceDeclaration::of(instance))),
            Value::Array(values) => Self::Array(values.iter().map(Self::of).collect()),
            number => number.as_integer().map_or(Self::Null, Self::Integer),
        }
    }

    /// Converts the literal to a value of a type. Aliases and instances are not accepted.
    ///
    /// # Errors
    /// [`Error::Type`], [`Error::Lexical`] and [`Error::OutOfRange`] if the literal is not of the type.
    pub fn typed(&self, kind: &Type) -> Result<Value, Error> {
        self.with(kind, &|element, literal| match literal {
            Self::Alias(_) | Self::Instance(_) => Err(mismatch(element, literal)),
            plain => plain.single(element),
        })
    }

    pub(crate) fn with(
        &self,
        kind: &Type,
        single: &dyn Fn(&CimType, &Self) -> Result<Value, Error>,
    ) -> Result<Value, Error> {
        let value = match (self, kind.shape) {
            (Self::Null, _) => Value::Null,
            (Self::Array(literals), Shape::Array | Shape::FixedArray(_)) => {
                let mut values = Vec::with_capacity(literals.len());
                for literal in literals {
                    values.push(match literal {
                        Self::Null => Value::Null,
                        literal => single(&kind.element, literal)?,
                    });
                }
                Value::Array(values.into())
            }
            // WMI also accepts a single value for an array of one element.
            (literal, Shape::Array | Shape::FixedArray(_)) => {
                Value::Array([single(&kind.element, literal)?].into())
            }
            (literal, Shape::Scalar) => single(&kind.element, literal)?,
        };
        kind.require("the value", &value)?;
        Ok(value)
    }

    pub(crate) fn single(&self, kind: &CimType) -> Result<Value, Error> {
        match (self, kind) {
            (Self::Boolean(value), CimType::Boolean) => Ok(Value::Boolean(*value)),
            (Self::Integer(number), kind) if kind.is_integer() => kind.integer(*number),
            (Self::Integer(number), CimType::Real32 | CimType::Real64) => kind.parse(&number.to_string()),
            (Self::Real(number), CimType::Real64) => Ok(Value::Real64(*number)),
            (Self::Real(number), CimType::Real32) => kind.parse(&format!("{number:e}")),
            (Self::Character(unit), CimType::Char16) => Ok(Value::Char16(*unit)),
            (Self::Text(text), CimType::String) => Ok(Value::text(text.as_str())),
            (Self::Text(text), CimType::DateTime) => DateTime::parse(text).map(Value::DateTime),
            (Self::Text(text), CimType::Reference(_)) => {
                ObjectPath::parse(text).map(|path| Value::Reference(Box::new(path)))
            }
            (literal, kind) => Err(mismatch(kind, literal)),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Character(_) => "a character".to_owned(),
            Self::Text(text) => format!("{:?}", excerpt(text)),
            Self::Alias(name) => format!("${}", excerpt(name)),
            Self::Instance(declaration) => format!("an instance of {}", declaration.class),
            Self::Array(_) => "an array".to_owned(),
        }
    }
}

fn mismatch(kind: &CimType, literal: &Literal) -> Error {
    Error::Type { place: "the value".to_owned(), expected: kind.to_string(), found: literal.describe() }
}
