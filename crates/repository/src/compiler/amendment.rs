//! Translations of qualifiers: `#pragma amendment("MS_409")`.

use cim::{ClassDeclaration, Name, Qualifiers};

use crate::Problem;

/// Returns a class with the qualifiers of an amendment, including those of properties, methods and
/// parameters.
///
/// Only one language is stored: that of the last amendment.
pub(super) fn amended(
    class: &ClassDeclaration,
    amendment: &ClassDeclaration,
) -> Result<ClassDeclaration, Problem> {
    let missing =
        |what: &str, name: &Name| Problem::Missing(format!("{what} {name} of {} to amend", class.name));
    let mut class = class.clone();
    merge(&mut class.qualifiers, &amendment.qualifiers);
    for said in &amendment.properties {
        let own = class.properties.iter_mut().find(|own| own.name == said.name);
        merge(&mut own.ok_or_else(|| missing("property", &said.name))?.qualifiers, &said.qualifiers);
    }
    for said in &amendment.methods {
        let own = class.methods.iter_mut().find(|own| own.name == said.name);
        let own = own.ok_or_else(|| missing("method", &said.name))?;
        merge(&mut own.qualifiers, &said.qualifiers);
        for said in &said.parameters {
            let own = own.parameters.iter_mut().find(|own| own.name == said.name);
            merge(&mut own.ok_or_else(|| missing("parameter", &said.name))?.qualifiers, &said.qualifiers);
        }
    }
    Ok(class)
}

fn merge(own: &mut Qualifiers, said: &Qualifiers) {
    for qualifier in said.iter() {
        // These qualifiers describe the amendment itself.
        if qualifier.name != *"Amendment" && qualifier.name != *"Locale" {
            own.set(qualifier.clone());
        }
    }
}
