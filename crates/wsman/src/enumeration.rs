//! Enumerate, Pull and Release (WS-Enumeration; DSP0226 8; MS-WSMV 3.1.4.8 onwards).

use xml::{Element, Writer};

use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{ENUMERATION, WSMAN};

/// The body of Enumerate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumerate {
    /// The first items may come with the answer.
    pub optimize: bool,
    /// How many items one answer may hold; `None` is one.
    pub max_elements: Option<u32>,
    /// What each item is.
    pub mode: EnumerationMode,
    /// Which items; the element is kept, because each dialect has a language of its own.
    pub filter: Option<Filter>,
}

/// What an item of an enumeration is (DSP0226 8.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnumerationMode {
    /// The instance.
    #[default]
    Object,
    /// Its endpoint reference.
    Reference,
    /// Both.
    ObjectAndReference,
}

/// A filter and its language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The URI of the dialect; XPath 1.0 when the client names none.
    pub dialect: String,
    /// The filter as text.
    pub text: String,
    /// The selectors, for the selector dialect.
    pub selectors: crate::SelectorSet,
}

/// The body of Pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Which enumeration, as the answer before named it.
    pub context: String,
    /// How many items the answer may hold; `None` is one.
    pub max_elements: Option<u32>,
    /// How long to wait for the first item.
    pub max_time: Option<std::time::Duration>,
}

impl Enumerate {
    /// Reads the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `w:UnsupportedFeature` for an unknown mode.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Enumerate")?;
        let mode = match either(body, "EnumerationMode") {
            None => EnumerationMode::Object,
            Some(mode) => match mode.text().trim() {
                "EnumerateEPR" => EnumerationMode::Reference,
                "EnumerateObjectAndEPR" => EnumerationMode::ObjectAndReference,
                other => {
                    let known = "EnumerateEPR or EnumerateObjectAndEPR";
                    return Err(Fault::new(
                        Subcode::UnsupportedFeature,
                        code::ENUMERATION_MODE,
                        format!("EnumerationMode {other:?} is unknown: use {known}, or leave it out"),
                    )
                    .with_detail(Detail::ENUMERATION_MODE));
                }
            },
        };
        Ok(Self {
            optimize: either(body, "OptimizeEnumeration").is_some(),
            max_elements: max_elements(body)?,
            mode,
            filter: either(body, "Filter").map(filter).transpose()?,
        })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("n:Enumerate").namespace("n", ENUMERATION);
        if self.optimize {
            writer.start("w:OptimizeEnumeration").end_empty();
        }
        if let Some(max) = self.max_elements {
            writer.element("w:MaxElements", &max.to_string());
        }
        match self.mode {
            EnumerationMode::Object => {}
            EnumerationMode::Reference => {
                writer.element("w:EnumerationMode", "EnumerateEPR");
            }
            EnumerationMode::ObjectAndReference => {
                writer.element("w:EnumerationMode", "EnumerateObjectAndEPR");
            }
        }
        if let Some(filter) = &self.filter {
            writer.start("w:Filter").attribute("Dialect", &filter.dialect);
            filter.selectors.write(writer);
            writer.text(&filter.text).end();
        }
        writer.end();
    }
}

impl Pull {
    /// Reads the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element or a missing context.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Pull")?;
        let max_time = body.child(ENUMERATION, "MaxTime").map(|time| crate::duration::parse(&time.text()));
        Ok(Self {
            context: context(body)?,
            max_elements: max_elements(body)?,
            max_time: max_time.transpose().map_err(|error| schema_error(format!("MaxTime: {error}")))?,
        })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("n:Pull").namespace("n", ENUMERATION);
        writer.element("n:EnumerationContext", &self.context);
        if let Some(time) = self.max_time {
            writer.element("n:MaxTime", &crate::duration::write(time));
        }
        if let Some(max) = self.max_elements {
            writer.element("n:MaxElements", &max.to_string());
        }
        writer.end();
    }
}

/// Reads the context that the body of Release names.
///
/// # Errors
/// `w:SchemaValidationError` for another element or a missing context.
pub fn parse_release(body: Element<'_>) -> Result<String, Fault> {
    require(body, "Release")?;
    context(body)
}

/// Writes the body of Release.
pub fn write_release(writer: &mut Writer, context: &str) {
    writer.start("n:Release").namespace("n", ENUMERATION);
    writer.element("n:EnumerationContext", context).end();
}

/// What an answer to Enumerate or Pull brings.
#[derive(Debug)]
pub struct Page<'a> {
    /// How to go on; `None` at the end.
    pub context: Option<String>,
    /// The items, each an instance, a reference or a `w:Item`.
    pub items: Vec<Element<'a>>,
    /// There are no further items.
    pub end: bool,
}

impl<'a> Page<'a> {
    /// Reads the body of an answer.
    #[must_use]
    pub fn parse(response: Element<'a>) -> Self {
        let named = |name: &'static str| {
            // Only a direct child counts: a property may bear the name EndOfSequence.
            response.children().filter(move |child| {
                child.name() == name && (child.namespace() == ENUMERATION || child.namespace() == WSMAN)
            })
        };
        let context = named("EnumerationContext")
            .next()
            .map(|context| context.text().trim().to_owned())
            .filter(|context| !context.is_empty());
        let items = named("Items").flat_map(|items| items.children()).collect();
        Self { end: named("EndOfSequence").next().is_some(), context, items }
    }
}

fn require(body: Element<'_>, name: &str) -> Result<(), Fault> {
    if body.is(ENUMERATION, name) {
        return Ok(());
    }
    Err(schema_error(format!("the body must hold an {name} element of WS-Enumeration, not {}", body.name())))
}

fn schema_error(reason: String) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}

/// A child in either of the two namespaces that clients mix up.
fn either<'a>(body: Element<'a>, name: &str) -> Option<Element<'a>> {
    body.child(WSMAN, name).or_else(|| body.child(ENUMERATION, name))
}

fn context(body: Element<'_>) -> Result<String, Fault> {
    let context = body.child(ENUMERATION, "EnumerationContext").map(|context| context.text());
    match context.as_deref().map(str::trim) {
        Some(context) if !context.is_empty() && context.len() <= 256 => Ok(context.to_owned()),
        _ => Err(schema_error("the body names no EnumerationContext".to_owned())),
    }
}

fn max_elements(body: Element<'_>) -> Result<Option<u32>, Fault> {
    let Some(element) = either(body, "MaxElements") else { return Ok(None) };
    match element.text().trim().parse::<u32>() {
        Ok(0) | Err(_) => Err(schema_error("MaxElements must be a number above zero".to_owned())),
        Ok(count) => Ok(Some(count)),
    }
}

fn filter(element: Element<'_>) -> Result<Filter, Fault> {
    let dialect = element.attribute("", "Dialect").map(|dialect| dialect.trim().to_owned());
    let selectors = match element.child(WSMAN, "SelectorSet") {
        Some(set) => crate::SelectorSet::parse(set)?,
        None => crate::SelectorSet::new(),
    };
    Ok(Filter {
        dialect: dialect.unwrap_or_else(|| crate::namespace::DIALECT_XPATH.to_owned()),
        text: element.text().trim().to_owned(),
        selectors,
    })
}
