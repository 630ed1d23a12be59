use telarch_http::{HeadError, Limits, ResponseFraming, ResponseHead, Version};

fn parse(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    ResponseHead::parse(bytes, &Limits::default())
}

fn head(text: &str) -> ResponseHead {
    let (head, length) = parse(text.as_bytes()).unwrap().expect("a complete head");
    assert_eq!(length, text.len());
    head
}

fn refused(bytes: impl AsRef<[u8]>) -> HeadError {
    parse(bytes.as_ref()).expect_err("a refusal")
}

#[test]
fn the_challenges_of_a_windows_service_are_read_in_order() {
    let head = head(
        "HTTP/1.1 401 \r\nServer: Microsoft-HTTPAPI/2.0\r\nWWW-Authenticate: Negotiate\r\n\
         WWW-Authenticate: Kerberos\r\nWWW-Authenticate: CredSSP\r\nwww-authenticate: Basic realm=\"WSMAN\"\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!((head.status(), head.reason(), head.version()), (401, "", Version::Http11));
    let challenges: Vec<_> = head.headers("WWW-Authenticate").collect();
    assert_eq!(challenges, ["Negotiate", "Kerberos", "CredSSP", "Basic realm=\"WSMAN\""]);
    assert_eq!((head.body(), head.keep_alive()), (ResponseFraming::Length(0), false));
}

#[test]
fn a_reason_may_have_spaces_or_be_missing_with_its_space() {
    assert_eq!(head("HTTP/1.1 500 Internal Server Error\r\n\r\n").reason(), "Internal Server Error");
    assert_eq!(head("HTTP/1.1 200\r\n\r\n").reason(), "");
    let (latin, _) = parse(b"HTTP/1.1 404 Nicht verf\xfcgbar\r\n\r\n").unwrap().unwrap();
    assert_eq!((latin.status(), latin.reason()), (404, ""));
}

#[test]
fn part_of_a_head_asks_for_more() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for length in 0..bytes.len() {
        assert_eq!(parse(&bytes[..length]), Ok(None), "{length} bytes");
    }
}

#[test]
fn the_body_is_delimited_by_status_and_headers() {
    for (status, lines, expected) in [
        (200, "Content-Length: 7\r\n", ResponseFraming::Length(7)),
        (200, "Transfer-Encoding: chunked\r\n", ResponseFraming::Chunked),
        (200, "", ResponseFraming::UntilClose),
        (100, "", ResponseFraming::Empty),
        (103, "Content-Length: 7\r\n", ResponseFraming::Empty),
        (204, "Content-Length: 7\r\n", ResponseFraming::Empty),
        (205, "Content-Length: 0\r\n", ResponseFraming::Length(0)),
        (304, "Transfer-Encoding: chunked\r\n", ResponseFraming::Empty),
    ] {
        let head = head(&format!("HTTP/1.1 {status} X\r\n{lines}\r\n"));
        assert_eq!(head.body(), expected, "{status} {lines}");
    }
}

#[test]
fn the_connection_does_not_persist_after_a_body_that_ends_with_it() {
    assert!(head("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive());
    assert!(head("HTTP/1.1 100 Continue\r\n\r\n").keep_alive());
    assert!(head("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").keep_alive());
    assert!(!head("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive());
    assert!(!head("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n").keep_alive());
}

#[test]
fn debug_shows_no_header_values() {
    let text = format!("{:?}", head("HTTP/1.1 200 OK\r\nSet-Cookie: c2VjcmV0\r\n\r\n"));
    assert!(text.contains("Set-Cookie") && !text.contains("c2VjcmV0"), "{text}");
}

#[test]
fn input_that_does_not_begin_like_http_is_refused_immediately() {
    for bytes in ["\u{15}", "SSH-2.0", "http/1.1 200 OK", "HTTX", " HTTP/1.1"] {
        assert_eq!(refused(bytes), HeadError::NotHttp, "{bytes}");
    }
}

#[test]
fn an_empty_line_before_the_head_is_refused() {
    assert_eq!(refused("\r\nHTTP/1.1 200 OK\r\n\r\n"), HeadError::LeadingEmptyLine);
}

#[test]
fn a_status_that_is_not_three_digits_from_100_to_599_is_refused() {
    for status in ["99", "099", "600", "999", "2000", "20", "2x0", "+20", "-20"] {
        assert_eq!(refused(format!("HTTP/1.1 {status} OK\r\n\r\n")), HeadError::InvalidStatus, "{status}");
    }
}

#[test]
fn a_status_line_without_single_spaces_is_refused() {
    for line in ["HTTP/1.1", "HTTP/1.1  200 OK", "HTTP/1.1 "] {
        assert_eq!(refused(format!("{line}\r\n\r\n")), HeadError::StartLine, "{line}");
    }
    assert_eq!(refused("HTTP/1.1\t200 OK\r\n\r\n"), HeadError::UnsupportedVersion);
}

#[test]
fn another_version_is_refused() {
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9"] {
        assert_eq!(refused(format!("{version} 200 OK\r\n\r\n")), HeadError::UnsupportedVersion);
    }
}

#[test]
fn lines_are_read_as_strictly_as_those_of_a_request() {
    for (lines, expected) in [
        ("X: a\n", HeadError::BareLineFeed { line: 2 }),
        ("X: a\rb\r\n", HeadError::BareCarriageReturn { line: 2 }),
        ("X: a\0\r\n", HeadError::ControlByte { line: 2 }),
        ("X: a\r\n b\r\n", HeadError::FoldedLine { line: 3 }),
        ("X : a\r\n", HeadError::SpaceBeforeColon { line: 2 }),
        (": a\r\n", HeadError::EmptyName { line: 2 }),
        ("X(: a\r\n", HeadError::InvalidName { line: 2 }),
        ("X\r\n", HeadError::MissingColon { line: 2 }),
    ] {
        assert_eq!(refused(format!("HTTP/1.1 200 OK\r\n{lines}\r\n")), expected, "{lines:?}");
    }
    assert_eq!(refused("HTTP/1.1 200 O\0K\r\n\r\n"), HeadError::ControlByte { line: 1 });
    assert_eq!(refused("HTTP/1.1 200 O\rK\r\n\r\n"), HeadError::BareCarriageReturn { line: 1 });
}

#[test]
fn a_body_with_two_ends_is_refused_even_where_there_is_none() {
    for status in [200, 204] {
        for (lines, expected) in [
            ("Content-Length: 5\r\nContent-Length: 5\r\n", HeadError::RepeatedContentLength),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadError::LengthAndEncoding),
            ("Content-Length: 5,5\r\n", HeadError::ContentLengthList),
            ("Content-Length: +5\r\n", HeadError::InvalidContentLength),
            ("Content-Length: 00000000000000000005\r\n", HeadError::ContentLengthTooLong),
            ("Transfer-Encoding: gzip\r\n", HeadError::UnsupportedTransferEncoding),
        ] {
            assert_eq!(refused(format!("HTTP/1.1 {status} X\r\n{lines}\r\n")), expected, "{status} {lines}");
        }
    }
    assert_eq!(
        refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        HeadError::TransferEncodingInHttp10
    );
}

#[test]
fn a_head_beyond_its_limits_is_refused() {
    let text = b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
    let parse = |head, headers| ResponseHead::parse(text, &Limits { head, headers });
    assert!(matches!(parse(text.len(), 2), Ok(Some(_))));
    assert_eq!(parse(text.len() - 1, 2), Err(HeadError::HeadTooLarge { limit: text.len() - 1 }));
    assert_eq!(parse(text.len(), 1), Err(HeadError::TooManyHeaders { limit: 1 }));
}
