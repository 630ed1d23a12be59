//! Layout of sealed bodies: written as specified, and read as clients write it.

#[path = "../../../../fuzz/oracles/src/auth/test_context.rs"]
mod test_context;

use telarch_auth::sealed_body::{OpenBody, Protocol, SealedBody, SealedBodyError, is_sealed, seal, unseal};
use telarch_auth::{MechListMic, Scheme, SealError, SecurityContext};

use test_context::TestContext;

const SOAP: &str = "application/soap+xml;charset=UTF-8";
const ALL: [Protocol; 3] = [Protocol::Spnego, Protocol::Kerberos, Protocol::CredSsp];
const LIMIT: usize = 512_000;
/// Ciphertext that looks like the lines between parts.
const LOOKALIKE: &[u8] = b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x10\0\0\0\
    --Encrypted Boundary--\r\n";

fn open(protocol: Protocol, content_type: &str, body: &[u8]) -> Result<OpenBody, SealedBodyError> {
    unseal(&mut TestContext::new(protocol, 0), protocol, content_type, body.to_vec(), LIMIT)
}

fn sealed(protocol: Protocol, body: &[u8]) -> SealedBody {
    seal(&mut TestContext::new(protocol, 0), protocol, SOAP, body.to_vec()).unwrap()
}

/// A Negotiate body of one part with these lines before the sealed data.
fn under(head: &str) -> Vec<u8> {
    let tail = sealed(Protocol::Spnego, b"<s/>").body;
    let at = find(&tail, b"octet-stream\r\n") + "octet-stream\r\n".len();
    [head.as_bytes(), &tail[at..]].concat()
}

fn find(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).position(|window| window == part).unwrap()
}

fn malformed(part: usize, what: &'static str) -> SealedBodyError {
    SealedBodyError::Malformed { part, what }
}

const HEAD: &str = "--Encrypted Boundary\r\n\
    \tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
    \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=4\r\n\
    --Encrypted Boundary\r\n\
    \tContent-Type: application/octet-stream\r\n";
const TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";\
    boundary=\"Encrypted Boundary\"";

#[test]
fn a_sealed_body_has_the_layout_that_clients_expect() {
    let sealed = sealed(Protocol::Spnego, b"<s/>");
    assert_eq!(sealed.content_type, TYPE);
    let mut expected = HEAD.as_bytes().to_vec();
    expected.extend_from_slice(b"\x10\0\0\0");
    expected.extend_from_slice(&[0; 8]);
    expected.extend_from_slice(&sealed.body[expected.len()..][..8]);
    expected.extend_from_slice(b"<s/>--Encrypted Boundary--\r\n");
    assert_eq!(sealed.body, expected);
}

#[test]
fn a_tls_record_is_announced_with_trailer_and_content_length() {
    let sealed = sealed(Protocol::CredSsp, b"<s/>");
    assert!(sealed.content_type.starts_with("multipart/encrypted;protocol=\"application/HTTP-CredSSP-"));
    assert_eq!(find(&sealed.body, b";Length=4\r\n"), find(&sealed.body, b";Length="));
    let at = find(&sealed.body, b"stream\r\n") + 8;
    assert_eq!(&sealed.body[at..at + 13], b"\x11\0\0\0\x17\x03\x03\0\x14<s/>");
}

#[test]
fn bodies_of_all_lengths_round_trip_with_all_protocols() {
    for protocol in ALL {
        let (mut ours, mut theirs) = (TestContext::new(protocol, 77), TestContext::new(protocol, 77));
        for length in (0..70).chain([16_383, 16_384, 16_385, 32_768, 50_000]) {
            let mut body: Vec<u8> = LOOKALIKE.iter().copied().cycle().take(length).collect();
            body.iter_mut().rev().take(1).for_each(|last| *last = b'>');
            let sealed = seal(&mut ours, protocol, SOAP, body.clone()).unwrap();
            let opened = unseal(&mut theirs, protocol, sealed.content_type, sealed.body, length).unwrap();
            assert_eq!((opened.content_type.as_str(), &opened.body), (SOAP, &body), "{protocol:?} {length}");
        }
    }
}

