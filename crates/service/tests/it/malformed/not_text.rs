//! Bodies that are not text, or not text in the declared encoding.

use wsman::code;

use super::{Refusal, around, wrong};
use crate::wire::{Post, post};

/// Cases: name, request and expected rejection of each.
pub(super) fn cases() -> Vec<(String, Post, Refusal)> {
    let right = wrong("echo").text();
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let typed = |content_type: &str, octets: Vec<u8>| post(octets).header("Content-Type", content_type);
    let utf_8 = "application/soap+xml;charset=UTF-8";
    let as_utf_16 = "application/soap+xml;charset=UTF-16";
    let broken = |octets: &[u8]| {
        let text = around("<x>@</x>").into_bytes();
        let at = text.iter().position(|octet| *octet == b'@').unwrap();
        [&text[..at], octets, &text[at + 1..]].concat()
    };
    let mut cases = Vec::new();
    let mut case = |name: &str, request: Post, refusal: Refusal| {
        cases.push((name.to_owned(), request, refusal));
    };
    let bad = Refusal::Status(400);
    let not_xml = Refusal::Fault(code::INVALID_XML);
    for (name, octets) in [
        ("a lone continuation octet", &b"\x80"[..]),
        ("a sequence without end", b"\xE2\x82"),
        ("an overlong slash", b"\xC0\xAF"),
        ("an overlong NUL", b"\xC0\x80"),
        ("an encoded surrogate", b"\xED\xA0\x80"),
        ("beyond Unicode", b"\xF4\x90\x80\x80"),
        ("an octet that UTF-8 never has", b"\xFF"),
        ("Latin-1", b"Gr\xFC\xDFe"),
    ] {
        case(name, typed(utf_8, broken(octets)), bad);
    }
    case("UTF-16 said to be UTF-8", typed(utf_8, utf_16(&right)), not_xml);
    case("UTF-16 with a mark said to be UTF-8", typed(utf_8, utf_16(&format!("\u{FEFF}{right}"))), bad);
    case("UTF-32 with a mark", typed(utf_8, [&[0xFF, 0xFE, 0, 0][..], &utf_16(&right)].concat()), bad);
    case("only a mark", typed(utf_8, b"\xEF\xBB\xBF".to_vec()), not_xml);
    case("UTF-8 said to be UTF-16", typed(as_utf_16, right.clone().into_bytes()), not_xml);
    case("UTF-16 of an odd length", typed(as_utf_16, [&utf_16(&right)[..], b"\n"].concat()), bad);
    case("a lone surrogate", typed(as_utf_16, utf_16(&right).into_iter().chain([0x3D, 0xD8]).collect()), bad);
    case(
        "UTF-16 backwards",
        typed(as_utf_16, right.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        not_xml,
    );
    case("a NUL in UTF-16", typed(as_utf_16, utf_16(&around("<x>\0</x>"))), not_xml);
    case("a mark in UTF-16 and nothing else", typed(as_utf_16, vec![0xFF, 0xFE]), not_xml);
    case("gzip", typed(utf_8, b"\x1F\x8B\x08\0\0\0\0\0".to_vec()).header("Content-Encoding", "gzip"), bad);
    case("zeros", typed(utf_8, vec![0; 1_000]), not_xml);
    case("ones", typed(utf_8, vec![0xFF; 1_000]), bad);

    for content_type in [
        "text/plain",
        "text/html",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "multipart/form-data;boundary=x",
        "application/soap",
        "soap+xml",
        "",
        "/",
        "application/soap+xml;charset",
        "application/soap+xml;charset=\"UTF-8",
        "application/soap+xml;charset=UTF-8;charset=UTF-16",
    ] {
        case(
            &format!("the type {content_type:?}"),
            typed(content_type, right.clone().into()),
            Refusal::Status(415),
        );
    }
    cases
}
