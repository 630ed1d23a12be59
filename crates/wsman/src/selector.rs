//! Which instance of a resource a message is about (DSP0226 5.4.2).

use xml::{Element, Writer};

use crate::EndpointReference;
use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{ADDRESSING, WSMAN};

/// Selectors in the order they were given; names are unique without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectorSet(Vec<Selector>);

/// One name with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The name of a key.
    pub name: String,
    /// Its value.
    pub value: SelectorValue,
}

/// What a selector may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorValue {
    /// Nearly always a text.
    Text(String),
    /// A key that is a reference to another instance.
    Reference(Box<EndpointReference>),
}

impl SelectorSet {
    /// How many selectors one message may carry.
    pub const MAX: usize = 100;

    /// No selectors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set with one more text selector; an earlier one of the same name is replaced.
    #[must_use]
    pub fn with(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_value(name.into(), SelectorValue::Text(value.into()))
    }

    /// The set with one more selector whose value is a reference; an earlier one of the same name is replaced.
    #[must_use]
    pub fn with_reference(self, name: impl Into<String>, reference: EndpointReference) -> Self {
        self.with_value(name.into(), SelectorValue::Reference(Box::new(reference)))
    }

    fn with_value(mut self, name: String, value: SelectorValue) -> Self {
        self.0.retain(|selector| !selector.name.eq_ignore_ascii_case(&name));
        self.0.push(Selector { name, value });
        self
    }

    /// Reads a `w:SelectorSet`.
    ///
    /// # Errors
    /// `w:InvalidSelectors` for a selector without name or of a name that came before.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        Self::parse_within(element, 0)
    }

    /// References nest; `depth` bounds how deep.
    pub(crate) fn parse_within(element: Element<'_>, depth: usize) -> Result<Self, Fault> {
        let mut set = Self::default();
        for selector in element.children().filter(|child| child.is(WSMAN, "Selector")) {
            let Some(name) = selector.attribute("", "Name").filter(|name| !name.trim().is_empty()) else {
                return Err(Fault::new(
                    Subcode::InvalidSelectors,
                    code::INVALID_SELECTORS,
                    "a Selector has no Name attribute",
                ));
            };
            let name = name.trim().to_owned();
            if set.0.len() >= Self::MAX {
                return Err(Fault::new(
                    Subcode::EncodingLimit,
                    code::SELECTOR_LIMIT,
                    format!("more than {} selectors", Self::MAX),
                )
                .with_detail(Detail::SELECTOR_LIMIT));
            }
            if set.find(&name).is_some() {
                return Err(Fault::new(
                    Subcode::InvalidSelectors,
                    code::DUPLICATE_SELECTORS,
                    format!("the selector {name} is given twice"),
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

    /// The text value of a selector, its name compared without regard to case.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.find(name)?.value {
            SelectorValue::Text(text) => Some(text),
            SelectorValue::Reference(_) => None,
        }
    }

    /// The selector of a name, compared without regard to case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Selector> {
        self.0.iter().find(|selector| selector.name.eq_ignore_ascii_case(name))
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Selector> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
