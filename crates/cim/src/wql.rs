//! WQL, the query language of WMI (MS-WMI, WQL): selections of instances, events and classes, and associations.
//!
//! [`parse`] reads a text into a [`Query`] without looking at any class.
//! [`Predicate::bind`] then gives a condition the types of one class, once, so that rows are only compared.
//! A bound condition says which columns it needs and which keys it pins, so that a provider can read less.
//!
//! Rules that are decided here, because no document tells them:
//! a comparison with a property without value is false, also `<>`, and `NOT` turns that around;
//! a number is compared as a number also where its property's type could not hold it;
//! an array is compared by one of its elements only.

use std::time::Duration;

use crate::{CimType, Class, ColumnSet, Error, Instance, Name, ObjectPath, SystemProperty, Value};

mod bound;
mod compare;
mod error;
mod lexer;
mod like;
mod parser;
mod pinned;
mod predicate;
mod printer;
mod test;

pub use compare::{capitals, equal, order};
pub use error::{QueryError, Reason, Span};
pub use like::Pattern;
pub use predicate::{Predicate, matches_class};

/// The longest query, in octets.
pub const MAX_TEXT: usize = 16 << 10;

/// How deep conditions may stand in each other.
pub const MAX_DEPTH: usize = 64;

/// The class whose instances are the classes of a namespace.
pub const META_CLASS: &str = "meta_class";

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// `SELECT … FROM …`: instances, events or classes.
    Select(Select),
    /// `ASSOCIATORS OF { … }`: instances at the other ends of associations.
    Associators(Associators),
    /// `REFERENCES OF { … }`: the associations themselves.
    References(References),
}

/// `SELECT … FROM … WHERE …`
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// What of each row is wanted.
    pub columns: Columns,
    /// The class.
    pub from: Name,
    /// Where its name stands.
    pub from_span: Span,
    /// How often events are looked for.
    pub within: Option<Duration>,
    /// Which rows are wanted.
    pub condition: Option<Condition>,
    /// How events are counted together.
    pub group: Option<Group>,
}

/// What of each row is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// `*`
    All,
    /// Names, never none.
    Some(Vec<PropertyPath>),
}

/// `GROUP WITHIN … BY … HAVING …`
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// How long events are counted.
    pub within: Duration,
    /// What tells groups apart.
    pub by: Vec<PropertyPath>,
    /// `NumberOfEvents` compared with a number.
    pub having: Option<(Operator, u32)>,
}

/// A property, a member of an embedded instance, or an element of an array.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyPath {
    /// The names between points, never none.
    pub parts: Vec<Name>,
    /// The number in brackets, from zero.
    pub index: Option<u32>,
    /// Where it stands.
    pub span: Span,
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of these.
    And(Vec<Condition>),
    /// At least one of these.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// A property compared with a constant; with NULL it is [`Condition::IsNull`].
    Compare {
        /// The left side, whichever side it was written on.
        property: PropertyPath,
        /// How.
        operator: Operator,
        /// The right side.
        constant: Constant,
        /// Where the constant stands.
        span: Span,
    },
    /// A property without value.
    IsNull(PropertyPath),
    /// A text of a form.
    Like {
        /// The property.
        property: PropertyPath,
        /// The form, its escapes removed.
        pattern: String,
    },
    /// An instance of a class or its subclasses.
    Isa {
        /// A property with an embedded instance; `None` for the row itself, `__this`.
        property: Option<PropertyPath>,
        /// The class.
        class: Name,
    },
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<>` or `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value as a query spells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// In quotes, its escapes removed.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// Another number.
    Real(f64),
    /// `TRUE` or `FALSE`
    Boolean(bool),
}

/// `ASSOCIATORS OF { … } WHERE …`
#[derive(Clone, Debug, PartialEq)]
pub struct Associators {
    /// From where.
    pub source: ObjectPath,
    /// `AssocClass`: the class of the associations.
    pub association_class: Option<Name>,
    /// `RequiredAssocQualifier`: a qualifier of it.
    pub required_association_qualifier: Option<Name>,
    /// `RequiredQualifier`: a qualifier of the classes found.
    pub required_qualifier: Option<Name>,
    /// `ResultClass`: the class of what is found.
    pub result_class: Option<Name>,
    /// `ResultRole`: the property through which the associations lead to what is found.
    pub result_role: Option<Name>,
    /// `Role`: the property through which they lead to the source.
    pub role: Option<Name>,
    /// What is told of what is found.
    pub detail: Detail,
}

/// `REFERENCES OF { … } WHERE …`
#[derive(Clone, Debug, PartialEq)]
pub struct References {
    /// To what.
    pub source: ObjectPath,
    /// `RequiredQualifier`: a qualifier of the associations' class.
    pub required_qualifier: Option<Name>,
    /// `ResultClass`: the class of the associations.
    pub result_class: Option<Name>,
    /// `Role`: the property through which they lead to the source.
    pub role: Option<Name>,
    /// What is told of what is found.
    pub detail: Detail,
}

/// What a query of associations gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// `ClassDefsOnly`: classes instead of instances.
    pub class_definitions_only: bool,
    /// `KeysOnly`: instances with nothing but their keys.
    pub keys_only: bool,
    /// `SchemaOnly`: the source is a class, and so is what is found.
    pub schema_only: bool,
}

