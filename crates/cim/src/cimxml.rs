//! Classes as XML: the element `CLASS` of CIM-XML (DSP0201), which WS-Management sends in response to requests for
//! a class itself (DSP0227 15; `Get-CimClass`).

use crate::{
    CimType, Class, Method, Parameter, Propagation, Property, Qualifier, Qualifiers, Shape, Type, Value,
};

mod read;

pub use read::{ReceivedClass, read_class};

/// Optional parts of a class; the default is its name, and its own properties and methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassDetail {
    /// `IncludeQualifiers`: qualifiers.
    pub qualifiers: bool,
    /// `IncludeInheritedElements`: inherited properties and methods.
    pub inherited_elements: bool,
    /// `IncludeInheritanceHierarchy`: names of all superclasses.
    pub inheritance_hierarchy: bool,
    /// `IncludeClassOrigin`: class that declared each property and method.
    pub class_origin: bool,
}

/// Writes a class.
pub fn write_class(out: &mut xml::Writer, class: &Class, detail: ClassDetail) {
    out.start("CLASS").attribute("NAME", class.name().as_str());
    if let Some(superclass) = class.superclass() {
        out.attribute("SUPERCLASS", superclass.name().as_str());
        if detail.inheritance_hierarchy {
            let above: Vec<_> = class.derivation().map(|class| class.name().as_str()).collect();
            out.attribute("DERIVATION", &above.join(","));
        }
    }
    write_qualifiers(out, class.qualifiers(), detail);
    for property in class.properties().iter().filter(|one| detail.inherited_elements || !one.propagated) {
        write_property(out, property, detail);
    }
    let methods = class.methods().iter().map(|operation| operation.method.as_ref());
    for method in methods.filter(|one| detail.inherited_elements || !one.propagated) {
        write_method(out, method, detail);
    }
    out.end();
}

fn write_property(out: &mut xml::Writer, property: &Property, detail: ClassDetail) {
    let Property { name, kind, qualifiers, default, origin, propagated } = property;
    out.start(match (&kind.element, kind.shape) {
        (_, Shape::Array | Shape::FixedArray(_)) => "PROPERTY.ARRAY",
        (CimType::Reference(_), Shape::Scalar) => "PROPERTY.REFERENCE",
        (_, Shape::Scalar) => "PROPERTY",
    });
    out.attribute("NAME", name.as_str());
    write_type(out, kind);
    if detail.class_origin {
        out.attribute("CLASSORIGIN", origin.as_str());
    }
    if *propagated {
        out.attribute("PROPAGATED", "true");
    }
    write_qualifiers(out, qualifiers, detail);
    write_value(out, default);
    out.end();
}

fn write_method(out: &mut xml::Writer, method: &Method, detail: ClassDetail) {
    out.start("METHOD").attribute("NAME", method.name.as_str());
    if let Some(kind) = &method.returns {
        out.attribute("TYPE", type_name(&kind.element));
    }
    if detail.class_origin {
        out.attribute("CLASSORIGIN", method.origin.as_str());
    }
    if method.propagated {
        out.attribute("PROPAGATED", "true");
    }
    write_qualifiers(out, &method.qualifiers, detail);
    for Parameter { name, kind, qualifiers, .. } in &method.parameters {
        out.start(match (&kind.element, kind.is_array()) {
            (CimType::Reference(_), true) => "PARAMETER.REFARRAY",
            (CimType::Reference(_), false) => "PARAMETER.REFERENCE",
            (_, true) => "PARAMETER.ARRAY",
            (_, false) => "PARAMETER",
        });
        out.attribute("NAME", name.as_str());
        write_type(out, kind);
        write_qualifiers(out, qualifiers, detail);
        out.end();
    }
    out.end();
}

/// Writes the attributes of a type; a reference has its class instead of a type.
fn write_type(out: &mut xml::Writer, kind: &Type) {
    match &kind.element {
        CimType::Reference(class) => {
            if let Some(class) = class {
                out.attribute("REFERENCECLASS", class.as_str());
            }
        }
        element => {
            out.attribute("TYPE", type_name(element));
        }
    }
    if let Shape::FixedArray(size) = kind.shape {
        out.attribute("ARRAYSIZE", &size.to_string());
    }
}

/// Returns the type name; an embedded instance is a string with a qualifier.
fn type_name(element: &CimType) -> &'static str {
    match element {
        CimType::Object(_) => "string",
        CimType::Reference(_) => "reference",
        other => other.keyword(),
    }
}

fn write_qualifiers(out: &mut xml::Writer, qualifiers: &Qualifiers, detail: ClassDetail) {
    if !detail.qualifiers {
        return;
    }
    for qualifier in qualifiers.iter() {
        let Qualifier { name, value, flavors, propagated } = qualifier;
        out.start("QUALIFIER").attribute("NAME", name.as_str());
        out.attribute("TYPE", type_name(&qualifier.kind().element));
        if *propagated {
            out.attribute("PROPAGATED", "true");
        }
        match flavors.subclass {
            Propagation::Overridable => {}
            Propagation::Fixed => {
                out.attribute("OVERRIDABLE", "false");
            }
            Propagation::Restricted => {
                out.attribute("TOSUBCLASS", "false");
            }
        }
        if flavors.translatable {
            out.attribute("TRANSLATABLE", "true");
        }
        write_value(out, value);
        out.end();
    }
}

fn write_value(out: &mut xml::Writer, value: &Value) {
    match value {
        Value::Null => {}
        Value::Array(values) => {
            out.start("VALUE.ARRAY");
            for value in values {
                match value {
                    Value::Null => out.start("VALUE.NULL").end_empty(),
                    value => out.element("VALUE", &value.to_text()),
                };
            }
            out.end();
        }
        value => {
            out.element("VALUE", &value.to_text());
        }
    }
}
