//! Excessive content, some of which would take much time or memory to process.

use std::fmt::Write as _;

use wsman::{Code, code};

use super::{around, wrong};
use crate::message::Message;

/// Cases: name, text and fault code of each.
pub(super) fn cases() -> Vec<(String, String, Code)> {
    let numbered = |count: usize, one: fn(usize) -> String| (0..count).map(one).collect::<String>();
    let deep = |depth: usize| "<x>".repeat(depth) + &"</x>".repeat(depth);
    let scopes = |count: usize| {
        let start = numbered(count, |at| format!("<x xmlns:b{at}=\"u{at}\">"));
        start + &"</x>".repeat(count)
    };
    let faults = [
        ("elements inside each other", around(&deep(101))),
        ("very many elements inside each other", around(&deep(60_000))),
        ("elements inside each other without end", "<x>".repeat(100_000)),
        ("attributes", around(&format!("<x {}/>", numbered(65, |at| format!(" a{at}=\"\""))))),
        ("very many attributes", around(&format!("<x {}/>", numbered(40_000, |at| format!(" a{at}=\"\""))))),
        ("declarations", around(&format!("<x {}/>", numbered(65, |at| format!(" xmlns:b{at}=\"u\""))))),
        ("declarations in the envelope", {
            let more = numbered(65, |at| format!(" xmlns:b{at}=\"u{at}\""));
            wrong("echo").text().replacen("<s:Envelope", &format!("<s:Envelope{more}"), 1)
        }),
        ("scopes", around(&scopes(99))),
        ("declarations in force", {
            let one = numbered(60, |at| format!(" xmlns:b{at}=\"u{at}\""));
            around(&(format!("<x{one}>").repeat(10) + &"</x>".repeat(10)))
        }),
        ("the longest declaration", format!("<?xml version=\"1.0\"{}?><x/>", " ".repeat(400_000))),
    ];
    let mut cases: Vec<_> =
        faults.into_iter().map(|(name, text)| (name.to_owned(), text, code::INVALID_XML)).collect();
    let long = "x".repeat(400_000);
    let marked = |header: String| wrong("echo").header(&header).text();
    for (name, text, code) in [
        ("the name of the root", format!("<{long}/>"), code::SCHEMA_VALIDATION_ERROR),
        ("the namespace of the root", format!("<Envelope xmlns=\"{long}\"/>"), code::VERSION_MISMATCH),
        (
            "a header that must be understood",
            marked(format!("<{long} s:mustUnderstand=\"1\"/>")),
            code::MUST_UNDERSTAND,
        ),
        (
            "the namespace of a header that must be understood",
            marked(format!("<x xmlns=\"{long}\" s:mustUnderstand=\"1\"/>")),
            code::MUST_UNDERSTAND,
        ),
        ("a ResourceURI", Message::new(&long, "wrong").text(), code::URI_LIMIT_EXCEEDED),
        (
            "an unknown ResourceURI that is just short enough",
            Message::new(&long[..2_048], "wrong").text(),
            code::INVALID_RESOURCE_URI,
        ),
        (
            "an Action",
            Message::new(wsman::namespace::CONFIG, &format!("u:{long}")).text(),
            code::INVALID_HEADER,
        ),
        ("a MessageID", Message { id: long.clone(), ..wrong("echo") }.text(), code::INVALID_HEADER),
        ("a To", marked(format!("<a:To>{long}</a:To>")), code::INVALID_HEADER),
        ("a SessionId", marked(format!("<p:SessionId>{long}</p:SessionId>")), code::INVALID_HEADER),
        ("an OperationID", marked(format!("<p:OperationID>{long}</p:OperationID>")), code::INVALID_HEADER),
        ("a SequenceId", marked(format!("<p:SequenceId>{long}</p:SequenceId>")), code::INVALID_HEADER),
        ("an ActivityId", marked(format!("<p:ActivityId>{long}</p:ActivityId>")), code::INVALID_HEADER),
        (
            "the name of a selector",
            Message::transfer(wsman::namespace::CONFIG, "Get").selector(&long, "x").text(),
            code::UNEXPECTED_SELECTORS,
        ),
        (
            "the name of an option",
            Message::transfer(wsman::namespace::SHELL_CMD, "Create")
                .option(&long, "x")
                .body("<rsp:Shell/>")
                .text(),
            code::OPTION_NOT_SUPPORTED,
        ),
        (
            "a signal",
            Message::shell("Signal")
                .selector("ShellId", "x")
                .body(&format!("<rsp:Signal><rsp:Code>{long}</rsp:Code></rsp:Signal>"))
                .text(),
            code::UNEXPECTED_SELECTORS,
        ),
        (
            "the name of a body",
            Message::transfer(wsman::namespace::SHELL_CMD, "Create").body(&format!("<{long}/>")).text(),
            code::SCHEMA_VALIDATION_ERROR,
        ),
        (
            "an EnumerationMode",
            Message::enumeration(&format!("{}/Listener", wsman::namespace::CONFIG), "Enumerate")
                .body(&format!("<n:Enumerate><w:EnumerationMode>{long}</w:EnumerationMode></n:Enumerate>"))
                .text(),
            code::ENUMERATION_MODE,
        ),
        (
            "selectors",
            marked(format!(
                "<w:SelectorSet>{}</w:SelectorSet>",
                numbered(101, |at| format!("<w:Selector Name=\"n{at}\"/>"))
            )),
            code::SELECTOR_LIMIT,
        ),
        (
            "very many selectors",
            marked(format!(
                "<w:SelectorSet>{}</w:SelectorSet>",
                numbered(12_000, |at| format!("<w:Selector Name=\"n{at}\"/>"))
            )),
            code::SELECTOR_LIMIT,
        ),
        (
            "options",
            marked(format!(
                "<w:OptionSet>{}</w:OptionSet>",
                numbered(101, |at| format!("<w:Option Name=\"n{at}\"/>"))
            )),
            code::OPTION_LIMIT,
        ),
        ("references inside each other", marked(nested_references(6)), code::INVALID_SELECTORS),
        ("very many references inside each other", marked(nested_references(60)), code::INVALID_XML),
        (
            "environment variables",
            Message::transfer(wsman::namespace::SHELL_CMD, "Create")
                .body(&format!(
                    "<rsp:Shell><rsp:Environment>{}</rsp:Environment></rsp:Shell>",
                    numbered(1_001, |at| format!("<rsp:Variable Name=\"n{at}\"/>"))
                ))
                .text(),
            code::SCHEMA_VALIDATION_ERROR,
        ),
        (
            "the identifier of a shell",
            Message::transfer(wsman::namespace::SHELL_CMD, "Create")
                .body(&format!("<rsp:Shell ShellId=\"{long}\"/>"))
                .text(),
            code::INVALID_PARAMETER,
        ),
    ] {
        cases.push((name.to_owned(), text, code));
    }
    cases
}

fn nested_references(depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..depth {
        write!(text, "<w:SelectorSet><w:Selector Name=\"n\"><a:EndpointReference><a:ReferenceParameters><w:ResourceURI>u</w:ResourceURI>").unwrap();
    }
    for _ in 0..depth {
        write!(text, "</a:ReferenceParameters></a:EndpointReference></w:Selector></w:SelectorSet>").unwrap();
    }
    text
}
