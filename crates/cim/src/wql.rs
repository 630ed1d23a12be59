//! WQL, the query language of WMI (MS-WMI, WQL): selections of instances, events and classes, and associations.
//!
//! [`parse`] reads a text into a [`Query`] without access to classes.
//! [`Predicate::bind`] then binds a condition to the types of one class, once, so that evaluation only compares values.
//! A bound condition reports the columns it needs and the keys it pins, which lets a provider read less.
//!
//! Rules of this implementation, for cases that are not documented:
//! a comparison with a property without a value is false, also with `<>`, and `NOT` inverts that;
//! a number is compared as a number even if its property's type cannot represent it;
//! an array is compared only by one of its elements.

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
pub use error::{QueryError, Reason, Span, SqlConstruct};
pub use like::Pattern;
pub use predicate::{Predicate, matches_class};

/// Maximum length of a query, in bytes.
pub const MAX_TEXT: usize = 16 << 10;

/// Maximum nesting depth of conditions.
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
    /// The selected properties.
    pub columns: Columns,
    /// The class.
    pub from: Name,
    /// The position of its name.
    pub from_span: Span,
    /// The polling interval for events.
    pub within: Option<Duration>,
    /// The condition for rows.
    pub condition: Option<Condition>,
    /// The grouping of events.
    pub group: Option<Group>,
}

/// Properties selected by a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// `*`
    All,
    /// The named properties, at least one.
    Some(Vec<PropertyPath>),
}

/// `GROUP WITHIN … BY … HAVING …`
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The time over which events are counted.
    pub within: Duration,
    /// The properties that define a group.
    pub by: Vec<PropertyPath>,
    /// `NumberOfEvents` compared with a number.
    pub having: Option<(Operator, u32)>,
}

/// A property, a member of an embedded instance, or an element of an array.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyPath {
    /// The names between points, at least one.
    pub parts: Vec<Name>,
    /// The number in brackets, from zero.
    pub index: Option<u32>,
    /// The position in the query.
    pub span: Span,
}

/// Condition of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of the conditions.
    And(Vec<Condition>),
    /// At least one of the conditions.
    Or(Vec<Condition>),
    /// The negation of a condition.
    Not(Box<Condition>),
    /// A property compared with a constant; with NULL it is [`Condition::IsNull`].
    Compare {
        /// The property, on either side of the comparison.
        property: PropertyPath,
        /// The operator, with the property on the left side.
        operator: Operator,
        /// The constant.
        constant: Constant,
        /// The position of the constant.
        span: Span,
    },
    /// A property without value.
    IsNull(PropertyPath),
    /// A string that matches a pattern.
    Like {
        /// The property.
        property: PropertyPath,
        /// The pattern, without escapes.
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

/// Comparison operator.
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

/// Constant of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A string, without escapes.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A real number.
    Real(f64),
    /// `TRUE` or `FALSE`
    Boolean(bool),
}

/// `ASSOCIATORS OF { … } WHERE …`
#[derive(Clone, Debug, PartialEq)]
pub struct Associators {
    /// The source object.
    pub source: ObjectPath,
    /// `AssocClass`: the class of the associations.
    pub association_class: Option<Name>,
    /// `RequiredAssocQualifier`: a qualifier of that class.
    pub required_association_qualifier: Option<Name>,
    /// `RequiredQualifier`: a qualifier of the result classes.
    pub required_qualifier: Option<Name>,
    /// `ResultClass`: the class of the results.
    pub result_class: Option<Name>,
    /// `ResultRole`: the property of the associations that refers to the result.
    pub result_role: Option<Name>,
    /// `Role`: the property of the associations that refers to the source.
    pub role: Option<Name>,
    /// The form of the results.
    pub detail: Detail,
}

