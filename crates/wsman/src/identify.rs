//! Identify: who is there (DSP0226 11, MS-WSMV 3.1.4.17).

use xml::{Element, Writer};

use crate::namespace::{IDENTITY, WSMAN};

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The version of the protocol, a URI.
    pub protocol_version: String,
    /// Who made the service.
    pub product_vendor: String,
    /// Which version it is; `OS: 0.0.0 SP: 0.0 Stack: 3.0` to those who have not signed in.
    pub product_version: String,
    /// How one may sign in, as URIs; none to those who have not.
    pub security_profiles: Vec<String>,
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
        }
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
        Self {
            protocol_version: text("ProtocolVersion"),
            product_vendor: text("ProductVendor"),
            product_version: text("ProductVersion"),
            security_profiles: profiles
                .flat_map(|profiles| profiles.children())
                .map(|profile| profile.text().trim().to_owned())
                .collect(),
        }
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
}