#[test]
fn credssp_splits_40000_bytes_into_three_parts() {
    let lengths = |sealed: &SealedBody| {
        let text = String::from_utf8_lossy(&sealed.body).into_owned();
        let lines = text.split("\r\n").filter_map(|line| line.split_once(";Length="));
        lines.map(|(_, length)| length.parse::<usize>().unwrap()).collect::<Vec<_>>()
    };
    let several = sealed(Protocol::CredSsp, &[b' '; 40_018]);
    assert_eq!(lengths(&several), [16_384, 16_384, 7_250]);
    assert!(several.content_type.starts_with("multipart/x-multi-encrypted;"));
    assert!(several.body.ends_with(b"--Encrypted Boundary--\r\n"));
    assert_eq!(lengths(&sealed(Protocol::Spnego, &[b' '; 40_018])), [40_018]);
    assert_eq!(lengths(&sealed(Protocol::CredSsp, &[b' '; 16_384])), [16_384]);
}

#[test]
fn the_output_is_allocated_once() {
    for (protocol, length) in
        [(Protocol::Spnego, 50_000), (Protocol::CredSsp, 50_000), (Protocol::CredSsp, 9)]
    {
        let context = &mut TestContext::new(protocol, 0);
        let sealed =
            seal(context, protocol, &format!("a/b;c={}", "d".repeat(500)), vec![b' '; length]).unwrap();
        let (parts, spare) = (length.div_ceil(16_384), sealed.body.capacity() - sealed.body.len());
        assert!(spare < parts * 300, "{spare} of {} bytes are unused", sealed.body.capacity());
    }
}

#[test]
fn boundaries_inside_ciphertext_are_ignored() {
    for protocol in ALL {
        let body = LOOKALIKE.repeat(500);
        let sealed = sealed(protocol, &body);
        assert!(sealed.body.windows(LOOKALIKE.len()).any(|window| window == LOOKALIKE));
        assert_eq!(open(protocol, sealed.content_type, &sealed.body).unwrap().body, body);
    }
}

#[test]
fn all_spellings_of_the_content_type_are_accepted() {
    let body = sealed(Protocol::Spnego, b"<s/>").body;
    for content_type in [
        TYPE,
        "Multipart/Encrypted ; Protocol = \"application/http-spnego-session-encrypted\" ; Boundary = \"Encrypted Boundary\" ;",
        "multipart/encrypted;protocol=application/HTTP-SPNEGO-session-encrypted;boundary=Encrypted Boundary",
        "multipart/encrypted; boundary=\"Encrypted\\ Boundary\";; x=y; protocol=application/HTTP-SPNEGO-session-encrypted",
        "multipart/x-multi-encrypted;protocol=application/HTTP-SPNEGO-session-encrypted;boundary=Encrypted Boundary",
    ] {
        assert!(is_sealed(content_type), "{content_type}");
        assert_eq!(open(Protocol::Spnego, content_type, &body).unwrap().body, b"<s/>", "{content_type}");
    }
}

#[test]
fn other_content_types_are_rejected() {
    let body = sealed(Protocol::Spnego, b"<s/>").body;
    let with = |from: &str, to: &str| TYPE.replace(from, to);
    for (content_type, announced) in [
        (String::new(), false),
        (SOAP.to_owned(), false),
        (with("multipart/encrypted", "multipart/encryptedx"), false),
        ("multipart/encrypted".to_owned(), true),
        (with("boundary=", "border="), true),
        (with("\"Encrypted Boundary\"", "\"\""), true),
        (with("Encrypted Boundary", &"x".repeat(71)), true),
        (with("Encrypted Boundary", "a\tb"), true),
        (with("protocol=", "boundary="), true),
        (with("\";boundary", "\"boundary"), true),
        (with("Boundary\"", "Boundary"), true),
        (with(";boundary", ";;bound ary"), true),
        (format!("{TYPE};{}", (0..15).map(|at| format!("p{at}=x;")).collect::<String>()), true),
        (format!("{TYPE};p=\"{}\"", "x".repeat(1_000)), true),
    ] {
        assert_eq!(is_sealed(&content_type), announced, "{content_type}");
        let error = open(Protocol::Spnego, &content_type, &body).unwrap_err();
        assert_eq!(error, SealedBodyError::ContentType, "{content_type}");
    }
}

#[test]
fn another_protocol_is_rejected_before_decryption() {
    for ours in ALL {
        for theirs in ALL.into_iter().filter(|theirs| *theirs != ours) {
            let mut context = TestContext::new(ours, 0);
            let outside = sealed(theirs, b"<s/>");
            let inside =
                SealedBody { content_type: sealed(ours, b"").content_type, ..sealed(theirs, b"<s/>") };
            for SealedBody { content_type, body } in [outside, inside] {
                let error = unseal(&mut context, ours, content_type, body, LIMIT).unwrap_err();
                assert_eq!(error, SealedBodyError::Protocol, "{ours:?} {theirs:?}");
            }
            assert_eq!(context.opened(), 0);
        }
    }
}

