//! Filters of enumerations: every supported dialect is converted to a query (DSP0226 8.2.3; DSP0227 16).

use cim::wql::{
    self, Associators, Columns, Condition, Constant, Detail, Operator, PropertyPath, Query, References,
    Select, Span,
};
use cim::{Name, ObjectPath};
use wmi::Engine;
use wsman::enumeration::{EnumerationMode, Filter, PolymorphismMode};
use wsman::namespace::{DIALECT_ASSOCIATION, DIALECT_SELECTOR, DIALECT_WQL, DIALECT_XPATH};
use wsman::{AssociationFilter, AssociationResult, SelectorSet, SelectorValue};

use crate::error::WmiError;
use crate::fragment::Part;
use crate::target::RequestTarget;

/// A query with further restrictions.
#[derive(Debug)]
pub(crate) struct InstanceQuery {
    pub(crate) query: Query,
    /// Selected properties of associated instances; empty for all.
    pub(crate) properties: Vec<Name>,
    /// Text of the query; `None` if only a class is given.
    pub(crate) text: Option<String>,
    /// Only instances that contain this part.
    pub(crate) part: Option<Part>,
}

impl InstanceQuery {
    /// Returns the query for all instances of a class.
    pub(crate) fn every(class: &Name) -> Self {
        Self::of(Query::Select(select(class, None)), None)
    }

    /// Converts a filter.
    pub(crate) fn read(engine: &Engine, target: &RequestTarget, filter: &Filter) -> Result<Self, WmiError> {
        let dialects = [DIALECT_WQL, DIALECT_SELECTOR, DIALECT_XPATH, DIALECT_ASSOCIATION];
        match dialects.into_iter().find(|dialect| filter.dialect.eq_ignore_ascii_case(dialect)) {
            Some(DIALECT_WQL) => Ok(Self::of(wql::parse(&filter.text)?, Some(filter.text.clone()))),
            Some(DIALECT_SELECTOR) => {
                let condition = equal_to(&filter.selectors)?;
                Ok(Self::of(Query::Select(select(target.class()?, condition)), None))
            }
            Some(DIALECT_XPATH) if filter.text.is_empty() => {
                Err(WmiError::Filter("the filter is empty\n  write the name of a property"))
            }
            Some(DIALECT_XPATH) => {
                let part = Some(Part::parse(&filter.text)?);
                Ok(Self { part, ..Self::every(target.class()?) })
            }
            Some(_) => match &filter.association {
                Some(association) => of_association(engine, target, association),
                None => Err(WmiError::Filter(
                    "the association filter must contain AssociatedInstances or AssociationInstances",
                )),
            },
            None => Err(WmiError::FilterDialect(filter.dialect.chars().take(200).collect())),
        }
    }

    fn of(query: Query, text: Option<String>) -> Self {
        Self { query, properties: Vec::new(), text, part: None }
    }

    /// Restricts the query to keys if only references are requested.
    pub(crate) fn for_mode(mut self, mode: EnumerationMode) -> Self {
        // The part may be a property of subclasses only, which the query cannot name.
        if mode != EnumerationMode::Reference || self.part.is_some() {
            return self;
        }
        match &mut self.query {
            // Keys are always returned; selecting the class name costs nothing.
            Query::Select(select) if !select.is_of_classes() && select.columns == Columns::All => {
                select.columns = Columns::Some(class_name().into_iter().collect());
            }
            Query::Select(_) | Query::References(_) => {}
            Query::Associators(associators) => associators.detail.keys_only = true,
        }
        self
    }

    /// Adapts the query to the requested handling of subclasses.
    pub(crate) fn for_polymorphism(mut self, mode: PolymorphismMode) -> Self {
        let (PolymorphismMode::None, Query::Select(select)) = (mode, &mut self.query) else { return self };
        if select.is_of_classes() {
            return self;
        }
        if let Some(property) = class_name() {
            let own = equals(property, Constant::Text(select.from.as_str().to_owned()));
            let condition = select.condition.take();
            select.condition = Some(Condition::And(condition.into_iter().chain([own]).collect()));
        }
        self
    }
}

/// Returns the query for instances or associations related to an instance.
fn of_association(
    engine: &Engine,
    target: &RequestTarget,
    filter: &AssociationFilter,
) -> Result<InstanceQuery, WmiError> {
    let source = RequestTarget::read(engine, &filter.object.resource, &filter.object.selectors)?;
    if source.namespace != target.namespace {
        return Err(WmiError::TwoNamespaces { named: target.namespace.clone(), selected: source.namespace });
    }
    let source: ObjectPath = source.path()?;
    let (role, result_class) = (optional_name(&filter.role)?, optional_name(&filter.result_class)?);
    let association_class = optional_name(&filter.association_class)?;
    let detail = Detail::default();
    let query = match filter.result {
        AssociationResult::Instances => Query::Associators(Associators {
            source,
            association_class,
            required_association_qualifier: None,
            required_qualifier: None,
            result_class,
            result_role: optional_name(&filter.result_role)?,
            role,
            detail,
        }),
        AssociationResult::Associations => Query::References(References {
            source,
            required_qualifier: None,
            result_class: result_class.or(association_class),
            role,
            detail,
        }),
    };
    let properties = filter.properties.iter().map(|name| Name::parse(name)).collect::<Result<_, _>>()?;
    Ok(InstanceQuery { query, properties, text: None, part: None })
}

fn optional_name(name: &Option<String>) -> Result<Option<Name>, cim::Error> {
    name.as_deref().map(Name::parse).transpose()
}

/// Returns the condition that properties have the values of selectors.
fn equal_to(selectors: &SelectorSet) -> Result<Option<Condition>, WmiError> {
    if selectors.is_empty() {
        return Err(WmiError::Filter("the selector filter is empty; add a selector"));
    }
    Ok(Some(Condition::And(selectors.iter().map(equal_to_selector).collect::<Result<_, _>>()?)))
}

fn equal_to_selector(selector: &wsman::Selector) -> Result<Condition, WmiError> {
    let constant = match &selector.value {
        SelectorValue::Text(text) => Constant::Text(text.clone()),
        SelectorValue::Reference(_) => {
            return Err(WmiError::Filter("a selector filter supports text values only; use WQL for others"));
        }
    };
    Ok(equals(property(Name::parse(&selector.name)?), constant))
}

fn select(class: &Name, condition: Option<Condition>) -> Select {
    Select {
        columns: Columns::All,
        from: class.clone(),
        from_span: Span::default(),
        within: None,
        condition,
        group: None,
    }
}

fn equals(property: PropertyPath, constant: Constant) -> Condition {
    Condition::Compare { property, operator: Operator::Equal, constant, span: Span::default() }
}

fn class_name() -> Option<PropertyPath> {
    Name::parse("__CLASS").ok().map(property)
}

fn property(name: Name) -> PropertyPath {
    PropertyPath { parts: vec![name], index: None, span: Span::default() }
}