/// Reads a query.
///
/// # Errors
/// [`Error::Query`] says what is wrong where; its status is `WBEM_E_INVALID_QUERY`, `WBEM_E_QUOTA_VIOLATION` for what
/// is too large, or `WBEM_E_INVALID_OBJECT_PATH`.
pub fn parse(text: &str) -> Result<Query, Error> {
    parser::parse(text).map_err(Error::from)
}

impl Select {
    /// Whether it asks for classes instead of instances.
    #[must_use]
    pub fn is_of_classes(&self) -> bool {
        self.from == *META_CLASS
    }

    /// The columns of a class that are wanted, and the system properties among them.
    ///
    /// Of a member of an embedded instance the whole instance is wanted, because it is delivered whole.
    ///
    /// # Errors
    /// [`Error::Query`] for a property that the class has not.
    pub fn selected(&self, class: &Class) -> Result<(ColumnSet, Vec<SystemProperty>), Error> {
        let Columns::Some(paths) = &self.columns else { return Ok((class.columns(), Vec::new())) };
        let (mut columns, mut system) = (ColumnSet::new(), Vec::new());
        for path in paths {
            let name = path.property_of(&self.from);
            match SystemProperty::parse(name.as_str()) {
                Some(property) => system.push(property),
                None => columns.insert(predicate::column(class, name, path.span)?),
            }
        }
        Ok((columns, system))
    }

    /// The names of the properties that are wanted; `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<Vec<Name>> {
        match &self.columns {
            Columns::All => None,
            Columns::Some(paths) => {
                Some(paths.iter().map(|path| path.property_of(&self.from).clone()).collect())
            }
        }
    }

    /// The classes of which an embedded instance must have one for any row to be wanted, such as that of
    /// `TargetInstance` in queries of events; none if the condition leaves that open.
    #[must_use]
    pub fn classes_of(&self, property: &str) -> Vec<Name> {
        let mut classes = self.condition.as_ref().and_then(|condition| classes(condition, property));
        let classes = classes.get_or_insert_default();
        classes.sort();
        classes.dedup();
        std::mem::take(classes)
    }
}

fn classes(condition: &Condition, wanted: &str) -> Option<Vec<Name>> {
    match condition {
        // Each of them would do; the first is the narrowest as people write it.
        Condition::And(all) => all.iter().find_map(|condition| classes(condition, wanted)),
        Condition::Or(all) => {
            let each = all.iter().map(|condition| classes(condition, wanted));
            each.collect::<Option<Vec<_>>>().map(|each| each.concat())
        }
        Condition::Isa { property: Some(path), class } => match path.parts.as_slice() {
            [name] if *name == *wanted => Some(vec![class.clone()]),
            _ => None,
        },
        Condition::Compare {
            property, operator: Operator::Equal, constant: Constant::Text(class), ..
        } => match property.parts.as_slice() {
            [name, member] if *name == *wanted && *member == *"__CLASS" => {
                Some(vec![Name::parse(class).ok()?])
            }
            _ => None,
        },
        _ => None,
    }
}

impl Group {
    /// Whether events of a class can be told apart by what `BY` names.
    ///
    /// # Errors
    /// [`Error::Query`] for what the class has not, for a point behind what holds no instance, for whole arrays, and
    /// for whole instances (`WBEM_E_AGGREGATING_BY_OBJECT`).
    pub fn fits(&self, class: &Class) -> Result<(), Error> {
        for path in &self.by {
            let name = path.property_of(class.name());
            let column = predicate::column(class, name, path.span)?;
            let Some(property) = class.property(column) else { continue };
            let wrong = |reason| Error::from(QueryError { reason, span: path.span });
            let holds_instances = matches!(property.kind.element, CimType::Object(_));
            match path.members_of(class.name()) {
                [] if holds_instances => return Err(wrong(Reason::GroupedByObject(name.to_string()))),
                [] if property.kind.is_array() && path.index.is_none() => {
                    return Err(wrong(Reason::Array(name.to_string())));
                }
                [_, ..] if !holds_instances => return Err(wrong(Reason::NotAnObject(name.to_string()))),
                _ => {}
            }
        }
        Ok(())
    }
}

impl PropertyPath {
    /// The property itself: the first name, unless that is the class's.
    #[must_use]
    pub fn property_of<'p>(&'p self, class: &'p Name) -> &'p Name {
        match self.parts.as_slice() {
            [first, second, ..] if first == class => second,
            [first, ..] => first,
            // INVARIANT: a path has at least one name.
            [] => class,
        }
    }

    /// The value in an instance that was selected from a class; NULL for what it has not.
    #[must_use]
    pub fn value<'r>(&self, row: &'r Instance, from: &Name) -> &'r Value {
        let mut value = row.value(self.property_of(from).as_str()).unwrap_or(&Value::Null);
        for member in self.members_of(from) {
            value = match value {
                Value::Object(instance) => instance.value(member.as_str()).unwrap_or(&Value::Null),
                _ => &Value::Null,
            };
        }
        match self.index.map(usize::try_from) {
            None => value,
            Some(index) => index.ok().and_then(|index| value.elements().get(index)).unwrap_or(&Value::Null),
        }
    }

    /// The names behind the property's.
    fn members_of(&self, class: &Name) -> &[Name] {
        match self.parts.as_slice() {
            [first, _, rest @ ..] if first == class => rest,
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }
}

impl Operator {
    /// The operator with its sides exchanged.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// Whether it holds for two values in this order.
    #[must_use]
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// Whether it asks for equality or its contrary only.
    #[must_use]
    pub const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}
