//! Enumerate, Pull and Release (WS-Enumeration; DSP0226 8; MS-WSMV 3.1.4.8 onwards).

use xml::{Element, Fragment, Writer};

use crate::AssociationFilter;
use crate::duration::DurationError;
use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{CIM_BINDING, ENUMERATION, WSMAN};

/// Body of Enumerate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumerate {
    /// Whether the response may contain the first items.
    pub optimize: bool,
    /// Maximum number of items in the response; `None` is one.
    pub max_elements: Option<u32>,
    /// Form of the items.
    pub mode: EnumerationMode,
    /// Treatment of instances of subclasses.
    pub polymorphism: PolymorphismMode,
    /// Filter of the items.
    pub filter: Option<Filter>,
}

/// Form of an item (DSP0226 8.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnumerationMode {
    /// The instance.
    #[default]
    Object,
    /// The endpoint reference of the instance.
    Reference,
    /// Instance and endpoint reference.
    ObjectAndReference,
}

/// Treatment of instances of subclasses (DSP0227 8.1, `b:PolymorphismMode`).
///
/// Applies to CIM classes; Windows ignores it (MS-WSMV 3.1.4.1.27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolymorphismMode {
    /// Instances of subclasses are included with all properties.
    #[default]
    IncludeSubClassProperties,
    /// Instances of subclasses are included with the properties of the enumerated class only.
    ExcludeSubClassProperties,
    /// Instances of subclasses are excluded.
    None,
}

/// Filter with its dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// URI of the dialect; the default is XPath 1.0.
    pub dialect: String,
    /// Text of the filter.
    pub text: String,
    /// Markup of the filter, for dialects whose filters are XML, such as event queries.
    pub markup: Option<String>,
    /// Selectors of the selector dialect.
    pub selectors: crate::SelectorSet,
    /// Content of the association dialect.
    pub association: Option<AssociationFilter>,
}

/// Body of Pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Enumeration context from the previous response.
    pub context: String,
    /// Maximum number of items in the response; `None` is one.
    pub max_elements: Option<u32>,
    /// Maximum time to wait for the first item.
    pub max_time: Option<std::time::Duration>,
}

impl Enumerate {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `n:InvalidExpirationTime` for an Expires that is not above zero,
    /// `w:UnsupportedFeature` for an unknown enumeration mode, `b:PolymorphismModeNotSupported` for an unknown polymorphism mode.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Enumerate")?;
        check_expires(body)?;
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
                        format!("unknown EnumerationMode \"{other}\": use {known}, or omit it"),
                    )
                    .with_detail(Detail::ENUMERATION_MODE));
                }
            },
        };
        Ok(Self {
            optimize: either(body, "OptimizeEnumeration").is_some(),
            max_elements: max_elements(body)?,
            mode,
            polymorphism: polymorphism_mode(body)?,
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
        // The default is omitted, because Windows does not support the element.
        match self.polymorphism {
            PolymorphismMode::IncludeSubClassProperties => {}
            PolymorphismMode::ExcludeSubClassProperties => {
                write_polymorphism_mode(writer, EXCLUDE_SUBCLASS_PROPERTIES);
            }
            PolymorphismMode::None => write_polymorphism_mode(writer, NO_SUBCLASSES),
        }
        if let Some(filter) = &self.filter {
            filter.write(writer);
        }
        writer.end();
    }
}

impl Filter {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.start("w:Filter").attribute("Dialect", &self.dialect);
        self.selectors.write(writer);
        if let Some(association) = &self.association {
            association.write(writer);
        }
        match &self.markup {
            Some(markup) => writer.fragment(&Fragment::written_elsewhere(markup.clone())),
            None => writer.text(&self.text),
        };
        writer.end();
    }
}

impl Pull {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element or without a context.
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

/// Parses the body of Release; returns the enumeration context.
///
/// # Errors
/// `w:SchemaValidationError` for another element or without a context.
pub fn parse_release(body: Element<'_>) -> Result<String, Fault> {
    require(body, "Release")?;
    context(body)
}

/// Writes the body of Release.
pub fn write_release(writer: &mut Writer, context: &str) {
    writer.start("n:Release").namespace("n", ENUMERATION);
    writer.element("n:EnumerationContext", context).end();
}

/// Body of the response to Enumerate or Pull.
#[derive(Debug)]
pub struct Page<'a> {
    /// Context for the next Pull; `None` at the end.
    pub context: Option<String>,
    /// Items: instances, references or `w:Item` elements.
    pub items: Vec<Element<'a>>,
    /// Whether the enumeration is complete.
    pub end: bool,
}

