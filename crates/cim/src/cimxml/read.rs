//! Parses classes from a service.

use xml::Element;

use crate::{
    CimType, ClassDeclaration, Error, Flavors, Method, Name, Namespace, Parameter, Propagation, Property,
    Qualifier, Qualifiers, Schema, Shape, Type, Value,
};

/// Class received from a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedClass {
    /// Declaration, with inherited properties and methods as far as they were sent.
    pub declaration: ClassDeclaration,
    /// Superclasses, the nearest first; only the nearest if the hierarchy was not requested.
    pub derivation: Vec<Name>,
}

/// Parses the element `CLASS` (DSP0201 5.2.3.3); missing parts are empty.
///
/// # Errors
/// [`Error::Xml`] for another element, and the errors of its names, types and values.
pub fn read_class(element: Element<'_>) -> Result<ReceivedClass, Error> {
    if element.name() != "CLASS" {
        return Err(xml_error(element, "is not the CLASS element of CIM-XML"));
    }
    let name = named(element)?;
    let superclass = attribute(element, "SUPERCLASS").map(|text| Name::parse(&text)).transpose()?;
    let mut derivation: Vec<Name> = match attribute(element, "DERIVATION") {
        Some(text) => names(&text)?,
        None => Vec::new(),
    };
    if derivation.first() != superclass.as_ref() {
        derivation = superclass.iter().cloned().collect();
    }
    let mut declaration = ClassDeclaration {
        superclass,
        qualifiers: qualifiers(element)?,
        properties: Vec::new(),
        methods: Vec::new(),
        name,
    };
    for child in element.children() {
        match child.name() {
            "PROPERTY" | "PROPERTY.ARRAY" | "PROPERTY.REFERENCE" => {
                declaration.properties.push(property(child, &declaration.name)?);
            }
            "METHOD" => declaration.methods.push(method(child, &declaration.name)?),
            _ => {}
        }
    }
    Ok(ReceivedClass { declaration, derivation })
}

impl ReceivedClass {
    /// Creates a schema with this class and its superclasses.
    ///
    /// The response does not say which superclass declared an inherited property or method; the nearest one is assumed.
    ///
    /// # Errors
    /// As [`Schema::add`].
    pub fn schema(&self, namespace: Namespace) -> Result<Schema, Error> {
        let mut schema = Schema::bare(namespace);
        let received = &self.declaration;
        let mut above = None;
        for name in self.derivation.iter().rev() {
            let is_nearest = self.derivation.first() == Some(name);
            let mut one = ClassDeclaration {
                name: name.clone(),
                superclass: above.replace(name.clone()),
                qualifiers: Qualifiers::new(),
                properties: Vec::new(),
                methods: Vec::new(),
            };
            for property in received.properties.iter().filter(|one| self.derivation.contains(&one.origin)) {
                if is_nearest && property.propagated {
                    one.properties.push(property.clone());
                } else if property.origin == *name {
                    one.properties.push(Property { qualifiers: Qualifiers::new(), ..property.clone() });
                }
            }
            for method in received.methods.iter().filter(|one| self.derivation.contains(&one.origin)) {
                if is_nearest && method.propagated {
                    one.methods.push(method.clone());
                } else if method.origin == *name {
                    one.methods.push(Method { qualifiers: Qualifiers::new(), ..method.clone() });
                }
            }
            schema.add(&one)?;
        }
        let mut own = ClassDeclaration { superclass: above, ..received.clone() };
        own.properties.retain(|one| !one.propagated || !self.derivation.contains(&one.origin));
        own.methods.retain(|one| !one.propagated || !self.derivation.contains(&one.origin));
        schema.add(&own)?;
        Ok(schema)
    }
}

impl Schema {
    /// Creates a schema from the classes of a service; classes that contradict each other are omitted.
    #[must_use]
    pub fn from_received(namespace: Namespace, classes: Vec<ReceivedClass>) -> Self {
        let mut schema = Self::bare(namespace);
        let mut left: Vec<ClassDeclaration> = classes.into_iter().map(|class| class.declaration).collect();
        // Superclasses are added first; the depth of the hierarchy limits the number of passes.
        for _ in 0..crate::Class::MAX_DEPTH {
            let (ready, later): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|class| class.superclass.as_ref().is_none_or(|above| schema.has(above)));
            left = later;
            if ready.is_empty() {
                break;
            }
            for class in ready {
                // Subclasses of an omitted class are omitted, too.
                let _ = schema.add(&class);
            }
        }
        schema
    }
}

fn property(element: Element<'_>, class: &Name) -> Result<Property, Error> {
    let qualifiers = qualifiers(element)?;
    let kind = kind(element, &qualifiers)?;
    let default = value(element, &kind)?;
    let name = named(element)?;
    Ok(Property {
        name,
        default,
        origin: origin(element, class)?,
        propagated: propagated(element),
        kind,
        qualifiers,
    })
}

