//! Identify: who is there (DSP0226 11, MS-WSMV 3.1.4.17).

use std::fmt;

use xml::{Element, Writer};

use crate::namespace::{IDENTITY, OWN_IDENTITY, WSMAN};

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The version of the protocol, a URI.
    pub protocol_version: String,
    /// Who made the service, or whom its administrator names in that place.
    pub product_vendor: String,
    /// Which version it is; `OS: 0.0.0 SP: 0.0 Stack: 3.0` to those who have not signed in.
    pub product_version: String,
    /// How one may sign in, as URIs; none to those who have not.
    pub security_profiles: Vec<String>,
    /// What the service really is, where its administrator has it name another vendor.
    pub product: Option<String>,
}

impl Identity {
    /// What is told to everyone: the protocol, and nothing of the machine.
    #[must_use]
    pub fn anonymous(vendor: &str) -> Self {
        Self {
            protocol_version: WSMAN.to_owned(),
            product_vendor: vendor.to_owned(),
            product_version: "OS: 0.0.0 SP: 0.0 Stack: 3.0".to_owned(),
            security_profiles: Vec::new(),
            product: None,
        }
    }

    /// Whether it is Windows, which says just this vendor and nothing else that it is; OMI on Linux says "Microsoft".
    #[must_use]
    pub fn is_windows(&self) -> bool {
        self.product_vendor == "Microsoft Corporation" && self.product.is_none()
    }

    /// Writes the body of the answer.
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

    /// Reads the body of an answer by local names: OMI writes it in the SOAP namespace.
    #[must_use]
    pub fn parse(response: Element<'_>) -> Self {
        let text = |name: &str| {
            let element = response.children().find(|child| child.name() == name);
            element.map(|element| element.text().trim().to_owned()).unwrap_or_default()
        };
        let profiles = response.children().filter(|child| child.name() == "SecurityProfiles");
        let product = response.children().find(|child| child.is(OWN_IDENTITY, "Product"));
        Self {
            protocol_version: text("ProtocolVersion"),
            product_vendor: text("ProductVendor"),
            product_version: text("ProductVersion"),
            security_profiles: profiles
                .flat_map(|profiles| profiles.children())
                .map(|profile| profile.text().trim().to_owned())
                .collect(),
            product: product.map(|product| product.text().trim().to_owned()),
        }
    }
}

/// In one line, for people: `Telarch, OS: 6.1.0 SP: 0.0 Stack: 3.0`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(product) = &self.product {
            write!(f, "{product}, which calls its vendor ")?;
        }
        write!(f, "{}, {}", self.product_vendor, self.product_version)
    }
}

/// Writes the body of the question.
pub fn write_request(writer: &mut Writer) {
    writer.start("wsmid:Identify").namespace("wsmid", IDENTITY).end_empty();
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    #[test]
    fn an_identity_is_read_in_any_namespace() {
        let text = "<o:IdentifyResponse xmlns:o='urn:other'><ProductVendor> Example </ProductVendor>\
                    <o:ProtocolVersion>urn:p</o:ProtocolVersion><o:SecurityProfiles>\
                    <o:SecurityProfileName>urn:a</o:SecurityProfileName><b>urn:b</b></o:SecurityProfiles>\
                    </o:IdentifyResponse>";
        let document = Document::parse(text, &Bounds::default()).expect("XML");
        let identity = Identity::parse(document.root());
        let told = (identity.product_vendor.as_str(), identity.protocol_version.as_str());
        assert_eq!(told, ("Example", "urn:p"));
        assert_eq!((identity.product_version.as_str(), identity.security_profiles.len()), ("", 2));
    }

    #[test]
    fn windows_is_who_names_its_vendor_and_is_nothing_else() {
        let named = Identity::anonymous;
        assert!(named("Microsoft Corporation").is_windows());
        // OMI on Linux, and our own with a vendor of the settings.
        assert!(!named("Microsoft").is_windows());
        let ours = Identity { product: Some("Example".to_owned()), ..named("Microsoft Corporation") };
        assert!(!ours.is_windows());
        let told = "Example, which calls its vendor Microsoft Corporation, OS: 0.0.0 SP: 0.0 Stack: 3.0";
        assert_eq!(ours.to_string(), told);
        assert_eq!(named("Example").to_string(), "Example, OS: 0.0.0 SP: 0.0 Stack: 3.0");
    }

    #[test]
    fn only_our_own_element_says_what_a_service_really_is() {
        let text = "<IdentifyResponse><Product>Other</Product><Product xmlns='urn:other'>Other</Product>\
                    </IdentifyResponse>";
        let document = Document::parse(text, &Bounds::default()).expect("XML");
        assert_eq!(Identity::parse(document.root()).product, None);
    }
}