impl<'a> Page<'a> {
    /// Parses the body.
    #[must_use]
    pub fn parse(response: Element<'a>) -> Self {
        let context = page_children(response, "EnumerationContext")
            .next()
            .map(|context| context.text().trim().to_owned())
            .filter(|context| !context.is_empty());
        let items = page_children(response, "Items").flat_map(|items| items.children()).collect();
        Self { end: page_children(response, "EndOfSequence").next().is_some(), context, items }
    }
}

/// Returns the direct children with a name: a property of an item may be named EndOfSequence.
fn page_children<'a>(response: Element<'a>, name: &'static str) -> impl Iterator<Item = Element<'a>> {
    response.children().filter(move |child| {
        child.name() == name && (child.namespace() == ENUMERATION || child.namespace() == WSMAN)
    })
}

fn require(body: Element<'_>, name: &str) -> Result<(), Fault> {
    if body.is(ENUMERATION, name) {
        return Ok(());
    }
    Err(schema_error(format!("the body must contain a WS-Enumeration {name} element, not {}", body.name())))
}

pub(crate) fn schema_error(reason: String) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}

/// Returns a child in either of two namespaces that clients confuse.
pub(crate) fn either<'a>(body: Element<'a>, name: &str) -> Option<Element<'a>> {
    body.child(WSMAN, name).or_else(|| body.child(ENUMERATION, name))
}

fn context(body: Element<'_>) -> Result<String, Fault> {
    let context = body.child(ENUMERATION, "EnumerationContext").map(|context| context.text());
    match context.as_deref().map(str::trim) {
        Some(context) if !context.is_empty() && context.len() <= 256 => Ok(context.to_owned()),
        _ => Err(schema_error(
            "the element EnumerationContext is missing or empty; send the one of the last response"
                .to_owned(),
        )),
    }
}

fn max_elements(body: Element<'_>) -> Result<Option<u32>, Fault> {
    let Some(element) = either(body, "MaxElements") else { return Ok(None) };
    match element.text().trim().parse::<u32>() {
        Ok(0) | Err(_) => Err(schema_error("MaxElements must be a number above zero".to_owned())),
        Ok(count) => Ok(Some(count)),
    }
}

/// Checks the requested lifetime. The service has one of its own, which clients may only shorten by Release
/// (WS-Enumeration 3.1).
fn check_expires(body: Element<'_>) -> Result<(), Fault> {
    let Some(element) = body.child(ENUMERATION, "Expires") else { return Ok(()) };
    match crate::duration::parse(&element.text()) {
        Ok(duration) if !duration.is_zero() => Ok(()),
        Err(DurationError::Malformed) => Err(Fault::new(
            Subcode::UnsupportedExpirationType,
            code::UNSUPPORTED_EXPIRATION_TYPE,
            "Expires is not a duration; use one such as PT600S, because dates are not supported",
        )),
        Ok(_) | Err(DurationError::Negative) => Err(Fault::new(
            Subcode::InvalidExpirationTime,
            code::INVALID_EXPIRATION_TIME,
            "Expires must be a duration above zero",
        )),
    }
}

fn polymorphism_mode(body: Element<'_>) -> Result<PolymorphismMode, Fault> {
    let Some(element) = body.child(CIM_BINDING, "PolymorphismMode") else {
        return Ok(PolymorphismMode::default());
    };
    match element.text().trim() {
        INCLUDE_SUBCLASS_PROPERTIES => Ok(PolymorphismMode::IncludeSubClassProperties),
        EXCLUDE_SUBCLASS_PROPERTIES => Ok(PolymorphismMode::ExcludeSubClassProperties),
        NO_SUBCLASSES => Ok(PolymorphismMode::None),
        other => Err(Fault::new(
            Subcode::PolymorphismModeNotSupported,
            code::POLYMORPHISM_MODE_UNSUPPORTED,
            format!(
                "unknown PolymorphismMode \"{other}\": \
                 use {INCLUDE_SUBCLASS_PROPERTIES}, {EXCLUDE_SUBCLASS_PROPERTIES} or {NO_SUBCLASSES}"
            ),
        )),
    }
}