fn method(element: Element<'_>, class: &Name) -> Result<Method, Error> {
    let returns = attribute(element, "TYPE").map(|_| kind(element, &Qualifiers::new())).transpose()?;
    let parameters = element.children().filter(|child| child.name().starts_with("PARAMETER"));
    Ok(Method {
        name: named(element)?,
        returns,
        parameters: parameters.map(parameter).collect::<Result<_, _>>()?,
        qualifiers: qualifiers(element)?,
        origin: origin(element, class)?,
        propagated: propagated(element),
    })
}

fn parameter(element: Element<'_>) -> Result<Parameter, Error> {
    let qualifiers = qualifiers(element)?;
    let kind = kind(element, &qualifiers)?;
    Ok(Parameter { name: named(element)?, kind, qualifiers, default: Value::Null })
}

fn qualifiers(element: Element<'_>) -> Result<Qualifiers, Error> {
    let mut all = Qualifiers::new();
    for child in element.children().filter(|child| child.name() == "QUALIFIER") {
        let name = named(child)?;
        let mut kind = kind(child, &all)?;
        if child.children().any(|child| child.name() == "VALUE.ARRAY") {
            kind.shape = Shape::Array;
        }
        let value = value(child, &kind)?;
        let subclass = if has_attribute(child, "TOSUBCLASS", "false") {
            Propagation::Restricted
        } else if has_attribute(child, "OVERRIDABLE", "false") {
            Propagation::Fixed
        } else {
            Propagation::Overridable
        };
        let translatable = has_attribute(child, "TRANSLATABLE", "true");
        let flavors = Flavors { subclass, to_instance: false, translatable };
        all.set(Qualifier { name, value, flavors, propagated: propagated(child) });
        if all.len() > Qualifiers::MAX {
            return Err(Error::TooMuch { what: "qualifiers", limit: Qualifiers::MAX });
        }
    }
    Ok(all)
}

/// Returns the type in an element's attributes; that of an embedded instance is in a qualifier.
fn kind(element: Element<'_>, qualifiers: &Qualifiers) -> Result<Type, Error> {
    let name = element.name();
    let text = attribute(element, "TYPE");
    let element_type = match text.as_deref() {
        None => {
            let class = attribute(element, "REFERENCECLASS");
            if class.is_none() && !name.contains(".REF") {
                return Err(xml_error(element, "has no TYPE"));
            }
            CimType::Reference(class.as_deref().map(Name::parse).transpose()?)
        }
        Some(text) if text.eq_ignore_ascii_case("reference") => CimType::Reference(None),
        Some(text) if text.eq_ignore_ascii_case("string") => match qualifiers.text("EmbeddedInstance") {
            Some(class) => CimType::Object(Some(Name::parse(class)?)),
            None if qualifiers.says("EmbeddedObject") => CimType::Object(None),
            None => CimType::String,
        },
        Some(text) => CimType::from_keyword(text).ok_or_else(|| xml_error(element, "has an unknown TYPE"))?,
    };
    let size = attribute(element, "ARRAYSIZE").and_then(|size| size.parse().ok());
    let shape = match (name.ends_with("ARRAY"), size) {
        (true, Some(size)) => Shape::FixedArray(size),
        (true, None) => Shape::Array,
        (false, _) => Shape::Scalar,
    };
    Ok(Type { element: element_type, shape })
}

/// Parses the value of an element.
fn value(element: Element<'_>, kind: &Type) -> Result<Value, Error> {
    if let Some(array) = element.children().find(|child| child.name() == "VALUE.ARRAY") {
        let values = array.children().map(|child| match child.name() {
            "VALUE.NULL" => Ok(Value::Null),
            _ => scalar(child, &kind.element),
        });
        return Ok(Value::Array(values.collect::<Result<_, _>>()?));
    }
    let single = element.children().find(|child| child.name() == "VALUE");
    single.map_or(Ok(Value::Null), |single| scalar(single, &kind.element))
}

fn scalar(element: Element<'_>, kind: &CimType) -> Result<Value, Error> {
    match kind {
        // Default values of these types are not supported.
        CimType::Object(_) | CimType::Reference(_) => Ok(Value::Null),
        kind => kind.parse(&element.text()),
    }
}

fn has_attribute(element: Element<'_>, name: &str, text: &str) -> bool {
    attribute(element, name).is_some_and(|value| value.eq_ignore_ascii_case(text))
}

fn named(element: Element<'_>) -> Result<Name, Error> {
    Name::parse(&attribute(element, "NAME").ok_or_else(|| xml_error(element, "has no NAME"))?)
}

fn origin(element: Element<'_>, class: &Name) -> Result<Name, Error> {
    attribute(element, "CLASSORIGIN").map_or_else(|| Ok(class.clone()), |text| Name::parse(&text))
}

fn propagated(element: Element<'_>) -> bool {
    attribute(element, "PROPAGATED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

fn names(text: &str) -> Result<Vec<Name>, Error> {
    let limit = crate::Class::MAX_DEPTH;
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty()).take(limit);
    names.map(Name::parse).collect()
}

fn attribute(element: Element<'_>, name: &str) -> Option<String> {
    element.attribute("", name).map(std::borrow::Cow::into_owned)
}

fn xml_error(element: Element<'_>, problem: &str) -> Error {
    Error::Xml { element: element.name().to_owned(), problem: problem.to_owned() }
}
