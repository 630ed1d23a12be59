//! Derivation of a class from its declaration and its superclass.

use std::sync::Arc;

use super::{Class, ClassDeclaration, Method, Operation, Order, Parameter, Property, require_unique};
use crate::{CimType, Column, Error, Name, Qualifier, Qualifiers, Status, Type, Value};

pub(super) fn derive(declaration: &ClassDeclaration, parent: Option<&Arc<Class>>) -> Result<Class, Error> {
    let class = &declaration.name;
    if parent.map(|parent| &parent.name) != declaration.superclass.as_ref() {
        return Err(class_error(class, "the superclass is missing", Status::InvalidSuperclass));
    }
    if parent.is_some_and(|parent| parent.derivation().count() + 1 >= Class::MAX_DEPTH) {
        return Err(Error::TooMuch { what: "levels of superclasses", limit: Class::MAX_DEPTH });
    }
    let qualifiers =
        inherit(class, "the class", &declaration.qualifiers, parent.map(|parent| &parent.qualifiers))?;
    let properties = properties(declaration, parent)?;
    let keys: Box<[Column]> = properties
        .iter()
        .enumerate()
        .filter(|(_, property)| property.is_key())
        .filter_map(|(at, _)| Column::new(at))
        .collect();
    if let Some(parent) = parent
        && !parent.keys.is_empty()
        && parent.keys.len() != keys.len()
    {
        let problem = format!("the keys must be those of {}: {}", parent.name, parent.keys_in_words());
        return Err(class_error(class, problem, Status::CannotChangeKeyInheritance));
    }
    if qualifiers.says("Singleton") && !keys.is_empty() {
        return Err(class_error(class, "a singleton must not have keys", Status::CannotBeSingleton));
    }
    Ok(Class {
        methods: methods(declaration, parent)?,
        name: class.clone(),
        parent: parent.cloned(),
        qualifiers,
        properties,
        order: Order::ByName,
        keys,
    })
}

fn properties(declaration: &ClassDeclaration, parent: Option<&Arc<Class>>) -> Result<Box<[Property]>, Error> {
    let class = &declaration.name;
    require_unique(class, "property", declaration.properties.iter().map(|property| &property.name))?;
    let inherited = parent.map_or(&[][..], |parent| &parent.properties);
    let mut all: Vec<Property> =
        inherited.iter().map(|property| Property { propagated: true, ..property.clone() }).collect();
    for own in &declaration.properties {
        let name = &own.name;
        own.kind.require(format_args!("the property {name} of {class}"), &own.default)?;
        if own.is_key()
            && (own.kind.is_array()
                || matches!(own.kind.element, CimType::Object(_) | CimType::Real32 | CimType::Real64))
        {
            let kind = match &own.kind.element {
                // A misspelt type is parsed as the name of a class.
                CimType::Object(Some(class)) => format!("{class}, which is not a simple type,"),
                _ => own.kind.to_string(),
            };
            let problem = format!(
                "{name} of type {kind} cannot be a key\n  keys are scalar integers, booleans, characters, texts, times or references"
            );
            return Err(class_error(class, problem, Status::CannotBeKey));
        }
        let Some(known) = all.iter_mut().find(|known| known.name == *name) else {
            all.push(Property { origin: class.clone(), propagated: false, ..own.clone() });
            continue;
        };
        if !narrows(&own.kind, &known.kind) {
            let problem = format!(
                "{name} has type {} in {} and cannot be redeclared as {}",
                known.kind, known.origin, own.kind
            );
            return Err(class_error(class, problem, Status::UpdateTypeMismatch));
        }
        let default = if own.default.is_null() { known.default.clone() } else { own.default.clone() };
        *known = Property {
            name: name.clone(),
            kind: own.kind.clone(),
            qualifiers: inherit(class, name.as_str(), &own.qualifiers, Some(&known.qualifiers))?,
            default,
            origin: known.origin.clone(),
            propagated: false,
        };
    }
    if all.len() > Class::MAX_PROPERTIES {
        return Err(Error::TooMuch { what: "properties of a class", limit: Class::MAX_PROPERTIES });
    }
    all.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(all.into())
}

/// Returns whether a redeclared type is the same, apart from the class of references and embedded instances.
///
/// That class may become a subclass; the class hierarchy is not available here.
fn narrows(own: &Type, known: &Type) -> bool {
    let same_element = match (&own.element, &known.element) {
        (CimType::Reference(_), CimType::Reference(_)) | (CimType::Object(_), CimType::Object(_)) => true,
        (own, known) => own == known,
    };
    own.shape == known.shape && same_element
}

