//! Conditions bound to the types of a class.

use std::borrow::Cow;

use super::error::{QueryError, Reason, Span};
use super::test::{Operand, Test, is_allowed};
use super::{Condition, Constant, Operator, Pattern, PropertyPath, Select};
use crate::{CimType, Class, Column, ColumnSet, Error, Instance, Name, Origin, SystemProperty, Type, Value};

/// The condition of a query, bound to one class.
///
/// A subclass needs its own binding, because its columns have other positions.
#[derive(Clone, Debug)]
pub struct Predicate {
    pub(super) root: Node,
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
        /// Names after the property, of members of embedded instances.
        members: Vec<Name>,
        test: Test,
        /// The only value that matches, if there is only one.
        pin: Option<Value>,
    },
    System {
        property: SystemProperty,
        test: Test,
    },
}

impl Predicate {
    /// Binds the condition of a query to a class.
    ///
    /// # Errors
    /// [`Error::Query`] for properties that do not exist, and comparisons that their types do not support.
    pub fn bind(select: &Select, class: &Class, origin: &Origin) -> Result<Self, Error> {
        let mut binder = Binder { class, origin, select, columns: ColumnSet::new(), of_classes: false };
        let root = match &select.condition {
            Some(condition) => binder.bind(condition)?,
            None => Node::Constant(true),
        };
        Ok(Self { root, columns: binder.columns, origin: origin.clone() })
    }

    /// Evaluates the condition for a row.
    #[must_use]
    pub fn evaluate(&self, row: &Instance) -> bool {
        evaluate(&self.root, row, &self.origin)
    }

    /// Returns the result, if it is the same for every row.
    #[must_use]
    pub fn constant(&self) -> Option<bool> {
        if let Node::Constant(answer) = self.root { Some(answer) } else { None }
    }

    /// Returns the columns that the condition reads; they must be filled before a row is evaluated.
    #[must_use]
    pub fn columns(&self) -> &ColumnSet {
        &self.columns
    }
}

/// Evaluates a query of `meta_class` for a class.
///
/// # Errors
/// [`Error::Query`] for properties other than system properties and `__this`.
pub fn matches_class(select: &Select, class: &Class, origin: &Origin) -> Result<bool, Error> {
    let mut binder = Binder { class, origin, select, columns: ColumnSet::new(), of_classes: true };
    let Some(condition) = &select.condition else { return Ok(true) };
    Ok(matches!(binder.bind(condition)?, Node::Constant(true)))
}

/// Returns the column of a name, or a query error.
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
            // A member that does not exist is neither equal nor NULL.
            member(row.at(*column), members, origin).is_some_and(|value| match index {
                None => test.passes(&value),
                Some(index) => test.passes(value.elements().get(*index).unwrap_or(&Value::Null)),
            })
        }
    }
}

/// Returns the value behind a chain of names in an embedded instance; the last may be a system property.
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
    /// Set if the rows are classes.
    of_classes: bool,
}

impl Binder<'_> {
    /// Binds a condition; the parser limits the depth of recursion.
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
                self.test(property, |target| {
                    target.require_element()?;
                    match target.kind {
                        None | Some(Type { element: CimType::String, .. }) => Ok((Test::Like(pattern), None)),
                        Some(_) => Err(target.operator()),
                    }
                })?
            }
            Condition::Isa { property: None, class } => Node::Constant(self.class.is_a(class.as_str())),
            Condition::Isa { property: Some(property), class } => self.test(property, |target| {
                target.require_element()?;
                match target.kind {
                    None | Some(Type { element: CimType::Object(_), .. }) => {
                        Ok((Test::Isa(class.clone()), None))
                    }
                    Some(_) => Err(target.error(Reason::NotAnObject(target.path.to_string()))),
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
        self.test(property, |target| {
            target.require_element()?;
            let Some(kind) = target.kind else {
                return Ok((Test::Untyped { operator, constant: constant.clone(), offset }, None));
            };
            let kind = &kind.element;
            if !is_allowed(operator, kind) {
                return Err(target.operator());
            }
            let operand = Operand::of(constant, kind, offset).ok_or_else(|| QueryError {
                reason: Reason::Constant {
                    name: target.path.to_string(),
                    kind: kind.to_string(),
                    found: crate::name::excerpt(&constant.to_string()),
                },
                span,
            })?;
            let pin = if operator == Operator::Equal { operand.value(kind) } else { None };
            Ok((Test::Compare(operator, operand), pin))
        })
    }

    /// Resolves the property of a path and creates a node for its test.
    fn test(
        &mut self,
        path: &PropertyPath,
        make: impl FnOnce(&Target<'_>) -> Result<(Test, Option<Value>), QueryError>,
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
        let (test, pin) = make(&Target { path, kind })?;
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
        make: impl FnOnce(&Target<'_>) -> Result<(Test, Option<Value>), QueryError>,
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
        let (test, _) = make(&Target { path, kind: Some(&kind) })?;
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

/// The property of a test.
struct Target<'a> {
    path: &'a PropertyPath,
    /// The type; `None` for members of embedded instances, whose class is not known.
    kind: Option<&'a Type>,
}

impl Target<'_> {
    /// Rejects a whole array, and an index on a property that is not an array.
    fn require_element(&self) -> Result<(), QueryError> {
        match (self.kind, self.path.index) {
            (Some(kind), None) if kind.is_array() => Err(self.error(Reason::Array(self.path.to_string()))),
            (Some(kind), Some(_)) if !kind.is_array() => {
                Err(self.error(Reason::NotAnArray(self.path.to_string())))
            }
            _ => Ok(()),
        }
    }

    fn operator(&self) -> QueryError {
        let kind = self.kind.map(ToString::to_string).unwrap_or_default();
        self.error(Reason::Operator { name: self.path.to_string(), kind })
    }

    fn error(&self, reason: Reason) -> QueryError {
        QueryError { reason, span: self.path.span }
    }
}

/// Joins nodes; a constant equal to `decisive` is the result, other constants are dropped.
fn joined(nodes: Vec<Node>, decisive: bool, join: fn(Vec<Node>) -> Node) -> Node {
    let mut rest = Vec::new();
    for node in nodes {
        match node {
            Node::Constant(answer) if answer == decisive => return Node::Constant(decisive),
            Node::Constant(_) => {}
            node => rest.push(node),
        }
    }
    match (rest.pop(), rest.is_empty()) {
        (None, _) => Node::Constant(!decisive),
        (Some(only), true) => only,
        (Some(last), false) => {
            rest.push(last);
            join(rest)
        }
    }
}
