//! `telarch wmi describe`: what a class is.

use cim::{Class, Method, Parameter, Property, Qualifiers as Said, Type, Value};
use cli::format::harmless;
use serde_json::{Value as Json, json};

use super::arguments::Qualifiers;
use super::print::Format;
use super::row;
use cli_command::Failure;

pub(super) fn described(
    class: &Class,
    qualifiers: Qualifiers,
    format: Option<Format>,
) -> Result<String, Failure> {
    match format {
        // Another machine may describe its classes in words that would steer the terminal.
        None | Some(Format::List | Format::Table) => Ok(harmless(&text(class, qualifiers))),
        Some(Format::Json) => Ok(format!("{:#}\n", object(class, qualifiers))),
        Some(Format::Csv) => {
            Err(Failure::usage("wmi: a class is no table", "--format json describes it for programs"))
        }
    }
}

fn text(class: &Class, shown: Qualifiers) -> String {
    let above: Vec<String> = class.derivation().map(|class| class.name().to_string()).collect();
    let mut text = format!("{}", class.name());
    if !above.is_empty() {
        text += &format!(" : {}", above.join(" : "));
    }
    text.push('\n');
    let kinds = [
        (class.is_abstract(), "abstract"),
        (class.is_association(), "association"),
        (class.is_singleton(), "singleton"),
    ];
    let kinds: Vec<&str> = kinds.into_iter().filter(|(is_it, _)| *is_it).map(|(_, kind)| kind).collect();
    if !kinds.is_empty() {
        text += &format!("  {}\n", kinds.join(", "));
    }
    if let Some(description) = class.qualifiers().text("Description") {
        text += &format!("  {description}\n");
    }
    said(&mut text, class.qualifiers(), shown, "  ");
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
        said(&mut text, &property.qualifiers, shown, "      ");
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
        said(&mut text, &method.qualifiers, shown, "      ");
        for parameter in &method.parameters {
            if shown == Qualifiers::Shown && !parameter.qualifiers.is_empty() {
                text += &format!("      {}\n", parameter.name);
                said(&mut text, &parameter.qualifiers, shown, "          ");
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
    let way = match (parameter.is_in(), parameter.is_out()) {
        (true, true) => "in out ",
        (false, true) => "out ",
        _ => "",
    };
    format!("{way}{} {}", kind(&parameter.kind), parameter.name)
}

/// A type as MOF writes it; that of references and instances is their class.
fn kind(kind: &Type) -> String {
    kind.to_string()
}

fn said(text: &mut String, qualifiers: &Said, shown: Qualifiers, indent: &str) {
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
    let qualifiers = |qualifiers: &Said| match shown {
        Qualifiers::Hidden => Json::Null,
        Qualifiers::Shown => {
            Json::Object(qualifiers.iter().map(|own| (own.name.to_string(), row::json(&own.value))).collect())
        }
    };
    let property = |own: &Property| {
        json!({
            "name": own.name.to_string(),
            "type": kind(&own.kind),
            "key": own.is_key(),
            "write": own.is_writable(),
            "default": row::json(&own.default),
            "origin": own.origin.to_string(),
            "qualifiers": qualifiers(&own.qualifiers),
        })
    };
    let parameter = |own: &Parameter| {
        json!({
            "name": own.name.to_string(),
            "type": kind(&own.kind),
            "in": own.is_in(),
            "out": own.is_out(),
            "qualifiers": qualifiers(&own.qualifiers),
        })
    };
    let method = |own: &Method| {
        json!({
            "name": own.name.to_string(),
            "returns": own.returns.as_ref().map(kind),
            "static": own.is_static(),
            "parameters": own.parameters.iter().map(parameter).collect::<Vec<_>>(),
            "qualifiers": qualifiers(&own.qualifiers),
        })
    };
    json!({
        "class": class.name().to_string(),
        "derivation": class.derivation().map(|class| class.name().to_string()).collect::<Vec<_>>(),
        "abstract": class.is_abstract(),
        "association": class.is_association(),
        "singleton": class.is_singleton(),
        "qualifiers": qualifiers(class.qualifiers()),
        "properties": class.properties().iter().map(property).collect::<Vec<_>>(),
        "methods": class.methods().iter().map(|own| method(&own.method)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use cim::{Namespace, Schema};

    use super::*;

    #[test]
    fn what_is_said_of_a_class_does_not_steer_the_terminal() {
        let text = "[Description(\"a\\x1b[2Jb\")] class Site_Room { [Key] string Name; };";
        let mut schema = Schema::of(Namespace::cimv2());
        for item in cim::mof::parse(text).expect("MOF") {
            let cim::mof::Item::Class(declaration) = item else { panic!("{item:?}") };
            schema.add(&declaration).expect("a class");
        }
        let class = schema.class("Site_Room").expect("it is there");
        let told = described(&class, Qualifiers::Shown, None).expect("a text");
        assert!(told.contains("a\u{FFFD}[2Jb") && !told.contains('\x1b'), "{told}");
    }
}
