//! Qualifier declarations of a text, applied to the classes that follow (DSP0004 5.1.2.7).

use std::collections::HashMap;

use cim::mof::{Literal, QualifierDeclaration};
use cim::{CimType, ClassDeclaration, Flavors, Name, Qualifier, Qualifiers, Value};

use crate::Problem;

/// Returns the class with the flavors, types and defaults of the declared qualifiers.
pub(super) fn declared(
    class: &ClassDeclaration,
    known: &HashMap<Name, QualifierDeclaration>,
) -> Result<ClassDeclaration, Problem> {
    if known.is_empty() {
        return Ok(class.clone());
    }
    let mut class = class.clone();
    apply(&mut class.qualifiers, known)?;
    for property in &mut class.properties {
        apply(&mut property.qualifiers, known)?;
    }
    for method in &mut class.methods {
        apply(&mut method.qualifiers, known)?;
        for parameter in &mut method.parameters {
            apply(&mut parameter.qualifiers, known)?;
        }
    }
    Ok(class)
}

/// Applies the declarations to a list of qualifiers.
fn apply(qualifiers: &mut Qualifiers, known: &HashMap<Name, QualifierDeclaration>) -> Result<(), Problem> {
    *qualifiers =
        qualifiers.iter().map(|own| one(own, known.get(&own.name))).collect::<Result<Qualifiers, _>>()?;
    Ok(())
}

fn one(own: &Qualifier, declaration: Option<&QualifierDeclaration>) -> Result<Qualifier, Problem> {
    let Some(declaration) = declaration else { return Ok(own.clone()) };
    let is_bare = own.value == Value::Boolean(true) && declaration.kind.element != CimType::Boolean;
    let value = if is_bare {
        declaration.default.clone()
    } else {
        Literal::of(&own.value).typed(&declaration.kind)?
    };
    // Flavors given with the qualifier itself override those of the declaration.
    let flavors = if own.flavors == Flavors::of(&own.name) { declaration.flavors } else { own.flavors };
    Ok(Qualifier { value: plain(value), flavors, ..own.clone() })
}

/// Converts a value to the types of WMI qualifiers, which are those of MOF literals: numbers have no declared
/// width.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.into_iter().map(plain).collect()),
        Value::Real32(number) => Value::Real64(f64::from(number)),
        Value::Char16(unit) => Value::Char16(unit),
        value => match value.as_integer() {
            Some(number) => [CimType::Sint32, CimType::Sint64, CimType::Uint64]
                .iter()
                .find_map(|kind| kind.integer(number).ok())
                .unwrap_or(value),
            None => value,
        },
    }
}