fn write_polymorphism_mode(writer: &mut Writer, mode: &str) {
    writer.start("b:PolymorphismMode").namespace("b", CIM_BINDING).text(mode).end();
}

const INCLUDE_SUBCLASS_PROPERTIES: &str = "IncludeSubClassProperties";
const EXCLUDE_SUBCLASS_PROPERTIES: &str = "ExcludeSubClassProperties";
const NO_SUBCLASSES: &str = "None";

pub(crate) fn filter(element: Element<'_>) -> Result<Filter, Fault> {
    let dialect = element.attribute("", "Dialect").map(|dialect| dialect.trim().to_owned());
    let selectors = match element.child(WSMAN, "SelectorSet") {
        Some(set) => crate::SelectorSet::parse(set)?,
        None => crate::SelectorSet::new(),
    };
    let association = element.children().find(|child| child.namespace() == CIM_BINDING);
    let markup =
        element.children().find(|child| child.namespace() != CIM_BINDING && child.namespace() != WSMAN);
    Ok(Filter {
        markup: markup.map(|markup| markup.source().to_owned()),
        association: association.map(AssociationFilter::parse).transpose()?,
        dialect: dialect.unwrap_or_else(|| crate::namespace::DIALECT_XPATH.to_owned()),
        text: element.text().trim().to_owned(),
        selectors,
    })
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    fn document(body: &str) -> Document {
        let text = format!("<x xmlns:n='{ENUMERATION}' xmlns:w='{WSMAN}' xmlns:p='urn:other'>{body}</x>");
        Document::parse(text, &Bounds::default()).expect("XML")
    }

    fn body(document: &Document) -> Element<'_> {
        document.root().children().next().expect("a body")
    }

    #[test]
    fn elements_are_accepted_in_both_namespaces_but_not_in_others() {
        for (own, other) in [("w", "n"), ("n", "w")] {
            let text = format!(
                "<n:Enumerate><p:SessionId>1</p:SessionId><{own}:OptimizeEnumeration/>\
                 <{other}:MaxElements> 20 </{other}:MaxElements><{own}:Filter> a </{own}:Filter></n:Enumerate>"
            );
            let read = Enumerate::parse(body(&document(&text))).expect("a body");
            assert_eq!((read.optimize, read.max_elements), (true, Some(20)));
            let filter = read.filter.expect("a filter");
            assert_eq!(
                (filter.dialect.as_str(), filter.text.as_str()),
                (crate::namespace::DIALECT_XPATH, "a")
            );
        }
        let pull = "<n:Pull><w:OptimizeEnumeration/><w:MaxElements>7</w:MaxElements>\
                    <n:EnumerationContext> uuid:1 </n:EnumerationContext></n:Pull>";
        let read = Pull::parse(body(&document(pull))).expect("a body");
        assert_eq!((read.context.as_str(), read.max_elements, read.max_time), ("uuid:1", Some(7), None));
    }

    #[test]
    fn invalid_bodies_are_rejected() {
        for wrong in [
            "<n:Pull/>",
            "<w:Enumerate/>",
            "<n:Enumerate><w:MaxElements>0</w:MaxElements></n:Enumerate>",
            "<n:Enumerate><w:MaxElements>many</w:MaxElements></n:Enumerate>",
        ] {
            let fault = Enumerate::parse(body(&document(wrong))).expect_err(wrong);
            assert_eq!(fault.code(), code::SCHEMA_VALIDATION_ERROR, "{wrong}");
        }
        let long = format!("<n:EnumerationContext>{}</n:EnumerationContext>", "x".repeat(257));
        for content in [
            "",
            "<n:EnumerationContext> </n:EnumerationContext>",
            "<w:EnumerationContext>1</w:EnumerationContext>",
            "<n:EnumerationContext>1</n:EnumerationContext><n:MaxTime>soon</n:MaxTime>",
            &long,
        ] {
            let text = format!("<n:Pull>{content}</n:Pull>");
            let fault = Pull::parse(body(&document(&text))).expect_err(&text);
            assert_eq!(fault.code(), code::SCHEMA_VALIDATION_ERROR, "{text}");
        }
    }

    #[test]
    fn a_lifetime_must_be_a_duration_above_zero() {
        let parse = |text: &str| {
            let text = format!("<n:Enumerate><n:Expires>{text}</n:Expires></n:Enumerate>");
            Enumerate::parse(body(&document(&text))).map(drop)
        };
        assert_eq!(parse(" PT10M "), Ok(()));
        for (text, subcode, code) in [
            ("-PT1S", Subcode::InvalidExpirationTime, code::INVALID_EXPIRATION_TIME),
            ("PT0S", Subcode::InvalidExpirationTime, code::INVALID_EXPIRATION_TIME),
            ("2030-01-01T00:00:00Z", Subcode::UnsupportedExpirationType, code::UNSUPPORTED_EXPIRATION_TYPE),
            ("soon", Subcode::UnsupportedExpirationType, code::UNSUPPORTED_EXPIRATION_TYPE),
        ] {
            let fault = parse(text).expect_err(text);
            assert_eq!((fault.subcode(), fault.code()), (&subcode, code), "{text}");
        }
    }

    #[test]
    fn an_unknown_enumeration_mode_is_an_unsupported_feature() {
        let text = "<n:Enumerate><w:EnumerationMode>EnumerateAll</w:EnumerationMode></n:Enumerate>";
        let fault = Enumerate::parse(body(&document(text))).expect_err("unknown");
        assert_eq!((fault.subcode(), fault.code()), (&Subcode::UnsupportedFeature, code::ENUMERATION_MODE));
        assert_eq!(fault.detail(), Some(&Detail::ENUMERATION_MODE));
    }

    #[test]
    fn an_unknown_polymorphism_mode_has_the_fault_of_dsp0227() {
        let parse = |mode: &str| {
            let text = format!(
                "<n:Enumerate><b:PolymorphismMode xmlns:b='{CIM_BINDING}'>{mode}</b:PolymorphismMode></n:Enumerate>"
            );
            Enumerate::parse(body(&document(&text))).map(|enumerate| enumerate.polymorphism)
        };
        for (text, mode) in [
            ("IncludeSubClassProperties", PolymorphismMode::IncludeSubClassProperties),
            ("\n ExcludeSubClassProperties ", PolymorphismMode::ExcludeSubClassProperties),
            ("None", PolymorphismMode::None),
        ] {
            assert_eq!(parse(text), Ok(mode), "{text}");
        }
        for wrong in ["", "none", "Deep", "includesubclassproperties"] {
            let fault = parse(wrong).expect_err(wrong);
            assert_eq!(fault.subcode(), &Subcode::PolymorphismModeNotSupported, "{wrong}");
            assert_eq!(fault.code(), code::POLYMORPHISM_MODE_UNSUPPORTED, "{wrong}");
        }
        let elsewhere = "<n:Enumerate><p:PolymorphismMode>Deep</p:PolymorphismMode></n:Enumerate>";
        let read = Enumerate::parse(body(&document(elsewhere))).expect("an unknown element");
        assert_eq!(read.polymorphism, PolymorphismMode::IncludeSubClassProperties);
    }

    #[test]
    fn only_a_direct_child_ends_the_enumeration() {
        let inside = "<n:PullResponse><n:EnumerationContext>c</n:EnumerationContext><n:Items><p:Film>\
                      <n:EndOfSequence/><EndOfSequence/></p:Film></n:Items><EndOfSequence/></n:PullResponse>";
        let inside = document(inside);
        let page = Page::parse(body(&inside));
        assert_eq!((page.items.len(), page.end, page.context.as_deref()), (1, false, Some("c")));
        for prefix in ["n", "w"] {
            let last = format!(
                "<n:EnumerateResponse><n:EnumerationContext/><{prefix}:Items><p:A/><p:B/></{prefix}:Items>\
                 <{prefix}:EndOfSequence/></n:EnumerateResponse>"
            );
            let last = document(&last);
            let page = Page::parse(body(&last));
            assert_eq!((page.items.len(), page.end, page.context), (2, true, None));
        }
    }
}
