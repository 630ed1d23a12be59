//! References to instances (WS-Addressing 2004/08, section 2; DSP0226 5.4).

use xml::{Element, Writer};

use crate::fault::{Fault, Subcode, code};
use crate::namespace::{ADDRESSING, ANONYMOUS, WSMAN};
use crate::{ResourceUri, SelectorSet};

/// An `a:EndpointReference` in WS-Management's default addressing model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointReference {
    /// Address for messages; anonymous in items of an enumeration.
    pub address: String,
    /// Resource URI.
    pub resource: ResourceUri,
    /// Selectors of the instance.
    pub selectors: SelectorSet,
}

impl EndpointReference {
    /// Creates a reference with the anonymous address, which means the service that sends it.
    #[must_use]
    pub fn anonymous(resource: ResourceUri, selectors: SelectorSet) -> Self {
        Self { address: ANONYMOUS.to_owned(), resource, selectors }
    }

    /// Parses the children of a reference element with any name.
    ///
    /// # Errors
    /// A fault for a missing resource URI, invalid selectors or references nested too deeply.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        Self::parse_within(element, 0)
    }

    pub(crate) fn parse_within(element: Element<'_>, depth: usize) -> Result<Self, Fault> {
        const DEEPEST: usize = 4;
        if depth > DEEPEST {
            return Err(Fault::new(
                Subcode::InvalidSelectors,
                code::INVALID_SELECTORS,
                format!("endpoint references are nested more than {DEEPEST} levels deep; reduce the nesting"),
            ));
        }
        let address = element.child(ADDRESSING, "Address").map(|address| address.text().trim().to_owned());
        // Windows uses both names interchangeably.
        let parameters = element
            .child(ADDRESSING, "ReferenceParameters")
            .or_else(|| element.child(ADDRESSING, "ReferenceProperties"));
        let part = |name| parameters?.child(WSMAN, name);
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

/// Writes the body of the response to Create (WS-Transfer 3.3).
pub fn write_resource_created(writer: &mut Writer, reference: &EndpointReference) {
    reference.write(writer, "x:ResourceCreated");
}
