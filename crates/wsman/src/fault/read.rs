//! Parses faults of every service: all versions of Windows, OMI and openwsman.

use xml::{Element, Fragment, Writer};

use super::{Detail, Fault, Origin, ProviderFault, Subcode};
use crate::namespace::SOAP;

impl Fault {
    /// Parses an `s:Fault` element.
    ///
    /// Missing parts are left empty, so that the client can show every fault.
    #[must_use]
    pub fn parse(element: Element<'_>) -> Self {
        let detail = element.child(SOAP, "Detail");
        let wsman_fault = detail.and_then(|detail| named(detail, "WSManFault"));
        let wmi_error = detail.and_then(|detail| named(detail, "MSFT_WmiError"));
        let code = wsman_fault
            .and_then(|fault| fault.attribute("", "Code"))
            .and_then(|code| number(&code))
            .or_else(|| {
                let error = wmi_error?;
                number(&named(error, "error_Code")?.text())
            })
            .unwrap_or_default();
        let reason = element
            .child(SOAP, "Reason")
            .and_then(|reason| reason.child(SOAP, "Text"))
            .map(|text| text.text().trim().to_owned());
        let message = wsman_fault.and_then(|fault| named(fault, "Message"));
        let words = message.or_else(|| named(wmi_error?, "Message"));
        let message_text = words.map(|words| words.text().trim().to_owned());
        // The message of Windows is more precise than the reason; OMI leaves the reason empty.
        let best = [message_text, reason].into_iter().flatten().find(|text| !text.is_empty());
        let mut fault = Self::new(subcode(element), code, best.unwrap_or_default());
        fault.0.detail = detail
            .and_then(|detail| named(detail, "FaultDetail"))
            .map(|detail| Detail::from_uri(&detail.text()));
        fault.0.machine =
            wsman_fault.and_then(|fault| fault.attribute("", "Machine")).map(std::borrow::Cow::into_owned);
        fault.0.provider = message.and_then(|message| named(message, "ProviderFault")).map(provider);
        fault.0.instance = wmi_error.map(copy);
        fault
    }
}

fn provider(element: Element<'_>) -> ProviderFault {
    ProviderFault {
        provider: attribute(element, "provider"),
        path: attribute(element, "path"),
        text: innermost_text(element, 0).unwrap_or_default(),
        extended: named(element, "ExtendedError").and_then(|error| error.children().next()).map(copy),
    }
}

fn attribute(element: Element<'_>, name: &str) -> String {
    element.attribute("", name).map(std::borrow::Cow::into_owned).unwrap_or_default()
}

fn copy(element: Element<'_>) -> Fragment {
    let mut writer = Writer::new();
    writer.copy(element);
    writer.into_fragment()
}

/// Returns the text of the element or of the first descendant that has text: provider faults are nested.
fn innermost_text(element: Element<'_>, depth: usize) -> Option<String> {
    const DEEPEST: usize = 12;
    let own = element.text().trim().to_owned();
    if !own.is_empty() {
        return Some(own);
    }
    if depth == DEEPEST {
        return None;
    }
    element.children().find_map(|child| innermost_text(child, depth + 1))
}

fn subcode(fault: Element<'_>) -> Subcode {
    let code = fault.child(SOAP, "Code");
    let value = code.and_then(|code| code.child(SOAP, "Value")).map(|value| value.text());
    let origin = match value.as_deref().map(local_name) {
        Some("Sender") => Origin::Sender,
        Some("MustUnderstand") => return Subcode::MustUnderstand,
        Some("VersionMismatch") => return Subcode::VersionMismatch,
        Some("DataEncodingUnknown") => return Subcode::DataEncodingUnknown,
        _ => Origin::Receiver,
    };
    let value =
        code.and_then(|code| code.child(SOAP, "Subcode")).and_then(|subcode| subcode.child(SOAP, "Value"));
    let Some(value) = value else { return Subcode::Other { origin, name: String::new() } };
    let text = value.text();
    let text = text.trim();
    let namespace = text.split_once(':').and_then(|(prefix, _)| value.resolve(prefix)).unwrap_or_default();
    let name = local_name(text);
    Subcode::from_name(namespace, name).unwrap_or_else(|| Subcode::Other { origin, name: name.to_owned() })
}

fn local_name(text: &str) -> &str {
    let text = text.trim();
    text.rsplit_once(':').map_or(text, |(_, name)| name)
}

/// Returns a child by its local name, because the namespaces of fault details differ between services.
fn named<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    element.children().find(|child| child.name() == name)
}

/// Parses a code, which is unsigned, but signed in some services.
fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned))
}
