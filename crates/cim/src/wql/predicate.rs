//! Conditions with the types of one class.

use std::borrow::Cow;

use super::error::{QueryError, Reason, Span};
use super::test::{Test, Wanted, is_allowed};
use super::{Condition, Constant, Operator, Pattern, PropertyPath, Select, bound, pinned};
use crate::{CimType, Class, Column, ColumnSet, Error, Instance, Name, Origin, SystemProperty, Type, Value};

/// The condition of a query, bound to one class.
///
/// Of subclasses it is bound again, because their columns stand at other places.
#[derive(Clone, Debug)]
pub struct Predicate {
    root: Node,
    columns: ColumnSet,
    origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Column {
        column: Column,
        index: Option<usize>,
        /// Names behind the property's, of members of embedded instances.
        members: Vec<Name>,
        test: Test,
        /// The only value that passes, where there is only one.
        pin: Option<Value>,
    },
    System {
        property: SystemProperty,
        test: Test,
    },
}

impl Predicate {
    /// Gives the condition of a query the types of a class.
    ///
    /// # Errors
    /// [`Error::Query`] for properties the class has not, and comparisons its types do not allow.
    pub fn bind(select: &Select, class: &Class, origin: &Origin) -> Result<Self, Error> {
        let mut binder = Binder { class, origin, select, columns: ColumnSet::new(), of_classes: false };
        let root = match &select.condition {
            Some(condition) => binder.bind(condition)?,
            None => Node::Constant(true),
        };
        Ok(Self { root, columns: binder.columns, origin: origin.clone() })
    }

    /// Whether a row of the class is wanted.
    #[must_use]
    pub fn evaluate(&self, row: &Instance) -> bool {
        evaluate(&self.root, row, &self.origin)
    }

    /// The answer, where it is the same for every row.
    #[must_use]
    pub fn constant(&self) -> Option<bool> {
        if let Node::Constant(answer) = self.root { Some(answer) } else { None }
    }

    /// The columns that are looked at; they must be filled before a row is evaluated.
    #[must_use]
    pub fn columns(&self) -> &ColumnSet {
        &self.columns
    }

    /// The earliest moment that a column of dates can have in a row that is wanted, in microseconds since 1970; `None`
    /// if the condition leaves that open.
    ///
    /// Earlier rows need not be looked for; a later one still has to be evaluated.
    #[must_use]
    pub fn not_before(&self, column: Column) -> Option<i64> {
        bound::not_before(&self.root, column)
    }

    /// The values that some columns must have for a row to be wanted, one set for each row that has to be looked
    /// up; `None` if the condition leaves one of them open.
    ///
    /// An empty answer means that no row is wanted.
    /// Every set is of its columns' types and in their order; texts are meant without regard to case.
    /// A row that has such values still has to be evaluated.
    #[must_use]
    pub fn pinned(&self, columns: &[Column]) -> Option<Vec<Vec<Value>>> {
        pinned::pinned(&self.root, columns)
    }
}

/// Whether a query of `meta_class` wants a class.
///
/// # Errors
/// [`Error::Query`] for anything but system properties and `__this`.
pub fn matches_class(select: &Select, class: &Class, origin: &Origin) -> Result<bool, Error> {
    let mut binder = Binder { class, origin, select, columns: ColumnSet::new(), of_classes: true };
    let Some(condition) = &select.condition else { return Ok(true) };
    Ok(matches!(binder.bind(condition)?, Node::Constant(true)))
}

/// The column of a name, or the error of a query that names it.
pub(super) fn column(class: &Class, name: &Name, span: Span) -> Result<Column, QueryError> {
    class.column(name.as_str()).ok_or_else(|| QueryError {
        reason: Reason::NoProperty { class: class.name().to_string(), name: name.to_string() },
        span,
    })
}

