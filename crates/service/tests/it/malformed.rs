//! Tests of malformed messages: each is answered and none is processed.

mod excessive;
mod not_text;
mod not_wsman;
mod not_xml;

use wsman::{Code, code};

use crate::message::Message;
use crate::probe::URI;
use crate::running::Running;
use crate::wire::{Answer, Post, Wire, post};

#[tokio::test]
async fn malformed_xml_is_rejected_while_others_are_served() {
    let cases = not_xml::cases().into_iter();
    refuses(cases.map(|(name, text)| xml_case(name, text, code::INVALID_XML)), 100).await;
}

#[tokio::test]
async fn excessive_content_is_rejected_and_not_repeated_in_the_fault() {
    let cases = excessive::cases().into_iter();
    refuses(cases.map(|(name, text, code)| xml_case(name, text, code)), 30).await;
}

#[tokio::test]
async fn other_xml_than_soap_envelopes_is_rejected() {
    let cases = not_wsman::envelopes().into_iter();
    refuses(cases.map(|(name, text, code)| xml_case(name.to_owned(), text, code)), 20).await;
}

#[tokio::test]
async fn messages_with_wrong_headers_are_rejected() {
    let cases = not_wsman::headers().into_iter();
    refuses(cases.map(|(name, text, code)| xml_case(name, text, code)), 80).await;
}

/// Two readers could each use a different one of the headers.
#[tokio::test]
async fn messages_with_repeated_headers_are_rejected() {
    let cases = not_wsman::doubled().into_iter();
    refuses(cases.map(|(name, text, code)| xml_case(name, text, code)), 9).await;
}

#[tokio::test]
async fn bodies_with_wrong_encodings_are_rejected() {
    refuses(not_text::cases().into_iter(), 30).await;
}

/// DSP0226 13.1.
#[tokio::test]
async fn other_character_sets_than_utf_8_and_utf_16_are_a_fault() {
    let cases = ["us-ascii", "iso-8859-1", "utf-7", "utf-32", "ucs-2", "x"].map(|charset| {
        let content_type = format!("application/soap+xml;charset={charset}");
        let request = post(wrong("echo")).header("Content-Type", &content_type);
        (charset.to_owned(), request, Refusal::Fault(code::CHARACTER_SET))
    });
    refuses(cases.into_iter(), 6).await;
}

/// Expected response to a malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A fault with this code.
    Fault(Code),
    /// An HTTP status without a message.
    Status(u16),
}

/// Sends at least `at_least` messages and lists all that were not rejected as expected.
async fn refuses(cases: impl ExactSizeIterator<Item = (String, Post, Refusal)>, at_least: usize) {
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let mut bystander = running.connect().await;
    let mut wrong = Vec::new();
    for (name, request, expected) in cases {
        let answer = wire.ask(&request).await;
        let found = refusal(&answer);
        if found != Ok(expected) {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
        if answer.body.len() > LARGEST_REFUSAL {
            wrong.push(format!("{name}: an answer of {} octets", answer.body.len()));
        }
        if running.probe.take_call("wrong") {
            wrong.push(format!("{name}: was acted upon"));
        }
        // The HTTP request was valid, so the connection stays open, and other clients are not affected.
        assert_eq!(echo(&mut wire).await, 200, "{name}: on the same connection");
        assert_eq!(echo(&mut bystander).await, 200, "{name}: on another connection");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    running.stop().await;
}

/// A fault may repeat the wrong value, but only a limited part of it.
const LARGEST_REFUSAL: usize = 16 * 1_024;

fn refusal(answer: &Answer) -> Result<Refusal, String> {
    if answer.body.is_empty() && answer.status >= 400 && answer.status != 500 {
        return Ok(Refusal::Status(answer.status));
    }
    let fault = answer.try_fault()?;
    if fault.reason().is_empty() {
        return Err(format!("a fault {} without a reason", fault.code()));
    }
    Ok(Refusal::Fault(fault.code()))
}

async fn echo(wire: &mut Wire) -> u16 {
    wire.ask(&post(Message::probe("echo", "right"))).await.status
}

fn xml_case(name: String, text: String, code: Code) -> (String, Post, Refusal) {
    (name, post(text), Refusal::Fault(code))
}

/// Returns a valid message with this body.
fn around(body: &str) -> String {
    wrong("echo").body(body).text()
}

/// Returns a message that must not be processed.
fn wrong(behaviour: &str) -> Message {
    Message::probe(behaviour, "wrong")
}

/// Returns a message that uses all features of XML, SOAP and WS-Management.
fn everything() -> String {
    let headers = "<!-- c --><w:SelectorSet><w:Selector Name=\"n\">v</w:Selector></w:SelectorSet>\
         <w:OptionSet><w:Option Name='o' MustComply=\"true\" xsi:nil=\"true\"/></w:OptionSet>\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\">153600</w:MaxEnvelopeSize>\
         <w:OperationTimeout>PT60.000S</w:OperationTimeout><w:Locale xml:lang=\"de\" s:mustUnderstand=\"false\"/>";
    let body = format!("<t:Ask xmlns:t=\"{URI}\">whole<![CDATA[<]]>&#x41;&lt;\r\n</t:Ask>");
    let text = Message::new(&format!("{URI}/echo"), crate::probe::ACTION).header(headers).body(&body).text();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{text}")
}

#[tokio::test]
async fn messages_truncated_anywhere_are_rejected() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let whole = everything();
    assert_eq!(wire.ask(&post(whole.clone())).await.status, 200);
    for length in 1..whole.len() {
        let answer = wire.ask(&post(&whole.as_bytes()[..length])).await;
        assert_eq!(refusal(&answer), Ok(Refusal::Fault(code::INVALID_XML)), "after {:?}", &whole[..length]);
    }
    running.stop().await;
}

/// A message with one wrong byte may still be valid. In any case the response must be readable.
#[tokio::test]
async fn a_message_with_any_wrong_byte_is_answered_and_can_be_followed() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let whole = everything().into_bytes();
    let mut right = 0;
    for at in 0..whole.len() {
        for octet in [None, Some(0), Some(b'<'), Some(b'&'), Some(b'"'), Some(0xFF)] {
            let mut octets = whole[..at].to_vec();
            octets.extend(octet);
            octets.extend(&whole[at + 1..]);
            let answer = wire.ask(&post(octets)).await;
            if answer.status == 200 {
                right += 1;
            } else {
                refusal(&answer).unwrap_or_else(|reason| panic!("octet {at} as {octet:?}: {reason}"));
            }
        }
    }
    assert!(right > 10, "only {right} were right, so the refusals mean little");
    running.stop().await;
}