#[test]
fn line_variants_of_real_clients_are_accepted() {
    for head in [
        HEAD.to_owned(),
        HEAD.replace('\t', ""),
        HEAD.replace('\t', " \t"),
        HEAD.replace("--E", "-- E"),
        HEAD.replace("Boundary\r", "Boundary \t\r"),
        HEAD.to_ascii_lowercase().replace("encrypted boundary", "Encrypted Boundary"),
        HEAD.replace(": ", ":").replace("type=", "type = ").replace(';', " ; "),
        HEAD.replace("=application/soap+xml", "=\"application/soap+xml\"").replace("Length=", "Length= "),
        HEAD.replace("type=", "Length=4;type=").replace(";Length=4\r", "\r"),
        HEAD.replacen("\tOrig", "\tX-Other: y\r\n\tOrig", 1),
    ] {
        let opened = open(Protocol::Spnego, TYPE, &under(&head)).expect(&head);
        assert_eq!(opened.body, b"<s/>", "{head}");
        assert!(opened.content_type.eq_ignore_ascii_case(SOAP), "{}", opened.content_type);
    }
}

#[test]
fn parameters_of_the_original_type_are_kept() {
    for (written, read) in [
        ("type=a/b;Length=4", "a/b"),
        ("type=application/soap+xml;charset=UTF-16;Length=4", "application/soap+xml;charset=UTF-16"),
        ("type=a/b; action=\"urn:a;b \\\"c\\\\\" ;Length=4", "a/b;action=\"urn:a;b \\\"c\\\\\""),
        ("type=a/b;x=\"\";Length=4", "a/b;x=\"\""),
    ] {
        let head = HEAD.replace("type=application/soap+xml;charset=UTF-8;Length=4", written);
        assert_eq!(open(Protocol::Spnego, TYPE, &under(&head)).unwrap().content_type, read);
        let again = seal(&mut TestContext::new(Protocol::Spnego, 0), Protocol::Spnego, read, Vec::new());
        assert!(again.is_ok(), "{read}");
    }
}

