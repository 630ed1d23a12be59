//! Qualifiers of built-in classes, apart from those in their declarations.
//!
//! Documented ones, such as value tables and units, are a MOF text of their own, so that declarations stay short; others
//! follow from the declaration.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Class, ClassDeclaration, Name, Property, Qualifier, Qualifiers, Value, mof};

/// Qualifiers by class, as MOF texts that are parsed on first use.
#[derive(Debug, Default)]
pub(super) struct QualifierTexts(HashMap<Name, &'static str>);

impl QualifierTexts {
    /// Indexes declarations that consist of qualifiers, each of which ends with a line `};`.
    pub(super) fn index(text: &'static str) -> Self {
        let entries = text.split_inclusive("\n};\n");
        Self(entries.filter_map(|text| Some((index_entry(text)?.0, text))).collect())
    }

    /// Adds the documented qualifiers of a class. An inherited property with qualifiers of its own is redeclared.
    pub(super) fn add_to(&self, declaration: &mut ClassDeclaration, parent: Option<&Arc<Class>>) {
        let text = self.0.get(&declaration.name).and_then(|text| mof::parse(text).ok());
        let Some([mof::Item::Class(documented)]) = text.as_deref() else { return };
        merge(&mut declaration.qualifiers, &documented.qualifiers);
        for property in &documented.properties {
            let is_declared = declaration.properties.iter().any(|own| own.name == property.name);
            if !is_declared && parent.is_some_and(|parent| parent.column(property.name.as_str()).is_some()) {
                declaration.properties.push(Property { qualifiers: Qualifiers::new(), ..property.clone() });
            }
        }
        for property in &mut declaration.properties {
            let documented = documented.properties.iter().find(|other| other.name == property.name);
            if let Some(documented) = documented {
                merge(&mut property.qualifiers, &documented.qualifiers);
            }
        }
        for method in &mut declaration.methods {
            if let Some(documented) = documented.methods.iter().find(|other| other.name == method.name) {
                merge(&mut method.qualifiers, &documented.qualifiers);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = &'static str> {
        self.0.values().copied()
    }
}

/// Returns the class and the superclass of a declaration.
pub(super) fn index_entry(declaration: &str) -> Option<(Name, Option<Name>)> {
    let mut words = declaration.lines().find_map(|line| line.strip_prefix("class "))?.split_whitespace();
    let name = Name::parse(words.next()?).ok()?;
    let superclass = match words.next()? {
        ":" => Some(Name::parse(words.next()?).ok()?),
        _ => None,
    };
    Some((name, superclass))
}

/// Adds qualifiers that follow from a declaration: `Read` of all properties, `Override` of redeclared ones, `ID` of
/// parameters, and `Dynamic` with `Provider` of classes whose instances a provider serves.
pub(super) fn complete(
    declaration: &mut ClassDeclaration,
    parent: Option<&Arc<Class>>,
    provider: &'static str,
) {
    for property in &mut declaration.properties {
        add(&mut property.qualifiers, "Read", Value::Boolean(true));
        if parent.is_some_and(|parent| parent.column(property.name.as_str()).is_some()) {
            add(&mut property.qualifiers, "Override", text(property.name.as_str()));
        }
    }
    for method in &mut declaration.methods {
        for (id, parameter) in (0..).zip(&mut method.parameters) {
            add(&mut parameter.qualifiers, "ID", Value::Sint32(id));
        }
    }
    if has_instances(declaration, parent) {
        add(&mut declaration.qualifiers, "Dynamic", Value::Boolean(true));
        add(&mut declaration.qualifiers, "Provider", text(provider));
    }
}

/// Returns whether a class has instances that can be enumerated, unlike events and embedded objects.
fn has_instances(declaration: &ClassDeclaration, parent: Option<&Arc<Class>>) -> bool {
    let is_identified = declaration.properties.iter().any(Property::is_key)
        || declaration.qualifiers.says("Singleton")
        || parent.is_some_and(|parent| !parent.keys().is_empty() || parent.is_singleton());
    let is_of_system = parent.is_some_and(|parent| parent.dynasty().as_str().starts_with("__"));
    is_identified && !is_of_system && !declaration.qualifiers.says("Abstract")
}

/// Adds qualifiers that the declaration does not have.
fn merge(own: &mut Qualifiers, documented: &Qualifiers) {
    for qualifier in documented.iter() {
        if own.find(qualifier.name.as_str()).is_none() {
            own.set(qualifier.clone());
        }
    }
}

fn add(qualifiers: &mut Qualifiers, name: &str, value: Value) {
    if let Ok(name) = Name::parse(name)
        && qualifiers.find(name.as_str()).is_none()
    {
        qualifiers.set(Qualifier::new(name, value));
    }
}

fn text(text: &str) -> Value {
    Value::from(text.to_owned())
}
