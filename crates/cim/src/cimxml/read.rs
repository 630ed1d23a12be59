//! Reads what a service tells of a class.

use xml::Element;

use crate::{
    CimType, ClassDeclaration, Error, Flavors, Method, Name, Namespace, Parameter, Propagation, Property,
    Qualifier, Qualifiers, Schema, Shape, Type, Value,
};

/// A class as a service tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldClass {
    /// What it declares, and what it has from superclasses as far as that was told.
    pub declaration: ClassDeclaration,
    /// Its superclasses, the nearest first; only the nearest if nobody asked for the hierarchy.
    pub derivation: Vec<Name>,
}

/// Reads the element `CLASS` (DSP0201 5.2.3.3). What it says nothing about is as if it were not there.
///
/// # Errors
/// [`Error::Xml`] for an element that is no class, and those of names, types and values in it.
pub fn read_class(element: Element<'_>) -> Result<ToldClass, Error> {
    if element.name() != "CLASS" {
        return Err(wrong(element, "is not the CLASS of CIM-XML"));
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
    Ok(ToldClass { declaration, derivation })
}

impl ToldClass {
    /// The schema of this class alone: what it has from a superclass is declared there.
    ///
    /// Which of its superclasses said what about that is not told; here the nearest says it all.
    ///
    /// # Errors
    /// As [`Schema::add`].
    pub fn schema(&self, namespace: Namespace) -> Result<Schema, Error> {
        let mut schema = Schema::bare(namespace);
        let told = &self.declaration;
        let is_above = |origin: &Name| self.derivation.contains(origin);
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
            for property in told.properties.iter().filter(|one| is_above(&one.origin)) {
                if is_nearest && property.propagated {
                    one.properties.push(property.clone());
                } else if property.origin == *name {
                    one.properties.push(Property { qualifiers: Qualifiers::new(), ..property.clone() });
                }
            }
            for method in told.methods.iter().filter(|one| is_above(&one.origin)) {
                if is_nearest && method.propagated {
                    one.methods.push(method.clone());
                } else if method.origin == *name {
                    one.methods.push(Method { qualifiers: Qualifiers::new(), ..method.clone() });
                }
            }
            schema.add(&one)?;
        }
        let mut own = ClassDeclaration { superclass: above, ..told.clone() };
        own.properties.retain(|one| !one.propagated || !is_above(&one.origin));
        own.methods.retain(|one| !one.propagated || !is_above(&one.origin));
        schema.add(&own)?;
        Ok(schema)
    }
}

impl Schema {
    /// The classes of a namespace as a service told them; those that contradict each other are left out.
    #[must_use]
    pub fn told(namespace: Namespace, classes: Vec<ToldClass>) -> Self {
        let mut schema = Self::bare(namespace);
        let mut left: Vec<ClassDeclaration> = classes.into_iter().map(|class| class.declaration).collect();
        // A class comes behind its superclass, and no class is below more than so many.
        for _ in 0..crate::Class::MAX_DEPTH {
            let is_ready = |class: &ClassDeclaration, schema: &Self| {
                class.superclass.as_ref().is_none_or(|above| schema.has(above))
            };
            let (ready, later): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|class| is_ready(class, &schema));
            left = later;
            if ready.is_empty() {
                break;
            }
            for class in ready {
                // What is left out is not there for those below it either.
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
        let says = |attribute_name: &str, text: &str| {
            attribute(child, attribute_name).is_some_and(|value| value.eq_ignore_ascii_case(text))
        };
        let subclass = if says("TOSUBCLASS", "false") {
            Propagation::Restricted
        } else if says("OVERRIDABLE", "false") {
            Propagation::Fixed
        } else {
            Propagation::Overridable
        };
        let translatable = says("TRANSLATABLE", "true");
        let flavors = Flavors { subclass, to_instance: false, translatable };
        all.set(Qualifier { name, value, flavors, propagated: propagated(child) });
        if all.len() > Qualifiers::MAX {
            return Err(Error::TooMuch { what: "qualifiers", limit: Qualifiers::MAX });
        }
    }
    Ok(all)
}

/// The type that an element and its attributes tell; of an embedded instance a qualifier does.
fn kind(element: Element<'_>, qualifiers: &Qualifiers) -> Result<Type, Error> {
    let name = element.name();
    let of = |class: Option<&str>| class.map(Name::parse).transpose();
    let text = attribute(element, "TYPE");
    let element_type = match text.as_deref() {
        None => {
            let class = attribute(element, "REFERENCECLASS");
            if class.is_none() && !name.contains(".REF") {
                return Err(wrong(element, "has no TYPE"));
            }
            CimType::Reference(of(class.as_deref())?)
        }
        Some(text) if text.eq_ignore_ascii_case("reference") => CimType::Reference(None),
        Some(text) if text.eq_ignore_ascii_case("string") => match qualifiers.text("EmbeddedInstance") {
            Some(class) => CimType::Object(of(Some(class))?),
            None if qualifiers.says("EmbeddedObject") => CimType::Object(None),
            None => CimType::String,
        },
        Some(text) => CimType::from_keyword(text).ok_or_else(|| wrong(element, "has an unknown TYPE"))?,
    };
    let size = attribute(element, "ARRAYSIZE").and_then(|size| size.parse().ok());
    let shape = match (name.ends_with("ARRAY"), size) {
        (true, Some(size)) => Shape::FixedArray(size),
        (true, None) => Shape::Array,
        (false, _) => Shape::Scalar,
    };
    Ok(Type { element: element_type, shape })
}

/// The value an element has in it.
fn value(element: Element<'_>, kind: &Type) -> Result<Value, Error> {
    let parse = |element: Element<'_>| match &kind.element {
        // Their values are not told here.
        CimType::Object(_) | CimType::Reference(_) => Ok(Value::Null),
        of => of.parse(&element.text()),
    };
    let find = |name: &str| element.children().find(|child| child.name() == name);
    if let Some(array) = find("VALUE.ARRAY") {
        let values = array.children().map(|child| match child.name() {
            "VALUE.NULL" => Ok(Value::Null),
            _ => parse(child),
        });
        return Ok(Value::Array(values.collect::<Result<_, _>>()?));
    }
    find("VALUE").map_or(Ok(Value::Null), parse)
}

fn named(element: Element<'_>) -> Result<Name, Error> {
    Name::parse(&attribute(element, "NAME").ok_or_else(|| wrong(element, "has no NAME"))?)
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

fn wrong(element: Element<'_>, problem: &str) -> Error {
    Error::Xml { element: element.name().to_owned(), problem: problem.to_owned() }
}
