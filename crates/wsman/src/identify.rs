//! Identify (DSP0226 11, MS-WSMV 3.1.4.17).

use std::borrow::Cow;
use std::fmt;

use xml::{Element, Writer};

use crate::namespace::{IDENTITY, OWN_IDENTITY, WSMAN};

/// Identification of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Protocol version, a URI.
    pub protocol_version: Cow<'static, str>,
    /// Vendor; administrators can configure another one.
    pub product_vendor: String,
    /// Product version; `OS: 0.0.0 SP: 0.0 Stack: 3.0` in responses to unauthenticated requests.
    pub product_version: Cow<'static, str>,
    /// Authentication profiles as URIs; empty in responses to unauthenticated requests.
    pub security_profiles: Vec<Cow<'static, str>>,
    /// Actual product, if the administrator has configured another vendor.
    pub product: Option<String>,
}

impl Identity {
    /// Returns the identification for unauthenticated requests, which reveals nothing about the machine.
    #[must_use]
    pub fn anonymous(vendor: &str) -> Self {
        Self {
            protocol_version: WSMAN.into(),
            product_vendor: vendor.to_owned(),
            product_version: "OS: 0.0.0 SP: 0.0 Stack: 3.0".into(),
            security_profiles: Vec::new(),
            product: None,
        }
    }

    /// Returns whether the service is Windows: it has exactly this vendor and no `Product` element. OMI has "Microsoft".
    #[must_use]
    pub fn is_windows(&self) -> bool {
        self.product_vendor == "Microsoft Corporation" && self.product.is_none()
    }

    /// Writes the body of the response.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("wsmid:IdentifyResponse").namespace("wsmid", IDENTITY);
        writer.element("wsmid:ProtocolVersion", &self.protocol_version);
        writer.element("wsmid:ProductVendor", &self.product_vendor);
        writer.element("wsmid:ProductVersion", &self.product_version);
        if !self.security_profiles.is_empty() {
            writer.start("wsmid:SecurityProfiles");
            for profile in &self.security_profiles {
                writer.element("wsmid:SecurityProfileName", profile);
            }
            writer.end();
        }
        if let Some(product) = &self.product {
            writer.start("telarch:Product").namespace("telarch", OWN_IDENTITY).text(product).end();
        }
        writer.end();
    }

    /// Parses the body of a response by local names, because OMI uses the SOAP namespace.
    #[must_use]
    pub fn parse(response: Element<'_>) -> Self {
        let profiles = response.children().filter(|child| child.name() == "SecurityProfiles");
        let product = response.children().find(|child| child.is(OWN_IDENTITY, "Product"));
        Self {
            protocol_version: text(response, "ProtocolVersion").into(),
            product_vendor: text(response, "ProductVendor"),
            product_version: text(response, "ProductVersion").into(),
            security_profiles: profiles
                .flat_map(|profiles| profiles.children())
                .map(|profile| profile.text().trim().to_owned().into())
                .collect(),
            product: product.map(|product| product.text().trim().to_owned()),
        }
    }
}

fn text(response: Element<'_>, name: &str) -> String {
    let element = response.children().find(|child| child.name() == name);
    element.map(|element| element.text().trim().to_owned()).unwrap_or_default()
}

/// Writes one line: `Telarch, OS: 6.1.0 SP: 0.0 Stack: 3.0`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(product) = &self.product {
            write!(f, "{product}, with the configured vendor ")?;
        }
        write!(f, "{}, {}", self.product_vendor, self.product_version)
    }
}

/// Writes the body of the request.
pub fn write_request(writer: &mut Writer) {
    writer.start("wsmid:Identify").namespace("wsmid", IDENTITY).end_empty();
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    #[test]
    fn an_identity_is_parsed_in_any_namespace() {
        let text = "<o:IdentifyResponse xmlns:o='urn:other'><ProductVendor> Example </ProductVendor>\
                    <o:ProtocolVersion>urn:p</o:ProtocolVersion><o:SecurityProfiles>\
                    <o:SecurityProfileName>urn:a</o:SecurityProfileName><b>urn:b</b></o:SecurityProfiles>\
                    </o:IdentifyResponse>";
        let document = Document::parse(text, &Bounds::default()).expect("XML");
        let identity = Identity::parse(document.root());
        let found = (identity.product_vendor.as_str(), &*identity.protocol_version);
        assert_eq!(found, ("Example", "urn:p"));
        assert_eq!((&*identity.product_version, identity.security_profiles.len()), ("", 2));
    }

    #[test]
    fn windows_is_recognised_by_vendor_and_missing_product() {
        let named = Identity::anonymous;
        assert!(named("Microsoft Corporation").is_windows());
        // OMI on Linux, and Telarch with a configured vendor.
        assert!(!named("Microsoft").is_windows());
        let ours = Identity { product: Some("Example".to_owned()), ..named("Microsoft Corporation") };
        assert!(!ours.is_windows());
        let shown = "Example, with the configured vendor Microsoft Corporation, OS: 0.0.0 SP: 0.0 Stack: 3.0";
        assert_eq!(ours.to_string(), shown);
        assert_eq!(named("Example").to_string(), "Example, OS: 0.0.0 SP: 0.0 Stack: 3.0");
    }

    #[test]
    fn only_telarchs_own_element_names_the_actual_product() {
        let text = "<IdentifyResponse><Product>Other</Product><Product xmlns='urn:other'>Other</Product>\
                    </IdentifyResponse>";
        let document = Document::parse(text, &Bounds::default()).expect("XML");
        assert_eq!(Identity::parse(document.root()).product, None);
    }
}