fn evaluate(node: &Node, row: &Instance, origin: &Origin) -> bool {
    match node {
        Node::Constant(answer) => *answer,
        Node::And(all) => all.iter().all(|node| evaluate(node, row, origin)),
        Node::Or(all) => all.iter().any(|node| evaluate(node, row, origin)),
        Node::Not(node) => !evaluate(node, row, origin),
        Node::System { property, test } => test.passes(&property.of_instance(row, origin)),
        Node::Column { column, index, members, test, .. } => {
            // What an embedded instance has not is neither equal nor NULL.
            member(row.at(*column), members, origin).is_some_and(|value| match index {
                None => test.passes(&value),
                Some(index) => test.passes(value.elements().get(*index).unwrap_or(&Value::Null)),
            })
        }
    }
}

/// What is behind some names in an embedded instance, of which the last may be that of a system property.
fn member<'r>(value: &'r Value, names: &[Name], origin: &Origin) -> Option<Cow<'r, Value>> {
    let [name, deeper @ ..] = names else { return Some(Cow::Borrowed(value)) };
    let Value::Object(instance) = value else { return None };
    match instance.value(name.as_str()) {
        Some(inner) => member(inner, deeper, origin),
        None if deeper.is_empty() => {
            let property = SystemProperty::parse(name.as_str())?;
            Some(Cow::Owned(property.of_instance(instance, origin)))
        }
        None => None,
    }
}

struct Binder<'a> {
    class: &'a Class,
    origin: &'a Origin,
    select: &'a Select,
    columns: ColumnSet,
    /// The rows are classes.
    of_classes: bool,
}

impl Binder<'_> {
    /// Recursion is as deep as the parser allowed.
    fn bind(&mut self, condition: &Condition) -> Result<Node, QueryError> {
        Ok(match condition {
            Condition::And(all) => {
                let nodes =
                    all.iter().map(|condition| self.bind(condition)).collect::<Result<Vec<_>, _>>()?;
                joined(nodes, false, Node::And)
            }
            Condition::Or(all) => {
                let nodes =
                    all.iter().map(|condition| self.bind(condition)).collect::<Result<Vec<_>, _>>()?;
                joined(nodes, true, Node::Or)
            }
            Condition::Not(condition) => match self.bind(condition)? {
                Node::Constant(answer) => Node::Constant(!answer),
                Node::Not(node) => *node,
                node => Node::Not(Box::new(node)),
            },
            Condition::Compare { property, operator, constant, span } => {
                self.compare(property, *operator, constant, *span)?
            }
            Condition::IsNull(property) => self.test(property, |_| Ok((Test::IsNull, None)))?,
            Condition::Like { property, pattern } => {
                let pattern = Pattern::new(pattern);
                self.test(property, |place| {
                    place.is_element()?;
                    match place.kind {
                        None | Some(Type { element: CimType::String, .. }) => Ok((Test::Like(pattern), None)),
                        Some(_) => Err(place.operator()),
                    }
                })?
            }
            Condition::Isa { property: None, class } => Node::Constant(self.class.is_a(class.as_str())),
            Condition::Isa { property: Some(property), class } => self.test(property, |place| {
                place.is_element()?;
                match place.kind {
                    None | Some(Type { element: CimType::Object(_), .. }) => {
                        Ok((Test::Isa(class.clone()), None))
                    }
                    Some(_) => Err(place.wrong(Reason::NotAnObject(place.path.to_string()))),
                }
            })?,
        })
    }

    fn compare(
        &mut self,
        property: &PropertyPath,
        operator: Operator,
        constant: &Constant,
        span: Span,
    ) -> Result<Node, QueryError> {
        let offset = self.origin.offset;
        self.test(property, |place| {
            place.is_element()?;
            let Some(kind) = place.kind else {
                return Ok((Test::Untyped { operator, constant: constant.clone(), offset }, None));
            };
            let kind = &kind.element;
            if !is_allowed(operator, kind) {
                return Err(place.operator());
            }
            let wanted = Wanted::of(constant, kind, offset).ok_or_else(|| QueryError {
                reason: Reason::Constant {
                    name: place.path.to_string(),
                    kind: kind.to_string(),
                    found: crate::name::excerpt(&constant.to_string()),
                },
                span,
            })?;
            let pin = if operator == Operator::Equal { wanted.value(kind) } else { None };
            Ok((Test::Compare(operator, wanted), pin))
        })
    }

    /// Finds the property of a path and makes a node of what is asked of it.
    fn test(
        &mut self,
        path: &PropertyPath,
        make: impl FnOnce(&Place<'_>) -> Result<(Test, Option<Value>), QueryError>,
    ) -> Result<Node, QueryError> {
        let (name, members) = (path.property_of(&self.select.from), path.members_of(&self.select.from));
        let index = path.index.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
        if let Some(property) = SystemProperty::parse(name.as_str()) {
            return self.system_test(path, property, members, index, make);
        }
        if self.of_classes {
            let reason = Reason::NoProperty { class: super::META_CLASS.to_owned(), name: name.to_string() };
            return Err(QueryError { reason, span: path.span });
        }
        let column = column(self.class, name, path.span)?;
        let declared = self.class.property(column).map(|property| &property.kind);
        if let (Some(kind), [_, ..]) = (declared, members)
            && (kind.is_array() || !matches!(kind.element, CimType::Object(_)))
        {
            return Err(QueryError { reason: Reason::NotAnObject(name.to_string()), span: path.span });
        }
        let kind = if members.is_empty() { declared } else { None };
        let (test, pin) = make(&Place { path, kind })?;
        self.columns.insert(column);
        let pin = if index.is_none() && members.is_empty() { pin } else { None };
        Ok(Node::Column { column, index, members: members.to_vec(), test, pin })
    }

    fn system_test(
        &mut self,
        path: &PropertyPath,
        property: SystemProperty,
        members: &[Name],
        index: Option<usize>,
        make: impl FnOnce(&Place<'_>) -> Result<(Test, Option<Value>), QueryError>,
    ) -> Result<Node, QueryError> {
        if !members.is_empty() {
            let reason = Reason::NotAnObject(property.name().to_owned());
            return Err(QueryError { reason, span: path.span });
        }
        let kind = match property {
            SystemProperty::Genus | SystemProperty::PropertyCount => Type::scalar(CimType::Sint32),
            SystemProperty::Derivation => Type::array(CimType::String),
            _ => Type::scalar(CimType::String),
        };
        let (test, _) = make(&Place { path, kind: Some(&kind) })?;
        if !property.is_constant() && !self.of_classes {
            self.class.keys().iter().for_each(|key| self.columns.insert(*key));
            return Ok(Node::System { property, test });
        }
        let value = match property {
            SystemProperty::Genus if !self.of_classes => Value::Sint32(2),
            property => property.of_class(self.class, self.origin),
        };
        Ok(Node::Constant(match index {
            None => test.passes(&value),
            Some(index) => test.passes(value.elements().get(index).unwrap_or(&Value::Null)),
        }))
    }
}

/// Where a test stands.
struct Place<'a> {
    path: &'a PropertyPath,
    /// `None` for members of embedded instances, whose class is not known.
    kind: Option<&'a Type>,
}