/// `REFERENCES OF { … } WHERE …`
#[derive(Clone, Debug, PartialEq)]
pub struct References {
    /// The referenced object.
    pub source: ObjectPath,
    /// `RequiredQualifier`: a qualifier of the class of the associations.
    pub required_qualifier: Option<Name>,
    /// `ResultClass`: the class of the associations.
    pub result_class: Option<Name>,
    /// `Role`: the property of the associations that refers to the source.
    pub role: Option<Name>,
    /// The form of the results.
    pub detail: Detail,
}

/// Form of the results of an association query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// `ClassDefsOnly`: classes instead of instances.
    pub class_definitions_only: bool,
    /// `KeysOnly`: instances with only their keys.
    pub keys_only: bool,
    /// `SchemaOnly`: the source and the results are classes.
    pub schema_only: bool,
}

/// Parses a query.
///
/// # Errors
/// [`Error::Query`] with reason and position; its status is `WBEM_E_INVALID_QUERY`, `WBEM_E_QUOTA_VIOLATION` for a
/// query that exceeds a limit, or `WBEM_E_INVALID_OBJECT_PATH`.
pub fn parse(text: &str) -> Result<Query, Error> {
    parser::parse(text).map_err(Error::from)
}

impl Select {
    /// Checks for a query of classes instead of instances.
    #[must_use]
    pub fn is_of_classes(&self) -> bool {
        self.from == *META_CLASS
    }

    /// Returns the selected columns of a class, and the system properties among them.
    ///
    /// A member of an embedded instance selects the whole instance, because it is delivered whole.
    ///
    /// # Errors
    /// [`Error::Query`] for a property that does not exist in the class.
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

    /// Returns the names of the selected properties; `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<Vec<Name>> {
        match &self.columns {
            Columns::All => None,
            Columns::Some(paths) => {
                Some(paths.iter().map(|path| path.property_of(&self.from).clone()).collect())
            }
        }
    }

    /// Returns the classes of which an embedded instance must be one for any row to match, such as the class of
    /// `TargetInstance` in event queries; empty if the condition does not restrict it.
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
        // Each of them would be correct; people usually write the narrowest first.
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
    /// Checks the properties of `BY` against a class of events.
    ///
    /// # Errors
    /// [`Error::Query`] for a property that does not exist in the class, a point after a property without an instance,
    /// whole arrays, and whole instances (`WBEM_E_AGGREGATING_BY_OBJECT`).
    pub fn fits(&self, class: &Class) -> Result<(), Error> {
        for path in &self.by {
            let name = path.property_of(class.name());
            let column = predicate::column(class, name, path.span)?;
            let Some(property) = class.property(column) else { continue };
            let error = |reason| Error::from(QueryError { reason, span: path.span });
            let holds_instances = matches!(property.kind.element, CimType::Object(_));
            match path.members_of(class.name()) {
                [] if holds_instances => return Err(error(Reason::GroupedByObject(name.to_string()))),
                [] if property.kind.is_array() && path.index.is_none() => {
                    return Err(error(Reason::Array(name.to_string())));
                }
                [_, ..] if !holds_instances => return Err(error(Reason::NotAnObject(name.to_string()))),
                _ => {}
            }
        }
        Ok(())
    }
}

impl PropertyPath {
    /// Returns the property: the first name, unless that is the name of the class.
    #[must_use]
    pub fn property_of<'p>(&'p self, class: &'p Name) -> &'p Name {
        match self.parts.as_slice() {
            [first, second, ..] if first == class => second,
            [first, ..] => first,
            // INVARIANT: a path has at least one name.
            [] => class,
        }
    }

    /// Returns the value in an instance of a class, or NULL if the instance does not have the property.
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

    /// Returns the names after the property.
    fn members_of(&self, class: &Name) -> &[Name] {
        match self.parts.as_slice() {
            [first, _, rest @ ..] if first == class => rest,
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }
}

impl Operator {
    /// Returns the operator for exchanged sides.
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

    /// Applies the operator to the order of two values.
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

    /// Checks for `=` and `<>`.
    #[must_use]
    pub const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}