#[test]
fn malformed_layouts_are_rejected_with_a_reason() {
    let head = |from: &str, to: &str| under(&HEAD.replacen(from, to, 1));
    let original = "OriginalContent without type or length";
    let second = |body: &[u8]| [body, b"--Encrypted Boundary\r\n"].concat();
    for (body, error) in [
        (b"".to_vec(), malformed(1, "missing boundary at the beginning")),
        (b"--Encrypted Boundary--\r\n".to_vec(), malformed(1, "no part")),
        (head("--E", "\r\n--E"), malformed(1, "missing boundary at the beginning")),
        (head("--E", "-E"), malformed(1, "missing boundary at the beginning")),
        (head("--Encrypted", "--encrypted"), malformed(1, "missing boundary at the beginning")),
        (head("Boundary\r\n", "Boundary\n"), malformed(1, "missing boundary at the beginning")),
        (head("\tOrig", "\tX-Orig"), malformed(1, original)),
        (head(";Length=4", ""), malformed(1, original)),
        (head("type=application/soap+xml;", ""), malformed(1, original)),
        (head("Length=4", "Length="), malformed(1, original)),
        (head("Length=4", "Length=+4"), malformed(1, original)),
        (head("Length=4", "Length=0x4"), malformed(1, original)),
        (head("Length=4", "Length=00000000004"), malformed(1, original)),
        (head("Length=4", "Length=4;length=4"), malformed(1, original)),
        (head("Length=4", "Length=9999999999"), SealedBodyError::TooLarge { limit: LIMIT }),
        (head("Length=4", "Length=512001"), SealedBodyError::TooLarge { limit: LIMIT }),
        (head("Length=4", "Length=512000"), malformed(1, "truncated sealed data")),
        (head("Length=4", "Length=3"), malformed(1, "missing boundary after the sealed data")),
        (head("Length=4", "Length=5"), malformed(1, "missing boundary after the sealed data")),
        (head("\tContent-Type", "\tX-Content-Type"), malformed(1, "missing Content-Type")),
        (head("\tOrig", "\tContent-Type: a\r\n\tOrig"), malformed(1, "duplicate header")),
        (head("\tOrig", "\tno header\r\n\tOrig"), malformed(1, "invalid header line")),
        (head("\tOrig", "\tX: \u{1}\r\n\tOrig"), malformed(1, "invalid header line")),
        (head("\tOrig", "\r\n\tOrig"), malformed(1, "invalid header line")),
        (head("\tOrig", &format!("{}\tOrig", "\tX: y\r\n".repeat(8))), malformed(1, "too many headers")),
        (head("\tOrig", &format!("\tX: {}\r\n\tOrig", "y".repeat(1_024))), malformed(1, "unterminated line")),
        (head("\n--E", "\n--F"), malformed(1, "second boundary differs")),
        (
            head("ary\r\n\tContent-Type: application/o", "ary--\r\n\tContent-Type: application/o"),
            malformed(1, "second boundary differs"),
        ),
        (head("octet-stream", "octets"), malformed(1, "sealed data has another content type")),
        (head("octet-stream\r\n", "octet-stream\r\n\r\n"), malformed(1, "mechanism header is too long")),
        (under(&format!("{HEAD}\u{1}\u{4}\0\0")), malformed(1, "mechanism header is too long")),
        (under(&format!("{HEAD}\0\u{4}\0\0")), malformed(1, "truncated mechanism header")),
        // A client that believes to be signed in, but has no keys.
        (
            format!("{HEAD}\0\0\0\0--Encrypted Boundary--\r\n").into_bytes(),
            SealedBodyError::Empty { part: 1 },
        ),
        (format!("{HEAD}--Encrypted Boundary--\r\n").into_bytes(), SealedBodyError::Empty { part: 1 }),
        (second(&under(HEAD)), malformed(1, "data after the last boundary")),
        ([under(HEAD).as_slice(), b"\0"].concat(), malformed(1, "data after the last boundary")),
    ] {
        let mut context = TestContext::new(Protocol::Spnego, 0);
        let text = String::from_utf8_lossy(&body).into_owned();
        let refused = unseal(&mut context, Protocol::Spnego, TYPE, body, LIMIT).unwrap_err();
        assert_eq!(refused, error, "{text}");
        assert_eq!(context.opened(), 0, "{text}");
    }
}

#[test]
fn truncated_bodies_are_rejected_before_decryption() {
    for (protocol, body) in [
        (Protocol::Spnego, LOOKALIKE.repeat(3)),
        (Protocol::Kerberos, b"<s/>".to_vec()),
        (Protocol::CredSsp, LOOKALIKE.repeat(3)),
        (Protocol::CredSsp, LOOKALIKE.repeat(300)),
    ] {
        let sealed = sealed(protocol, &body);
        let step = (sealed.body.len() / 4_000).max(1);
        let ends = (0..sealed.body.len())
            .step_by(step)
            .chain(sealed.body.len().saturating_sub(400)..sealed.body.len());
        for end in ends {
            let mut context = TestContext::new(protocol, 0);
            let cut = sealed.body[..end].to_vec();
            let refused = unseal(&mut context, protocol, sealed.content_type, cut, LIMIT);
            assert!(
                matches!(refused, Err(SealedBodyError::Malformed { .. } | SealedBodyError::Empty { .. })),
                "{protocol:?} {end}: {refused:?}"
            );
            assert_eq!(context.opened(), 0, "{protocol:?} {end}");
        }
    }
}

#[test]
fn a_flipped_bit_never_changes_the_opened_body() {
    for protocol in ALL {
        let plain = b"<s:Envelope/>";
        let sealed = sealed(protocol, plain);
        for at in 0..sealed.body.len() {
            for bit in 0..8 {
                let mut body = sealed.body.clone();
                body[at] ^= 1 << bit;
                // Some lines can be written in several ways, but the content must not change.
                if let Ok(opened) = open(protocol, sealed.content_type, &body) {
                    assert_eq!(opened.body, plain, "{protocol:?} octet {at} bit {bit}");
                }
            }
        }
    }
}

#[test]
fn a_replayed_body_is_rejected() {
    for protocol in ALL {
        let sealed = sealed(protocol, b"<s/>");
        let mut context = TestContext::new(protocol, 0);
        let mut again = || unseal(&mut context, protocol, sealed.content_type, sealed.body.clone(), LIMIT);
        assert!(again().is_ok());
        assert_eq!(again().unwrap_err(), SealedBodyError::Context(SealError::Forged), "{protocol:?}");
    }
}

