//! Selectors, which identify an instance of a resource (DSP0226 5.4.2).

use xml::{Element, Writer};

use crate::EndpointReference;
use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{ADDRESSING, WSMAN};

/// Selectors in the order of the message; names are unique without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectorSet(Vec<Selector>);

/// Selector: name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Name of a key.
    pub name: String,
    /// Value of the key.
    pub value: SelectorValue,
}

/// Value of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorValue {
    /// Text; most selectors.
    Text(String),
    /// Reference to another instance.
    Reference(Box<EndpointReference>),
}

impl SelectorSet {
    /// Maximum number of selectors in a message.
    pub const MAX: usize = 100;

    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text selector; replaces one with the same name.
    #[must_use]
    pub fn with(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_value(name.into(), SelectorValue::Text(value.into()))
    }

    /// Adds a selector whose value is a reference; replaces one with the same name.
    #[must_use]
    pub fn with_reference(self, name: impl Into<String>, reference: EndpointReference) -> Self {
        self.with_value(name.into(), SelectorValue::Reference(Box::new(reference)))
    }

    fn with_value(mut self, name: String, value: SelectorValue) -> Self {
        self.0.retain(|selector| !selector.name.eq_ignore_ascii_case(&name));
        self.0.push(Selector { name, value });
        self
    }

    /// Parses a `w:SelectorSet`.
    ///
    /// # Errors
    /// `w:InvalidSelectors` for a selector without a name or with a repeated name.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        Self::parse_within(element, 0)
    }

    /// `depth` is the nesting depth of references, which is limited.
    pub(crate) fn parse_within(element: Element<'_>, depth: usize) -> Result<Self, Fault> {
        let mut set = Self::default();
        for selector in element.children().filter(|child| child.is(WSMAN, "Selector")) {
            let Some(name) = selector.attribute("", "Name").filter(|name| !name.trim().is_empty()) else {
                return Err(Fault::new(
                    Subcode::InvalidSelectors,
                    code::INVALID_SELECTORS,
                    "a Selector has no Name attribute; add it",
                ));
            };
            let name = name.trim().to_owned();
            if set.0.len() >= Self::MAX {
                return Err(Fault::new(
                    Subcode::EncodingLimit,
                    code::SELECTOR_LIMIT,
                    format!("more than {} selectors; send fewer", Self::MAX),
                )
                .with_detail(Detail::SELECTOR_LIMIT));
            }
            if set.find(&name).is_some() {
                return Err(Fault::new(
                    Subcode::InvalidSelectors,
                    code::DUPLICATE_SELECTORS,
                    format!("duplicate selector {name}; send it once"),
                )
                .with_detail(Detail::DUPLICATE_SELECTORS));
            }
            let value = match selector.child(ADDRESSING, "EndpointReference") {
                Some(reference) => {
                    SelectorValue::Reference(Box::new(EndpointReference::parse_within(reference, depth + 1)?))
                }
                None => SelectorValue::Text(selector.text().trim().to_owned()),
            };
            set.0.push(Selector { name, value });
        }
        Ok(set)
    }

    /// Writes a `w:SelectorSet`; an empty set writes nothing.
    pub fn write(&self, writer: &mut Writer) {
        if self.0.is_empty() {
            return;
        }
        writer.start("w:SelectorSet");
        for selector in &self.0 {
            writer.start("w:Selector").attribute("Name", &selector.name);
            match &selector.value {
                SelectorValue::Text(text) => {
                    writer.text(text);
                }
                SelectorValue::Reference(reference) => reference.write(writer, "a:EndpointReference"),
            }
            writer.end();
        }
        writer.end();
    }

    /// Returns the text value of a selector, whose name is compared without regard to case.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.find(name)?.value {
            SelectorValue::Text(text) => Some(text),
            SelectorValue::Reference(_) => None,
        }
    }

    /// Returns the selector with a name, compared without regard to case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Selector> {
        self.0.iter().find(|selector| selector.name.eq_ignore_ascii_case(name))
    }

    /// Selectors in order.
    pub fn iter(&self) -> impl Iterator<Item = &Selector> {
        self.0.iter()
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of selectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
