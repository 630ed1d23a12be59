use telarch_http::{BodyFraming, HeadError, Limits, Method, RequestHead, Version};

fn parse(bytes: &[u8]) -> Result<Option<(RequestHead, usize)>, HeadError> {
    RequestHead::parse(bytes, &Limits::default())
}

/// Parses a head that must be complete and acceptable.
fn head(text: &str) -> RequestHead {
    let (head, length) = parse(text.as_bytes()).unwrap().expect("a complete head");
    assert_eq!(length, text.len());
    head
}

/// Parses the head of a `POST` with `Host` and further lines, each with its line end.
fn with(lines: &str) -> RequestHead {
    head(&format!("POST /wsman HTTP/1.1\r\nHost: node7\r\n{lines}\r\n"))
}

fn refused(bytes: impl AsRef<[u8]>) -> HeadError {
    parse(bytes.as_ref()).expect_err("a refusal")
}

fn refused_with(lines: impl AsRef<[u8]>) -> HeadError {
    refused([b"POST /wsman HTTP/1.1\r\nHost: node7\r\n", lines.as_ref(), b"\r\n"].concat())
}

mod reading {
    use super::*;

    #[test]
    fn the_head_of_a_soap_request_is_read() {
        let head = head(
            "POST /wsman?PSVersion=5.1 HTTP/1.1\r\nHost: node7:5985\r\n\
             content-type:application/soap+xml;charset=UTF-8\r\nUser-Agent: \t Microsoft WinRM Client \t\r\n\
             Content-Length: 1547\r\n\r\n",
        );
        assert_eq!((head.method(), head.method_name()), (Method::Post, "POST"));
        assert_eq!((head.target(), head.path()), ("/wsman?PSVersion=5.1", "/wsman"));
        assert_eq!(head.version(), Version::Http11);
        assert_eq!(head.body(), BodyFraming::Length(1547));
        assert_eq!(head.header("Content-Type"), Some("application/soap+xml;charset=UTF-8"));
        assert_eq!(head.header("user-agent"), Some("Microsoft WinRM Client"));
        assert_eq!(head.header("Authorization"), None);
    }

    #[test]
    fn data_after_a_head_is_not_consumed() {
        let bytes = b"POST / HTTP/1.1\r\nHost: n\r\nContent-Length: 2\r\n\r\nab";
        let (_, length) = parse(bytes).unwrap().unwrap();
        assert_eq!(&bytes[length..], b"ab");
    }

