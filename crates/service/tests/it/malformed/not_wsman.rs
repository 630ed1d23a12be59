//! XML that is not SOAP, and SOAP that is not WS-Management.

use wsman::namespace::{ANONYMOUS, SOAP, WSMAN};
use wsman::{Code, code};

use super::wrong;
use crate::message::{Message, NAMESPACES, envelope, identify};

/// Invalid envelopes: name, text and fault code of each.
pub(super) fn envelopes() -> Vec<(&'static str, String, Code)> {
    let right = wrong("echo").text();
    let namespaces = NAMESPACES.as_str();
    let header = wrong("echo").required().concat();
    let schema = code::SCHEMA_VALIDATION_ERROR;
    let soap_11 = right.replace(SOAP, "http://schemas.xmlsoap.org/soap/envelope/");
    vec![
        ("SOAP 1.1", soap_11, code::VERSION_MISMATCH),
        (
            "SOAP of the future",
            right.replace(SOAP, "http://www.w3.org/2099/01/soap-envelope"),
            code::VERSION_MISMATCH,
        ),
        (
            "an envelope without namespace",
            "<Envelope><Header/><Body/></Envelope>".to_owned(),
            code::VERSION_MISMATCH,
        ),
        ("an empty document", "<x/>".to_owned(), schema),
        ("HTML", "<html><body><p>wrong</p></body></html>".to_owned(), schema),
        ("an envelope in lower case", format!("<s:envelope {namespaces}><s:Body/></s:envelope>"), schema),
        ("a body without envelope", format!("<s:Body {namespaces}/>"), schema),
        ("a fault without envelope", format!("<s:Fault {namespaces}/>"), schema),
        ("an envelope of nothing", format!("<s:Envelope {namespaces}/>"), schema),
        ("an envelope of text", format!("<s:Envelope {namespaces}>wrong</s:Envelope>"), schema),
        (
            "an envelope without body",
            format!("<s:Envelope {namespaces}><s:Header>{header}</s:Header></s:Envelope>"),
            schema,
        ),
        ("a body of another namespace", right.replace("s:Body", "w:Body"), schema),
        ("a body in lower case", right.replace("s:Body", "s:body"), schema),
        ("a header of another namespace", right.replace("s:Header", "w:Header"), code::HEADER_REQUIRED),
        ("no header", format!("<s:Envelope {namespaces}><s:Body/></s:Envelope>"), code::HEADER_REQUIRED),
        ("an empty header", envelope("", ""), code::HEADER_REQUIRED),
        ("a header of text", envelope("wrong", ""), code::HEADER_REQUIRED),
        (
            "headers beside the header",
            format!("<s:Envelope {namespaces}>{header}<s:Header/><s:Body/></s:Envelope>"),
            code::HEADER_REQUIRED,
        ),
        (
            "a header behind the body",
            format!("<s:Envelope {namespaces}><s:Body/><s:Header>{header}</s:Header></s:Envelope>"),
            schema,
        ),
        (
            "a second header behind the body",
            right.replace("</s:Envelope>", &format!("<s:Header>{header}</s:Header></s:Envelope>")),
            schema,
        ),
        ("two headers", right.replace("<s:Body", "<s:Header/><s:Body"), schema),
        ("two bodies", right.replace("</s:Envelope>", "<s:Body/></s:Envelope>"), schema),
        ("headers in the body", envelope("", &header), code::HEADER_REQUIRED),
        (
            "Identify in another namespace",
            identify().replace("identity/1/", "identity/2/"),
            code::HEADER_REQUIRED,
        ),
        (
            "Identify in the header",
            envelope(
                "<i:Identify xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"/>",
                "",
            ),
            code::HEADER_REQUIRED,
        ),
    ]
}

