//! Addresses of instances (WS-Addressing 2004/08, section 2; DSP0226 5.4).

use xml::{Element, Writer};

use crate::fault::{Fault, Subcode, code};
use crate::namespace::{ADDRESSING, ANONYMOUS, WSMAN};
use crate::{ResourceUri, SelectorSet};

/// An `a:EndpointReference` of WS-Management's default addressing model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointReference {
    /// Where to send messages; anonymous in items of an enumeration.
    pub address: String,
    /// Which resource.
    pub resource: ResourceUri,
    /// Which instance.
    pub selectors: SelectorSet,
}

impl EndpointReference {
    /// A reference whose address says "where you are asking".
    #[must_use]
    pub fn here(resource: ResourceUri, selectors: SelectorSet) -> Self {
        Self { address: ANONYMOUS.to_owned(), resource, selectors }
    }

    /// Reads the children of a reference, whatever the element around them is called.
    ///
    /// # Errors
    /// A fault for a missing resource, wrong selectors or references nested too deep.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        Self::parse_within(element, 0)
    }

    pub(crate) fn parse_within(element: Element<'_>, depth: usize) -> Result<Self, Fault> {
        const DEEPEST: usize = 4;
        if depth > DEEPEST {
            return Err(Fault::new(
                Subcode::InvalidSelectors,
                code::INVALID_SELECTORS,
                format!("endpoint references inside each other more than {DEEPEST} times"),
            ));
        }
        let address = element.child(ADDRESSING, "Address").map(|address| address.text().trim().to_owned());
        // Windows itself uses both names, and keeps them apart nowhere.
        let parameters = element
            .child(ADDRESSING, "ReferenceParameters")
            .or_else(|| element.child(ADDRESSING, "ReferenceProperties"));
        let part = |name| parameters.and_then(|parameters| parameters.child(WSMAN, name));
        let resource = part("ResourceURI").map(|uri| uri.text()).unwrap_or_default();
        let selectors = match part("SelectorSet") {
            Some(set) => SelectorSet::parse_within(set, depth)?,
            None => SelectorSet::new(),
        };
        Ok(Self {
            address: address.filter(|text| !text.is_empty()).unwrap_or_else(|| ANONYMOUS.to_owned()),
            resource: ResourceUri::parse(&resource)?,
            selectors,
        })
    }

    /// Writes the reference as an element of the given name.
    pub fn write(&self, writer: &mut Writer, name: &str) {
        writer.start(name).element("a:Address", &self.address).start("a:ReferenceParameters");
        writer.element("w:ResourceURI", self.resource.as_str());
        self.selectors.write(writer);
        writer.end().end();
    }
}

/// Writes the body of the answer to Create (WS-Transfer 3.3).
pub fn write_resource_created(writer: &mut Writer, reference: &EndpointReference) {
    reference.write(writer, "x:ResourceCreated");
}