    #[test]
    fn part_of_a_head_asks_for_more() {
        let bytes = b"\r\nPOST / HTTP/1.1\r\nHost: n\r\n\r\n";
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Ok(None), "{length} bytes");
        }
        assert!(matches!(parse(bytes), Ok(Some((_, length))) if length == bytes.len()));
    }

    #[test]
    fn methods_are_case_sensitive() {
        for (name, method) in [
            ("POST", Method::Post),
            ("GET", Method::Get),
            ("HEAD", Method::Head),
            ("post", Method::Other),
            ("PATCH", Method::Other),
        ] {
            let head = head(&format!("{name} / HTTP/1.1\r\nHost: n\r\n\r\n"));
            assert_eq!((head.method(), head.method_name()), (method, name));
        }
    }

    #[test]
    fn the_path_of_each_form_of_target_is_found() {
        for (target, path) in [
            ("/", "/"),
            ("/wsman", "/wsman"),
            ("/wsman?", "/wsman"),
            ("/wsman/a%20b?c=/d?e", "/wsman/a%20b"),
            ("//wsman", "//wsman"),
            ("/http://x/y", "/http://x/y"),
            ("http://node7:5985/wsman?x", "/wsman"),
            ("HTTPS://[fe80::1%25eth0]:5986/wsman", "/wsman"),
            ("http://node7", "/"),
            ("http://node7?x", "/"),
        ] {
            let head = head(&format!("POST {target} HTTP/1.1\r\nHost: n\r\n\r\n"));
            assert_eq!((head.target(), head.path()), (target, path));
        }
    }

    #[test]
    fn repeated_headers_are_given_in_order() {
        let head = with("Via: a\r\nX: y\r\nVIA: b\r\n");
        assert_eq!(head.header("via"), Some("a"));
        assert_eq!(head.headers("Via").collect::<Vec<_>>(), ["a", "b"]);
        let names: Vec<_> = head.fields().map(|(name, _)| name).collect();
        assert_eq!(names, ["Host", "Via", "X", "VIA"]);
    }

    #[test]
    fn an_empty_header_value_is_not_a_missing_one() {
        let head = with("X:\r\nY: \t \r\n");
        assert_eq!((head.header("X"), head.header("Y"), head.header("Z")), (Some(""), Some(""), None));
    }

    #[test]
    fn a_value_beyond_ascii_is_text_if_it_is_utf_8_and_bytes_in_any_case() {
        let (head, _) =
            parse(b"GET / HTTP/1.1\r\nHost: n\r\nA: \xc3\xa4\r\nB: \xe4\r\nB: c\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.header("A"), head.header_bytes("A")), (Some("ä"), Some(&b"\xc3\xa4"[..])));
        assert_eq!((head.header("B"), head.header_bytes("B")), (None, Some(&b"\xe4"[..])));
        assert_eq!(head.headers("B").collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn debug_shows_no_header_values() {
        let text = format!("{:?}", with("Authorization: Basic c2VjcmV0\r\nCookie: c2VjcmV0\r\n"));
        assert!(text.contains("Authorization") && !text.contains("c2VjcmV0"), "{text}");
    }

    #[test]
    fn one_empty_line_before_the_head_is_skipped() {
        assert_eq!(head("\r\nGET /x HTTP/1.1\r\nHost: n\r\n\r\n").target(), "/x");
    }

    #[test]
    fn the_body_is_delimited_by_its_length_by_chunks_or_there_is_none() {
        assert_eq!(with("").body(), BodyFraming::Empty);
        assert_eq!(with("Content-Length: 0\r\n").body(), BodyFraming::Length(0));
        assert_eq!(with("Content-Length: 0042\r\n").body(), BodyFraming::Length(42));
        let longest = 9_999_999_999_999_999_999;
        assert_eq!(with(&format!("Content-Length: {longest}\r\n")).body(), BodyFraming::Length(longest));
        assert_eq!(with("Transfer-Encoding: chunked\r\n").body(), BodyFraming::Chunked);
        assert_eq!(with("transfer-encoding: Chunked\r\n").body(), BodyFraming::Chunked);
    }

    #[test]
    fn the_connection_persists_by_version_and_connection_header() {
        for (version, lines, expected) in [
            ("1.1", "", true),
            ("1.1", "Connection: Keep-Alive\r\n", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: upgrade , CLOSE\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: foo,keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = head(&format!("GET / HTTP/{version}\r\nHost: n\r\n{lines}\r\n"));
            assert_eq!(head.keep_alive(), expected, "HTTP/{version} {lines}");
        }
    }

    #[test]
    fn http_1_0_needs_no_host() {
        assert_eq!(head("GET / HTTP/1.0\r\n\r\n").version(), Version::Http10);
    }

    #[test]
    fn an_expectation_counts_only_where_a_body_may_wait_for_it() {
        assert!(with("Expect: 100-Continue\r\nContent-Length: 1\r\n").expects_continue());
        assert!(with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n").expects_continue());
        assert!(!with("Content-Length: 1\r\n").expects_continue());
        assert!(!with("Expect: 100-continue\r\n").expects_continue());
        assert!(!with("Expect: 100-continue\r\nContent-Length: 0\r\n").expects_continue());
        let old = head("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
        assert!(!old.expects_continue());
    }
}

mod lines {
    use super::*;

    #[test]
    fn a_bare_line_feed_is_refused() {
        assert_eq!(refused("GET / HTTP/1.1\nHost: n\r\n\r\n"), HeadError::BareLineFeed { line: 1 });
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: n\n\r\n"), HeadError::BareLineFeed { line: 2 });
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: n\r\n\n"), HeadError::BareLineFeed { line: 3 });
        assert_eq!(refused("\nGET / HTTP/1.1\r\nHost: n\r\n\r\n"), HeadError::BareLineFeed { line: 1 });
        assert_eq!(refused("\r\n\nGET / HTTP/1.1\r\n\r\n"), HeadError::BareLineFeed { line: 1 });
    }

    #[test]
    fn a_bare_line_feed_is_refused_before_the_head_is_complete() {
        assert_eq!(refused("GET / HTTP/1.1\n\n"), HeadError::BareLineFeed { line: 1 });
    }

    #[test]
    fn a_bare_carriage_return_is_refused() {
        assert_eq!(refused("GET /\r HTTP/1.1\r\nHost: n\r\n\r\n"), HeadError::BareCarriageReturn { line: 1 });
        assert_eq!(refused("\rGET / HTTP/1.1\r\nHost: n\r\n\r\n"), HeadError::BareCarriageReturn { line: 1 });
        assert_eq!(refused_with("X: a\rb\r\n"), HeadError::BareCarriageReturn { line: 3 });
        assert_eq!(refused_with("X: a\r\r\n"), HeadError::BareCarriageReturn { line: 3 });
        assert_eq!(refused_with("X\r: a\r\n"), HeadError::BareCarriageReturn { line: 3 });
        assert_eq!(refused_with("\r\r\n"), HeadError::BareCarriageReturn { line: 3 });
    }

    #[test]
    fn a_control_byte_is_refused() {
        for byte in (0..0x20).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
            let line = [b"X: a", &[byte][..], b"b\r\n"].concat();
            assert_eq!(refused_with(line), HeadError::ControlByte { line: 3 }, "{byte:#x} in a value");
            let line = [b"X", &[byte][..], b": b\r\n"].concat();
            assert_eq!(refused_with(line), HeadError::ControlByte { line: 3 }, "{byte:#x} in a name");
            let head = [b"GET /", &[byte][..], b" HTTP/1.1\r\nHost: n\r\n\r\n"].concat();
            assert_eq!(refused(head), HeadError::ControlByte { line: 1 }, "{byte:#x} in the target");
        }
    }

    #[test]
    fn a_folded_header_line_is_refused() {
        assert_eq!(refused_with("X: a\r\n b\r\n"), HeadError::FoldedLine { line: 4 });
        assert_eq!(refused_with("X: a\r\n\tY: b\r\n"), HeadError::FoldedLine { line: 4 });
        assert_eq!(refused("GET / HTTP/1.1\r\n Host: n\r\n\r\n"), HeadError::FoldedLine { line: 2 });
        assert_eq!(refused_with(" \r\n"), HeadError::FoldedLine { line: 3 });
    }

    #[test]
    fn white_space_before_the_colon_is_refused() {
        assert_eq!(refused_with("Content-Length : 5\r\n"), HeadError::SpaceBeforeColon { line: 3 });
        assert_eq!(refused_with("X\t: a\r\n"), HeadError::SpaceBeforeColon { line: 3 });
    }

    #[test]
    fn an_empty_header_name_is_refused() {
        assert_eq!(refused_with(": a\r\n"), HeadError::EmptyName { line: 3 });
    }

    #[test]
    fn a_header_name_that_is_not_a_token_is_refused() {
        for line in ["X Y: a\r\n", "X(Y): a\r\n", "\"X\": a\r\n", "X\u{e4}: a\r\n", "X/Y: a\r\n", "(: a\r\n"]
        {
            assert_eq!(refused_with(line), HeadError::InvalidName { line: 3 }, "{line}");
        }
    }

    #[test]
    fn a_header_line_without_a_colon_is_refused() {
        assert_eq!(refused_with("X\r\n"), HeadError::MissingColon { line: 3 });
    }

    #[test]
    fn a_second_empty_line_before_the_head_is_refused() {
        assert_eq!(refused("\r\n\r\n"), HeadError::LeadingEmptyLine);
        assert_eq!(refused("\r\n\r\nGET / HTTP/1.1\r\nHost: n\r\n\r\n"), HeadError::LeadingEmptyLine);
    }

    #[test]
    fn the_greeting_of_tls_is_refused_by_its_first_byte() {
        assert_eq!(refused([0x16]), HeadError::NotHttp);
        assert_eq!(refused([b'\r', b'\n', 0xff]), HeadError::NotHttp);
    }
}

mod start_line {
    use super::*;

    fn refused_start(line: &str) -> HeadError {
        refused(format!("{line}\r\nHost: n\r\n\r\n"))
    }

    #[test]
    fn white_space_beyond_single_spaces_is_refused() {
        for line in [
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            " GET / HTTP/1.1",
            "\tGET / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET\t/ HTTP/1.1",
            "GET /\tHTTP/1.1",
            "GET / x HTTP/1.1",
            "GET /",
            "GET",
        ] {
            assert_eq!(refused_start(line), HeadError::StartLine, "{line}");
        }
    }

    #[test]
    fn a_method_that_is_not_a_token_is_refused() {
        assert_eq!(refused_start("G(T / HTTP/1.1"), HeadError::InvalidMethod);
        assert_eq!(refused_start("G\u{c4}T / HTTP/1.1"), HeadError::InvalidMethod);
    }

    #[test]
    fn a_target_that_is_neither_path_nor_http_uri_is_refused() {
        for target in [
            "*",
            "wsman",
            "node7:443",
            "ftp://node7/",
            "http:/wsman",
            "http:///wsman",
            "http://user@node7/wsman",
            "http://a,b/wsman",
            "/wsman#x",
            "/ws\u{e4}man",
        ] {
            assert_eq!(
                refused_start(&format!("GET {target} HTTP/1.1")),
                HeadError::InvalidTarget,
                "{target}"
            );
        }
        assert_eq!(refused(b"GET /\xe4 HTTP/1.1\r\nHost: n\r\n\r\n"), HeadError::InvalidTarget);
    }

    #[test]
    fn another_version_is_refused() {
        for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "HTTP/1", "HTTP/"] {
            let error = refused_start(&format!("GET / {version}"));
            assert_eq!((error, error.status()), (HeadError::UnsupportedVersion, 505), "{version}");
        }
        assert_eq!(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HeadError::UnsupportedVersion);
        assert_eq!(refused_start("GET / http/1.1"), HeadError::StartLine);
    }
}

mod framing {
    use super::*;

    #[test]
    fn content_length_with_transfer_encoding_is_refused() {
        assert_eq!(
            refused_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            HeadError::LengthAndEncoding
        );
        assert_eq!(
            refused_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            HeadError::LengthAndEncoding
        );
    }

    #[test]
    fn a_repeated_content_length_is_refused_even_if_equal() {
        for second in ["5", "6"] {
            let lines = format!("Content-Length: 5\r\ncontent-length: {second}\r\n");
            assert_eq!(refused_with(lines), HeadError::RepeatedContentLength);
        }
    }

    #[test]
    fn a_content_length_that_is_not_made_of_digits_is_refused() {
        for value in ["+5", "-5", "", "5 5", "0x5", "5;", "\u{665}", "5.0", "five"] {
            let lines = format!("Content-Length: {value}\r\n");
            assert_eq!(refused_with(lines), HeadError::InvalidContentLength, "{value}");
        }
    }

    #[test]
    fn a_content_length_that_is_a_list_is_refused() {
        for value in ["5, 5", "5,", ",5"] {
            assert_eq!(
                refused_with(format!("Content-Length: {value}\r\n")),
                HeadError::ContentLengthList,
                "{value}"
            );
        }
    }

    #[test]
    fn a_content_length_of_more_than_19_digits_is_refused() {
        for value in ["18446744073709551615", "18446744073709551621", "00000000000000000005"] {
            let lines = format!("Content-Length: {value}\r\n");
            assert_eq!(refused_with(lines), HeadError::ContentLengthTooLong, "{value}");
        }
    }

    #[test]
    fn a_transfer_encoding_other_than_chunked_is_refused() {
        for value in [
            "gzip, chunked",
            "chunked, chunked",
            "chunked,",
            "identity",
            "",
            "chunked;x=y",
            "\"chunked\"",
            "xchunked",
        ] {
            let error = refused_with(format!("Transfer-Encoding: {value}\r\n"));
            assert_eq!((error, error.status()), (HeadError::UnsupportedTransferEncoding, 501), "{value}");
        }
    }

    #[test]
    fn a_repeated_transfer_encoding_is_refused() {
        assert_eq!(
            refused_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            HeadError::RepeatedTransferEncoding
        );
    }

    #[test]
    fn a_transfer_encoding_in_http_1_0_is_refused() {
        assert_eq!(
            refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            HeadError::TransferEncodingInHttp10
        );
    }
}

mod headers {
    use super::*;

    #[test]
    fn http_1_1_without_host_is_refused() {
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), HeadError::MissingHost);
        assert_eq!(refused("GET http://n/ HTTP/1.1\r\n\r\n"), HeadError::MissingHost);
    }

    #[test]
    fn a_repeated_host_is_refused_in_either_version() {
        assert_eq!(refused_with("host: node7\r\n"), HeadError::RepeatedHost);
        assert_eq!(refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), HeadError::RepeatedHost);
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for host in ["", "a, b", "a b", "a@b", "a/b", "http://a", "a?b", "a#b", "a\\b", "\u{e4}"] {
            assert_eq!(
                refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")),
                HeadError::InvalidHost,
                "{host}"
            );
        }
    }

    #[test]
    fn a_repeated_authorization_is_refused() {
        let lines = "Authorization: Basic YTpi\r\nauthorization: Negotiate YII=\r\n";
        assert_eq!(refused_with(lines), HeadError::RepeatedAuthorization);
    }

    #[test]
    fn an_expectation_that_is_not_understood_is_refused() {
        let error = refused_with("Expect: 200-ok\r\nContent-Length: 1\r\n");
        assert_eq!((error, error.status()), (HeadError::UnsupportedExpectation, 417));
    }
}

