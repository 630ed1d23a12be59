//! Lookup of users and groups on a service, for reading and writing security descriptors.
//!
//! The action `LookUpPrincipals` is one of this service; Windows has none over WS-Management.

use std::borrow::Cow;

use sddl::Sid;
use xml::{Element, Writer};

/// Resource that has the action, as an alias of `winrm`.
pub const RESOURCE: &str = "winrm/config/service";

/// Name of the action.
pub const ACTION: &str = "LookUpPrincipals";

/// Kind of the texts in a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// Names of users and groups.
    Name,
    /// Numeric SIDs.
    Sid,
}

/// A user or group that a service found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPrincipal {
    /// SID on the machine of the service.
    pub sid: Sid,
    /// Name on the machine of the service, as received.
    pub name: String,
}

/// Returns the body of a lookup; `resource_uri` is the URI of [`RESOURCE`].
#[must_use]
pub fn request(resource_uri: &str, key: LookupKey, texts: &[String]) -> Writer {
    let element = match key {
        LookupKey::Name => "p:Name",
        LookupKey::Sid => "p:Sid",
    };
    let mut writer = Writer::new();
    writer.start("p:LookUpPrincipals_INPUT").namespace("p", resource_uri);
    for text in texts {
        writer.element(element, text);
    }
    writer.end();
    writer
}

/// Returns the users and groups in the output of a lookup; entries without a valid SID are skipped.
#[must_use]
pub fn found(output: Element<'_>) -> Vec<FoundPrincipal> {
    let entries = output.children().filter_map(|entry| {
        let sid = Sid::parse(child_text(entry, "Sid")?.trim()).ok()?;
        Some(FoundPrincipal { sid, name: child_text(entry, "Name")?.trim().to_owned() })
    });
    entries.collect()
}

fn child_text<'a>(element: Element<'a>, name: &str) -> Option<Cow<'a, str>> {
    element.children().find(|child| child.name() == name).map(|child| child.text())
}
