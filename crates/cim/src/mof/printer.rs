//! Printer of MOF.

use std::fmt::Write as _;

use super::{InstanceDeclaration, Item, Literal, QualifierDeclaration};
use crate::{
    CimType, ClassDeclaration, Flavors, Method, Parameter, Propagation, Qualifiers, Shape, Type, Value,
};

pub(super) fn print(items: &[Item]) -> String {
    let mut out = String::new();
    for item in items {
        match item {
            Item::Pragma { name, arguments } => pragma(&mut out, name, arguments),
            Item::Qualifier(declaration) => qualifier_declaration(&mut out, declaration),
            Item::Class(declaration) => class(&mut out, declaration),
            Item::Instance(declaration) => {
                instance(&mut out, declaration, 0);
                out.push_str(";\n");
            }
        }
        out.push('\n');
    }
    out
}

fn pragma(out: &mut String, name: &str, arguments: &[String]) {
    push(out, format_args!("#pragma {name}"));
    for (at, argument) in arguments.iter().enumerate() {
        out.push_str(if at == 0 { "(" } else { ", " });
        text(out, argument);
    }
    out.push_str(if arguments.is_empty() { "\n" } else { ")\n" });
}

fn qualifier_declaration(out: &mut String, declaration: &QualifierDeclaration) {
    let QualifierDeclaration { name, kind, default, scope, flavors } = declaration;
    push(out, format_args!("Qualifier {name} : {}{}", kind.element.keyword(), brackets(kind)));
    out.push_str(" = ");
    literal(out, &Literal::of(default), 0);
    if !scope.is_empty() {
        push(out, format_args!(",\n    Scope({})", scope.join(", ")));
    }
    push(out, format_args!(",\n    Flavor({});\n", flavor_words(*flavors).join(", ")));
}

fn class(out: &mut String, declaration: &ClassDeclaration) {
    if !declaration.qualifiers.is_empty() {
        qualifiers(out, &declaration.qualifiers);
        out.push('\n');
    }
    push(out, format_args!("class {}", declaration.name));
    if let Some(superclass) = &declaration.superclass {
        push(out, format_args!(" : {superclass}"));
    }
    out.push_str(" {\n");
    for property in &declaration.properties {
        out.push_str("  ");
        qualifiers_before(out, &property.qualifiers);
        push(
            out,
            format_args!("{} {}{}", type_words(&property.kind), property.name, brackets(&property.kind)),
        );
        initial(out, &property.default);
        out.push_str(";\n");
    }
    for own in &declaration.methods {
        method(out, own);
    }
    out.push_str("};\n");
}

fn method(out: &mut String, method: &Method) {
    out.push_str("  ");
    qualifiers_before(out, &method.qualifiers);
    let returns = method.returns.as_ref().map_or_else(|| "void".to_owned(), type_words);
    push(out, format_args!("{returns} {}(", method.name));
    for (at, Parameter { name, kind, qualifiers, default }) in method.parameters.iter().enumerate() {
        out.push_str(if at == 0 { "\n    " } else { ",\n    " });
        qualifiers_before(out, qualifiers);
        push(out, format_args!("{} {name}{}", type_words(kind), brackets(kind)));
        initial(out, default);
    }
    out.push_str(");\n");
}

fn instance(out: &mut String, declaration: &InstanceDeclaration, depth: usize) {
    push(out, format_args!("instance of {}", declaration.class));
    if let Some(alias) = &declaration.alias {
        push(out, format_args!(" as ${alias}"));
    }
    out.push_str(" {\n");
    for (name, value) in &declaration.values {
        indent(out, depth + 1);
        push(out, format_args!("{name} = "));
        literal(out, value, depth + 1);
        out.push_str(";\n");
    }
    indent(out, depth);
    out.push('}');
}

fn initial(out: &mut String, default: &Value) {
    if !default.is_null() {
        out.push_str(" = ");
        literal(out, &Literal::of(default), 1);
    }
}