fn methods(declaration: &ClassDeclaration, parent: Option<&Arc<Class>>) -> Result<Box<[Operation]>, Error> {
    let class = &declaration.name;
    require_unique(class, "method", declaration.methods.iter().map(|method| &method.name))?;
    let mut all: Vec<Operation> = Vec::new();
    for inherited in parent.map_or(&[][..], |parent| &parent.methods) {
        let method = Arc::new(Method { propagated: true, ..inherited.method.as_ref().clone() });
        all.push(Operation { method, ..inherited.clone() });
    }
    for own in &declaration.methods {
        require_unique(class, "parameter", own.parameters.iter().map(|parameter| &parameter.name))?;
        let at = all.iter().position(|known| known.method.name == own.name);
        let known = at.and_then(|at| all.get(at)).map(|known| known.method.clone());
        let mut method = Method { origin: class.clone(), propagated: false, ..own.clone() };
        if let Some(known) = known {
            if !same_signature(own, &known) {
                return Err(Error::Class {
                    class: class.clone(),
                    problem: format!("{} has a different signature in {}", own.name, known.origin),
                    status: Status::UpdatePropagatedMethod,
                });
            }
            method.qualifiers = inherit(class, own.name.as_str(), &own.qualifiers, Some(&known.qualifiers))?;
            method.origin = known.origin.clone();
        }
        let operation = operation(method)?;
        match at.and_then(|at| all.get_mut(at)) {
            Some(slot) => *slot = operation,
            None => all.push(operation),
        }
    }
    if all.len() > Class::MAX_METHODS {
        return Err(Error::TooMuch { what: "methods of a class", limit: Class::MAX_METHODS });
    }
    all.sort_by(|left, right| left.method.name.cmp(&right.method.name));
    Ok(all.into())
}

fn same_signature(own: &Method, known: &Method) -> bool {
    own.returns == known.returns
        && own.parameters.len() == known.parameters.len()
        && own.parameters.iter().zip(&known.parameters).all(|(own, known)| same_parameter(own, known))
}

fn same_parameter(own: &Parameter, known: &Parameter) -> bool {
    own.name == known.name
        && own.kind == known.kind
        && own.is_in() == known.is_in()
        && own.is_out() == known.is_out()
}

fn operation(method: Method) -> Result<Operation, Error> {
    let mut ordered: Vec<&Parameter> = method.parameters.iter().collect();
    // Parameters without an ID keep the order of their declaration.
    ordered.sort_by_key(|parameter| parameter_id(parameter));
    let input = ordered.iter().filter(|parameter| parameter.is_in());
    let input = input.map(|parameter| parameter_property(parameter, &method.origin)).collect();
    let output = ordered.iter().filter(|parameter| parameter.is_out());
    let mut output: Vec<_> = output.map(|parameter| parameter_property(parameter, &method.origin)).collect();
    if let Some(kind) = &method.returns {
        output.push(Property {
            name: Name::parse("ReturnValue")?,
            kind: kind.clone(),
            qualifiers: Qualifiers::from_iter([Qualifier::new(Name::parse("Out")?, Value::Boolean(true))]),
            default: Value::Null,
            origin: method.origin.clone(),
            propagated: false,
        });
    }
    let input = parameter_class(&method.origin, input)?;
    let output = parameter_class(&method.origin, output)?;
    Ok(Operation { method: Arc::new(method), input, output })
}

fn parameter_id(parameter: &Parameter) -> i128 {
    let id = parameter.qualifiers.find("ID").and_then(|qualifier| qualifier.value.as_integer());
    id.unwrap_or(i128::MAX)
}

fn parameter_property(parameter: &Parameter, origin: &Name) -> Property {
    Property {
        name: parameter.name.clone(),
        kind: parameter.kind.clone(),
        qualifiers: parameter.qualifiers.clone(),
        default: parameter.default.clone(),
        origin: origin.clone(),
        propagated: false,
    }
}

fn parameter_class(origin: &Name, properties: Vec<Property>) -> Result<Arc<Class>, Error> {
    require_unique(origin, "parameter", properties.iter().map(|property| &property.name))?;
    for property in &properties {
        property.kind.require(&property.name, &property.default)?;
    }
    Ok(Arc::new(Class {
        name: Name::parse("__PARAMETERS")?,
        parent: None,
        qualifiers: Qualifiers::new(),
        properties: properties.into(),
        order: Order::AsDeclared,
        keys: Box::default(),
        methods: Box::default(),
    }))
}

fn class_error(class: &Name, problem: impl Into<String>, status: Status) -> Error {
    Error::Class { class: class.clone(), problem: problem.into(), status }
}

fn inherit(
    class: &Name,
    what: &str,
    own: &Qualifiers,
    above: Option<&Qualifiers>,
) -> Result<Qualifiers, Error> {
    let Some(above) = above else { return Ok(own.clone()) };
    own.inherit(above).map_err(|qualifier| Error::Class {
        class: class.clone(),
        problem: format!("{what}: the qualifier {qualifier} must not be overridden"),
        status: Status::OverrideNotAllowed,
    })
}