#[tokio::test]
async fn the_number_of_elements_is_limited() {
    let running = Running::start(&[("MaxEnvelopeSizekb", "4096")]).await;
    let mut wire = running.connect().await;
    let request = post(around(&format!("<x>{}</x>", "<y/>".repeat(250_000))));
    assert_eq!(refusal(&wire.ask(&request).await), Ok(Refusal::Fault(code::INVALID_XML)));
    let request = post(around(&format!("<x>{}</x>", "<y/>".repeat(190_000))));
    assert_eq!(wire.ask(&request).await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn unusual_but_valid_messages_are_answered_in_their_encoding() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let right = Message::probe("echo", "Grüße 😀").text();
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let marked = format!("\u{FEFF}{right}");
    let soap = "application/soap+xml";
    for (content_type, octets) in [
        (Some("application/soap+xml;charset=UTF-8"), right.clone().into_bytes()),
        (Some("Application/SOAP+XML; Charset=\"utf-8\"; action=\"u:x\""), right.clone().into_bytes()),
        (Some(soap), right.clone().into_bytes()),
        (Some("text/xml; charset=utf-8"), right.clone().into_bytes()),
        (Some("application/xml"), right.clone().into_bytes()),
        (None, right.clone().into_bytes()),
        (Some(soap), marked.clone().into_bytes()),
        (Some(soap), format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{right}").into_bytes()),
        (Some("application/soap+xml;charset=UTF-16"), little(&right)),
        (Some("application/soap+xml;charset=utf-16"), little(&marked)),
        (Some("application/soap+xml;charset=utf-16"), big(&marked)),
        (Some("application/soap+xml;charset=UTF-16LE"), little(&right)),
        (Some(soap), format!("\r\n<!-- a --> {right} <!-- b -->\n").into_bytes()),
    ] {
        let mut request = post(octets).without("Content-Type");
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let answer = wire.ask(&request).await;
        assert_eq!(answer.response().content().unwrap().text(), "Grüße 😀", "{content_type:?}");
        let is_utf_16 = content_type.is_some_and(|text| text.to_ascii_lowercase().contains("utf-16"));
        let answered = answer.header("Content-Type").unwrap().contains("UTF-16");
        assert_eq!(answered, is_utf_16, "{content_type:?}");
    }
    // Faults have the encoding of the request as well.
    let request = post(little("<x/>")).header("Content-Type", "application/soap+xml;charset=UTF-16");
    assert_eq!(wire.ask(&request).await.fault().code(), code::SCHEMA_VALIDATION_ERROR);
    running.stop().await;
}
