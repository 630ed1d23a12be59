//! `telarch wmi describe`: the definition of a class.

use cim::{Class, Method, Parameter, Property, Qualifiers as CimQualifiers, Type, Value};
use cli::format::harmless;
use serde_json::{Value as Json, json};

use super::arguments::Qualifiers;
use super::row;
use cli_command::Failure;
use cli_command::format::Format;

/// Describes a class as text or JSON.
pub(super) fn describe(
    class: &Class,
    qualifiers: Qualifiers,
    format: Option<Format>,
) -> Result<String, Failure> {
    match format {
        Some(Format::Json) => Ok(format!("{:#}\n", object(class, qualifiers))),
        Some(Format::Csv) => {
            Err(Failure::usage("wmi: describe does not support --format csv", "use --format json"))
        }
        // Descriptions of other machines may contain control characters.
        _ => Ok(harmless(&text(class, qualifiers))),
    }
}

fn text(class: &Class, shown: Qualifiers) -> String {
    let superclasses: Vec<String> = class.derivation().map(|class| class.name().to_string()).collect();
    let mut text = format!("{}", class.name());
    if !superclasses.is_empty() {
        text += &format!(" : {}", superclasses.join(" : "));
    }
    text.push('\n');
    let kinds = [
        (class.is_abstract(), "abstract"),
        (class.is_association(), "association"),
        (class.is_singleton(), "singleton"),
    ];
    let kinds: Vec<&str> = kinds.into_iter().filter(|(applies, _)| *applies).map(|(_, kind)| kind).collect();
    if !kinds.is_empty() {
        text += &format!("  {}\n", kinds.join(", "));
    }
    if let Some(description) = class.qualifiers().text("Description") {
        text += &format!("  {description}\n");
    }
    add_qualifiers(&mut text, class.qualifiers(), shown, "  ");
    if !class.properties().is_empty() {
        text += "\nProperties:\n";
    }
    let name_width = class.properties().iter().map(|own| own.name.as_str().len()).max().unwrap_or_default();
    let type_width = class.properties().iter().map(|own| kind(&own.kind).len()).max().unwrap_or_default();
    for property in class.properties() {
        let marks = marks(property);
        let line = format!(
            "  {:name_width$}  {:type_width$}  {marks}",
            property.name.as_str(),
            kind(&property.kind)
        );
        text += line.trim_end();
        text.push('\n');
        add_qualifiers(&mut text, &property.qualifiers, shown, "      ");
    }
    if !class.methods().is_empty() {
        text += "\nMethods:\n";
    }
    for operation in class.methods() {
        let method = &operation.method;
        let parameters: Vec<String> = method.parameters.iter().map(parameter).collect();
        let returns = method.returns.as_ref().map_or_else(|| "void".to_owned(), kind);
        let of_class = if method.is_static() { "  static" } else { "" };
        text += &format!("  {returns} {}({}){of_class}\n", method.name, parameters.join(", "));
        add_qualifiers(&mut text, &method.qualifiers, shown, "      ");
        for parameter in &method.parameters {
            if shown == Qualifiers::Shown && !parameter.qualifiers.is_empty() {
                text += &format!("      {}\n", parameter.name);
                add_qualifiers(&mut text, &parameter.qualifiers, shown, "          ");
            }
        }
    }
    text
}

fn marks(property: &Property) -> String {
    let mut marks = Vec::new();
    if property.is_key() {
        marks.push("key".to_owned());
    }
    if property.is_writable() {
        marks.push("write".to_owned());
    }
    if !property.default.is_null() {
        marks.push(format!("= {}", row::json(&property.default)));
    }
    marks.join(", ")
}

fn parameter(parameter: &Parameter) -> String {
    let direction = match (parameter.is_in(), parameter.is_out()) {
        (true, true) => "in out ",
        (false, true) => "out ",
        _ => "",
    };
    format!("{direction}{} {}", kind(&parameter.kind), parameter.name)
}

/// Formats a type as in MOF; references and embedded instances are their class.
fn kind(kind: &Type) -> String {
    kind.to_string()
}

fn add_qualifiers(text: &mut String, qualifiers: &CimQualifiers, shown: Qualifiers, indent: &str) {
    if shown == Qualifiers::Hidden {
        return;
    }
    for qualifier in qualifiers.iter() {
        let value = match &qualifier.value {
            Value::Boolean(true) => String::new(),
            value => format!(" = {}", row::cell(&row::json(value))),
        };
        text.push_str(&format!("{indent}[{}]{value}\n", qualifier.name));
    }
}

fn object(class: &Class, shown: Qualifiers) -> Json {
    let properties = class.properties().iter().map(|property| property_object(property, shown));
    let methods = class.methods().iter().map(|operation| method_object(&operation.method, shown));
    json!({
        "class": class.name().to_string(),
        "derivation": class.derivation().map(|class| class.name().to_string()).collect::<Vec<_>>(),
        "abstract": class.is_abstract(),
        "association": class.is_association(),
        "singleton": class.is_singleton(),
        "qualifiers": qualifiers_object(class.qualifiers(), shown),
        "properties": properties.collect::<Vec<_>>(),
        "methods": methods.collect::<Vec<_>>(),
    })
}

fn property_object(property: &Property, shown: Qualifiers) -> Json {
    json!({
        "name": property.name.to_string(),
        "type": kind(&property.kind),
        "key": property.is_key(),
        "write": property.is_writable(),
        "default": row::json(&property.default),
        "origin": property.origin.to_string(),
        "qualifiers": qualifiers_object(&property.qualifiers, shown),
    })
}

fn method_object(method: &Method, shown: Qualifiers) -> Json {
    let parameters = method.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name.to_string(),
            "type": kind(&parameter.kind),
            "in": parameter.is_in(),
            "out": parameter.is_out(),
            "qualifiers": qualifiers_object(&parameter.qualifiers, shown),
        })
    });
    json!({
        "name": method.name.to_string(),
        "returns": method.returns.as_ref().map(kind),
        "static": method.is_static(),
        "parameters": parameters.collect::<Vec<_>>(),
        "qualifiers": qualifiers_object(&method.qualifiers, shown),
    })
}

fn qualifiers_object(qualifiers: &CimQualifiers, shown: Qualifiers) -> Json {
    match shown {
        Qualifiers::Hidden => Json::Null,
        Qualifiers::Shown => {
            Json::Object(qualifiers.iter().map(|own| (own.name.to_string(), row::json(&own.value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use cim::{Namespace, Schema};

    use super::*;

    #[test]
    fn control_characters_in_descriptions_are_escaped() {
        let text = "[Description(\"a\\x1b[2Jb\")] class Site_Room { [Key] string Name; };";
        let mut schema = Schema::of(Namespace::cimv2());
        for item in cim::mof::parse(text).expect("MOF") {
            let cim::mof::Item::Class(declaration) = item else { panic!("{item:?}") };
            schema.add(&declaration).expect("a class");
        }
        let class = schema.class("Site_Room").expect("the class");
        let text = describe(&class, Qualifiers::Shown, None).expect("a text");
        assert!(text.contains("a\u{FFFD}[2Jb") && !text.contains('\x1b'), "{text}");
    }
}