fn qualifiers_before(out: &mut String, all: &Qualifiers) {
    if !all.is_empty() {
        qualifiers(out, all);
        out.push(' ');
    }
}

fn qualifiers(out: &mut String, all: &Qualifiers) {
    for (at, qualifier) in all.iter().enumerate() {
        out.push_str(if at == 0 { "[" } else { ", " });
        out.push_str(qualifier.name.as_str());
        match &qualifier.value {
            Value::Boolean(true) => {}
            array @ Value::Array(_) => literal(out, &Literal::of(array), 0),
            value => {
                out.push('(');
                literal(out, &Literal::of(value), 0);
                out.push(')');
            }
        }
        if qualifier.flavors != Flavors::of(&qualifier.name) {
            push(out, format_args!(" : {}", flavor_words(qualifier.flavors).join(" ")));
        }
    }
    out.push(']');
}

fn flavor_words(flavors: Flavors) -> Vec<&'static str> {
    let mut words = match flavors.subclass {
        Propagation::Restricted => vec!["Restricted"],
        Propagation::Overridable => vec!["EnableOverride", "ToSubclass"],
        Propagation::Fixed => vec!["DisableOverride", "ToSubclass"],
    };
    words.extend(flavors.to_instance.then_some("ToInstance"));
    words.extend(flavors.translatable.then_some("Translatable"));
    words
}

/// Returns the type before a name. An embedded instance is a string with a qualifier, which all compilers accept.
fn type_words(kind: &Type) -> String {
    match &kind.element {
        CimType::Reference(class) => {
            format!("{} REF", class.as_ref().map_or("object", |class| class.as_str()))
        }
        CimType::Object(_) => "string".to_owned(),
        plain => plain.keyword().to_owned(),
    }
}

fn brackets(kind: &Type) -> String {
    match kind.shape {
        Shape::Scalar => String::new(),
        Shape::Array => "[]".to_owned(),
        Shape::FixedArray(size) => format!("[{size}]"),
    }
}

fn literal(out: &mut String, value: &Literal, depth: usize) {
    match value {
        Literal::Null => out.push_str("NULL"),
        Literal::Boolean(true) => out.push_str("TRUE"),
        Literal::Boolean(false) => out.push_str("FALSE"),
        Literal::Integer(number) => push(out, format_args!("{number}")),
        Literal::Real(number) => real(out, *number),
        Literal::Character(unit) => match char::from_u32((*unit).into()) {
            Some(character) => {
                out.push('\'');
                escaped(out, character);
                out.push('\'');
            }
            None => push(out, format_args!("'\\x{unit:04X}'")),
        },
        Literal::Text(value) => text(out, value),
        Literal::Alias(name) => push(out, format_args!("${name}")),
        Literal::Instance(declaration) => instance(out, declaration, depth),
        Literal::Array(values) => {
            out.push('{');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                literal(out, value, depth);
            }
            out.push('}');
        }
    }
}

fn real(out: &mut String, number: f64) {
    if number.is_finite() {
        // MOF requires a decimal point in a real number.
        let written = format!("{number:e}");
        match written.split_once('e') {
            Some((mantissa, exponent)) if !mantissa.contains('.') => {
                push(out, format_args!("{mantissa}.0e{exponent}"));
            }
            _ => out.push_str(&written),
        }
    } else {
        // MOF has no spelling for infinities and NaN.
        out.push_str("NULL");
    }
}

fn text(out: &mut String, value: &str) {
    out.push('"');
    value.chars().for_each(|character| escaped(out, character));
    out.push('"');
}

fn escaped(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\'' => out.push_str("\\'"),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control if control.is_control() => push(out, format_args!("\\x{:04X}", u32::from(control))),
        plain => out.push(plain),
    }
}

fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("  "));
}

/// Appends formatted text; writing to a `String` cannot fail.
fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(arguments);
}