/// Wrong headers: name, text and fault code of each.
pub(super) fn headers() -> Vec<(String, String, Code)> {
    let message = wrong("echo");
    let required = message.required();
    let [resource, action, id, reply_to] = &required;
    let body = message.body.clone();
    let mut cases: Vec<(String, String, Code)> = Vec::new();
    let headers = |headers: &[&String]| {
        let headers: String = headers.iter().map(|header| header.as_str()).collect();
        envelope(&headers, &body)
    };
    let mut case = |name: &str, text: String, code: Code| cases.push((name.to_owned(), text, code));

    case("no ResourceURI", headers(&[action, id, reply_to]), code::INVALID_RESOURCE_URI);
    case("no Action", headers(&[resource, id, reply_to]), code::HEADER_REQUIRED);
    case("no MessageID", headers(&[resource, action, reply_to]), code::INVALID_MESSAGE_INFORMATION_HEADER);
    case("no ReplyTo", headers(&[resource, action, id]), code::HEADER_REQUIRED);
    for (name, at, expected) in [
        ("ResourceURI", 0, code::INVALID_RESOURCE_URI),
        ("Action", 1, code::HEADER_REQUIRED),
        ("MessageID", 2, code::INVALID_MESSAGE_INFORMATION_HEADER),
        ("ReplyTo", 3, code::ADDRESSING_MODE),
    ] {
        let prefix = if at == 0 { "w" } else { "a" };
        for (kind, content) in
            [("empty", ""), ("blank", " \t\r\n "), ("commented", "<!-- x -->"), ("nested", "<x/>")]
        {
            let mut changed = required.clone();
            changed[at] = format!("<{prefix}:{name}>{content}</{prefix}:{name}>");
            case(&format!("{kind} {name}"), envelope(&changed.concat(), &body), expected);
        }
        let mut changed = required.clone();
        changed[at] = changed[at].replace(&format!("{prefix}:{name}"), &format!("p:{name}"));
        let missing = if at == 3 { code::HEADER_REQUIRED } else { expected };
        // It does not matter whether the unknown mandatory header or the missing one is reported first.
        let text = envelope(&changed.concat(), &body).replace("s:mustUnderstand=\"true\"", "");
        case(&format!("{name} of another namespace"), text, missing);
    }
    let also = |header: &str| message.clone().header(header).text();
    for address in [
        "",
        "http://127.0.0.1:9/",
        "anonymous",
        "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/none",
        "http://www.w3.org/2005/08/addressing/anonymous",
    ] {
        let to = |name: &str| format!("<a:{name}><a:Address>{address}</a:Address></a:{name}>");
        case(
            &format!("ReplyTo {address:?}"),
            headers(&[resource, action, id, &to("ReplyTo")]),
            code::ADDRESSING_MODE,
        );
        case(&format!("FaultTo {address:?}"), also(&to("FaultTo")), code::ADDRESSING_MODE);
    }
    let later = format!(
        "<a:ReplyTo xmlns:a=\"http://www.w3.org/2005/08/addressing\"><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>"
    );
    case("WS-Addressing 1.0", headers(&[resource, action, id, &later]), code::HEADER_REQUIRED);

    for value in ["1", "true", "TRUE", " true "] {
        let header = format!("<x:Header xmlns:x=\"urn:x\" s:mustUnderstand=\"{value}\"/>");
        case(
            &format!("an unknown header with mustUnderstand {value:?}"),
            also(&header),
            code::MUST_UNDERSTAND,
        );
    }
    case(
        "a known header in another namespace that must be understood",
        also("<p:Locale s:mustUnderstand=\"1\"/>"),
        code::MUST_UNDERSTAND,
    );
    case(
        "Locale that must be understood",
        also("<w:Locale xml:lang=\"de\" s:mustUnderstand=\"1\"/>"),
        code::LOCALE,
    );
    case(
        "DataLocale that must be understood",
        also("<p:DataLocale xml:lang=\"de\" s:mustUnderstand=\"1\"/>"),
        code::LOCALE,
    );
    case(
        "FragmentTransfer that need not be understood",
        also("<w:FragmentTransfer>x</w:FragmentTransfer>"),
        code::INVALID_HEADER,
    );

    for value in ["", "x", "-1", "+8192", "8192.0", "1e5", "0x2000", "٨١٩٢", "8 192"] {
        case(
            &format!("MaxEnvelopeSize {value:?}"),
            also(&format!("<w:MaxEnvelopeSize>{value}</w:MaxEnvelopeSize>")),
            code::SCHEMA_VALIDATION_ERROR,
        );
    }
    for value in ["0", "1", "8191", "0000000000000000000000008191"] {
        case(
            &format!("MaxEnvelopeSize {value:?}"),
            also(&format!("<w:MaxEnvelopeSize>{value}</w:MaxEnvelopeSize>")),
            code::MINIMUM_ENVELOPE_LIMIT,
        );
    }
    for value in [
        "", "x", "60", "P", "PT", "PTS", "PT1", "PT1X", "1S", "pt1s", "PT1S2M", "PT1.5M", "P1S", "PT+1S",
        "PT 1S", "INF",
    ] {
        case(
            &format!("OperationTimeout {value:?}"),
            also(&format!("<w:OperationTimeout>{value}</w:OperationTimeout>")),
            code::INVALID_HEADER,
        );
    }
    for value in ["-PT1S", "-P1D"] {
        case(
            &format!("OperationTimeout {value:?}"),
            also(&format!("<w:OperationTimeout>{value}</w:OperationTimeout>")),
            code::INVALID_HEADER,
        );
    }
    for (name, set, code) in [
        (
            "a selector without name",
            "<w:SelectorSet><w:Selector>x</w:Selector></w:SelectorSet>",
            code::INVALID_SELECTORS,
        ),
        (
            "a selector with an empty name",
            "<w:SelectorSet><w:Selector Name=\" \">x</w:Selector></w:SelectorSet>",
            code::INVALID_SELECTORS,
        ),
        (
            "a selector twice",
            "<w:SelectorSet><w:Selector Name=\"n\"/><w:Selector Name=\"N\"/></w:SelectorSet>",
            code::DUPLICATE_SELECTORS,
        ),
        (
            "a reference to nothing",
            "<w:SelectorSet><w:Selector Name=\"n\"><a:EndpointReference/></w:Selector></w:SelectorSet>",
            code::INVALID_RESOURCE_URI,
        ),
        (
            "an option without name",
            "<w:OptionSet><w:Option>x</w:Option></w:OptionSet>",
            code::INVALID_OPTION_NAME,
        ),
        (
            "an option with an empty name",
            "<w:OptionSet><w:Option Name=\"\"/></w:OptionSet>",
            code::INVALID_OPTION_NAME,
        ),
    ] {
        case(name, also(set), code);
    }
    for resource in [
        "u",
        "http://telarch.test/prob",
        "http://telarch.test/probes",
        "http://telarch.test/probe2/echo",
        WSMAN,
    ] {
        case(
            &format!("the unknown resource {resource}"),
            Message { resource: resource.to_owned(), ..message.clone() }.text(),
            code::INVALID_RESOURCE_URI,
        );
    }
    cases
}

/// Repeated headers: name, text and fault code of each.
pub(super) fn doubled() -> Vec<(String, String, Code)> {
    let message = wrong("echo");
    let required = message.required().map(|header| message.clone().header(&header));
    let optional = [
        "<w:SelectorSet><w:Selector Name=\"n\"/></w:SelectorSet>",
        "<w:OptionSet><w:Option Name=\"n\"/></w:OptionSet>",
        "<w:MaxEnvelopeSize>10000</w:MaxEnvelopeSize>",
        "<w:OperationTimeout>PT1S</w:OperationTimeout>",
        "<w:FragmentTransfer s:mustUnderstand=\"1\">x</w:FragmentTransfer>",
    ]
    .map(|header| message.clone().header(&header.repeat(2)));
    let all = required.into_iter().chain(optional);
    all.map(|message| (message.headers.clone(), message.text(), code::INVALID_HEADER)).collect()
}