mod limits {
    use super::*;

    #[test]
    fn a_head_longer_than_the_limit_is_refused_whether_complete_or_not() {
        let head = b"GET / HTTP/1.1\r\nHost: n\r\n\r\nbody";
        let limits = |head| Limits { head, ..Limits::default() };
        assert!(matches!(RequestHead::parse(head, &limits(27)), Ok(Some((_, 27)))));
        for received in [&head[..], &head[..26]] {
            let error = RequestHead::parse(received, &limits(26)).unwrap_err();
            assert_eq!((error, error.status()), (HeadError::HeadTooLarge { limit: 26 }, 431));
        }
        assert_eq!(RequestHead::parse(&head[..25], &limits(26)), Ok(None));
    }

    #[test]
    fn a_token_of_64_kib_in_base64_fits_in_the_default_limit() {
        let token = "A".repeat(65_536_usize.div_ceil(3) * 4);
        let value = format!("Kerberos {token}");
        assert_eq!(
            with(&format!("Authorization: {value}\r\n")).header("Authorization"),
            Some(value.as_str())
        );
    }

    #[test]
    fn more_header_lines_than_the_limit_are_refused_whether_complete_or_not() {
        let lines = |count| "X: y\r\n".repeat(count);
        assert_eq!(with(&lines(99)).headers("X").count(), 99);
        let error = refused_with(lines(100));
        assert_eq!((error, error.status()), (HeadError::TooManyHeaders { limit: 100 }, 431));
        let incomplete = format!("GET / HTTP/1.1\r\n{}", lines(101));
        assert_eq!(refused(incomplete), HeadError::TooManyHeaders { limit: 100 });
    }

    #[test]
    fn a_limit_of_nothing_refuses_everything() {
        let limits = Limits { head: 0, headers: 0 };
        assert_eq!(RequestHead::parse(b"GET", &limits), Err(HeadError::HeadTooLarge { limit: 0 }));
        let limits = Limits { head: usize::MAX, headers: usize::MAX };
        assert!(matches!(RequestHead::parse(b"GET / HTTP/1.0\r\n\r\n", &limits), Ok(Some(_))));
    }
}