impl Place<'_> {
    /// Refuses an array as a whole, and an element of what is none.
    fn is_element(&self) -> Result<(), QueryError> {
        match (self.kind, self.path.index) {
            (Some(kind), None) if kind.is_array() => Err(self.wrong(Reason::Array(self.path.to_string()))),
            (Some(kind), Some(_)) if !kind.is_array() => {
                Err(self.wrong(Reason::NotAnArray(self.path.to_string())))
            }
            _ => Ok(()),
        }
    }

    fn operator(&self) -> QueryError {
        let kind = self.kind.map(ToString::to_string).unwrap_or_default();
        self.wrong(Reason::Operator { name: self.path.to_string(), kind })
    }

    fn wrong(&self, reason: Reason) -> QueryError {
        QueryError { reason, span: self.path.span }
    }
}

/// Joins nodes; one that is `decisive` decides alone, and its contrary says nothing.
fn joined(nodes: Vec<Node>, decisive: bool, join: fn(Vec<Node>) -> Node) -> Node {
    let mut left = Vec::new();
    for node in nodes {
        match node {
            Node::Constant(answer) if answer == decisive => return Node::Constant(decisive),
            Node::Constant(_) => {}
            node => left.push(node),
        }
    }
    match (left.pop(), left.is_empty()) {
        (None, _) => Node::Constant(!decisive),
        (Some(only), true) => only,
        (Some(last), false) => {
            left.push(last);
            join(left)
        }
    }
}