#[test]
fn reordered_or_missing_parts_are_rejected() {
    let sealed = sealed(Protocol::CredSsp, &[b'x'; 40_000]);
    let starts: Vec<usize> = (0..sealed.body.len())
        .filter(|at| {
            sealed.body[*at..].starts_with(b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP")
        })
        .chain([sealed.body.len() - 24])
        .collect();
    let part = |at: usize| &sealed.body[starts[at]..starts[at + 1]];
    let closing = &sealed.body[starts[3]..];
    let open = |parts: &[&[u8]]| open(Protocol::CredSsp, sealed.content_type, &parts.concat());
    assert!(open(&[part(0), part(1), part(2), closing]).is_ok());
    for parts in [[part(1), part(0), closing], [part(0), part(2), closing], [part(0), part(0), closing]] {
        assert_eq!(open(&parts).unwrap_err(), SealedBodyError::Context(SealError::Forged));
    }
    // Only the sealer knows the number of parts, so fewer parts form a valid shorter body.
    assert_eq!(open(&[part(0), closing]).unwrap().body.len(), 16_384);
}

#[test]
fn several_parts_require_the_type_for_several_parts() {
    let several = sealed(Protocol::CredSsp, &[b'x'; 40_000]);
    let one = sealed(Protocol::CredSsp, b"x");
    assert_eq!(
        open(Protocol::CredSsp, one.content_type, &several.body).unwrap_err(),
        SealedBodyError::TooManyParts { limit: 1 }
    );
    assert_eq!(open(Protocol::CredSsp, several.content_type, &one.body).unwrap().body, b"x");
}

#[test]
fn ten_thousand_parts_are_rejected_before_decryption() {
    let mut ours = TestContext::new(Protocol::CredSsp, 0).with_largest(1);
    let sealed = seal(&mut ours, Protocol::CredSsp, SOAP, vec![b'x'; 10_000]).unwrap();
    let mut theirs = TestContext::new(Protocol::CredSsp, 0);
    let error = unseal(&mut theirs, Protocol::CredSsp, sealed.content_type, sealed.body, LIMIT).unwrap_err();
    assert_eq!((error, theirs.opened()), (SealedBodyError::TooManyParts { limit: 126 }, 0));
}

#[test]
fn the_limit_applies_to_the_sum_of_all_parts() {
    let sealed = sealed(Protocol::CredSsp, &[b'x'; 40_000]);
    let open = |limit| {
        let context = &mut TestContext::new(Protocol::CredSsp, 0);
        unseal(context, Protocol::CredSsp, sealed.content_type, sealed.body.clone(), limit)
    };
    assert_eq!(open(39_999).unwrap_err(), SealedBodyError::TooLarge { limit: 39_999 });
    assert_eq!(open(40_000).unwrap().body.len(), 40_000);
}

#[test]
fn parts_of_different_types_are_rejected() {
    let mut sealed = sealed(Protocol::CredSsp, &[b'x'; 20_000]);
    let at = sealed.body.len() - find(&sealed.body.iter().copied().rev().collect::<Vec<_>>(), b"8-FTU");
    sealed.body[at - 1] = b'7';
    assert_eq!(
        open(Protocol::CredSsp, sealed.content_type, &sealed.body).unwrap_err(),
        malformed(2, "type differs from the first part")
    );
}

#[test]
fn the_length_of_tls_records_is_that_in_their_headers() {
    let sealed = sealed(Protocol::CredSsp, b"<s/>");
    let at = find(&sealed.body, b"stream\r\n") + 8;
    for trailer in [14_u32, 0, u32::MAX] {
        let mut body = sealed.body.clone();
        body[at..at + 4].copy_from_slice(&trailer.to_le_bytes());
        assert_eq!(open(Protocol::CredSsp, sealed.content_type, &body).unwrap().body, b"<s/>");
    }
    for (place, octet, error) in [
        (at + 4, 0x16, malformed(1, "no TLS record")),
        (at + 5, 2, malformed(1, "unsupported or truncated TLS record")),
        (at + 6, 4, malformed(1, "unsupported or truncated TLS record")),
        (at + 7, 0xFF, malformed(1, "empty or oversized TLS record")),
        (at + 7, 0x10, malformed(1, "truncated TLS record")),
        (at + 8, 0, malformed(1, "empty or oversized TLS record")),
        (at + 8, 0x13, malformed(1, "missing boundary after the sealed data")),
        (at + 8, 0x15, malformed(1, "missing boundary after the sealed data")),
    ] {
        let mut body = sealed.body.clone();
        body[place] = octet;
        assert_eq!(
            open(Protocol::CredSsp, sealed.content_type, &body).unwrap_err(),
            error,
            "{place} {octet}"
        );
    }
    for length in ["Length=3", "Length=5"] {
        let text = sealed.body.iter().map(|octet| char::from(*octet)).collect::<String>();
        let body: Vec<u8> =
            text.replace("Length=4", length).chars().map(|c| u8::try_from(c).unwrap()).collect();
        let error = open(Protocol::CredSsp, sealed.content_type, &body).unwrap_err();
        assert_eq!(error, SealedBodyError::WrongLength { part: 1 }, "{length}");
    }
}

#[test]
fn several_records_of_one_part_are_opened_together() {
    /// A context that passes messages through.
    struct Bare(Vec<Vec<u8>>);
    impl SecurityContext for Bare {
        fn can_seal(&self) -> bool {
            true
        }
        fn seal(&mut self, _: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
            Ok(Vec::new())
        }
        fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
            assert!(header.is_empty());
            self.0.push(message.clone());
            *message = b"<s/>".to_vec();
            Ok(())
        }
        fn sign(&mut self, _: &[u8]) -> Result<Vec<u8>, SealError> {
            Err(SealError::Unavailable)
        }
        fn verify(&mut self, _: &[u8], _: &[u8]) -> Result<(), SealError> {
            Err(SealError::Unavailable)
        }
        fn mech_list_mic(&self) -> MechListMic {
            MechListMic::Optional
        }
    }
    let records = b"\x17\x03\x03\0\x02--\x17\x03\x03\0\x01-";
    let head = HEAD.replace("SPNEGO", "CredSSP");
    let body = [head.as_bytes(), b"\x0E\0\0\0", records, b"--Encrypted Boundary--\r\n"].concat();
    let mut context = Bare(Vec::new());
    let content_type = TYPE.replace("SPNEGO", "CredSSP");
    let opened = unseal(&mut context, Protocol::CredSsp, &content_type, body, LIMIT).unwrap();
    assert_eq!((opened.body.as_slice(), context.0), (&b"<s/>"[..], vec![records.to_vec()]));
}

#[test]
fn trailing_zeros_are_padding_in_utf_8_but_not_in_utf_16() {
    for (content_type, plain, expected) in [
        (SOAP, &b"<s/>\0\0\0"[..], &b"<s/>"[..]),
        ("application/soap+xml;charset=\"utf-8\"", b"<s/>\0", b"<s/>"),
        ("application/soap+xml;charset=UTF-16", b"<\0s\0/\0>\0", b"<\0s\0/\0>\0"),
        ("application/soap+xml", b">\0", b">\0"),
        (SOAP, b"\0\0", b""),
    ] {
        let context = &mut TestContext::new(Protocol::Spnego, 0);
        let sealed = seal(context, Protocol::Spnego, content_type, plain.to_vec()).unwrap();
        let opened = open(Protocol::Spnego, sealed.content_type, &sealed.body).unwrap();
        assert_eq!(opened.body, expected, "{content_type}");
    }
}

#[test]
fn invalid_content_types_are_not_sealed() {
    for content_type in
        ["", "a/b\r\nX: y", "a/b;Length=5", "a/b;x", "a/b;x=\"", &format!("a/b;x={}", "y".repeat(512))]
    {
        let context = &mut TestContext::new(Protocol::Spnego, 0);
        let error = seal(context, Protocol::Spnego, content_type, Vec::new()).unwrap_err();
        assert_eq!(error, SealedBodyError::ContentType, "{content_type}");
    }
}

#[test]
fn the_scheme_determines_the_protocol() {
    assert_eq!(Protocol::of(Scheme::Negotiate), Some(Protocol::Spnego));
    assert_eq!(Protocol::of(Scheme::Kerberos), Some(Protocol::Kerberos));
    assert_eq!(Protocol::of(Scheme::CredSsp), Some(Protocol::CredSsp));
    assert_eq!(Protocol::of(Scheme::Basic), None);
    assert_eq!(Protocol::of(Scheme::Certificate), None);
}
