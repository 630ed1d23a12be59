use telarch_http::{CONTINUE, Limits, RequestHead, RequestWriter, ResponseHead, ResponseWriter, WriteError};

#[test]
fn a_response_is_written() {
    let mut out = b"before ".to_vec();
    let mut writer = ResponseWriter::new(&mut out, 401).unwrap();
    writer.header("WWW-Authenticate", "Negotiate").unwrap();
    writer.header("WWW-Authenticate", "Basic realm=\"WSMAN\"").unwrap();
    writer.end(18_446_744_073_709_551_615).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "before HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\
         WWW-Authenticate: Basic realm=\"WSMAN\"\r\nContent-Length: 18446744073709551615\r\n\r\n"
    );
}

#[test]
fn a_request_is_written() {
    let mut out = Vec::new();
    let mut writer = RequestWriter::post(&mut out, "/wsman", "node7:5985").unwrap();
    writer.header("User-Agent", "telarch").unwrap();
    writer.end(0);
    let expected =
        "POST /wsman HTTP/1.1\r\nHost: node7:5985\r\nUser-Agent: telarch\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_get_has_no_content_length() {
    let mut out = Vec::new();
    RequestWriter::get(&mut out, "/", "node7").unwrap().end_without_body();
    assert_eq!(out, b"GET / HTTP/1.1\r\nHost: node7\r\n\r\n");
}

#[test]
fn a_connect_names_the_host_twice_and_has_no_length() {
    let mut out = Vec::new();
    RequestWriter::connect(&mut out, "[::1]:5986").unwrap().end_without_body();
    assert_eq!(out, b"CONNECT [::1]:5986 HTTP/1.1\r\nHost: [::1]:5986\r\n\r\n");
    for authority in ["", "a b:1", "node7:1\r\nX: y", "node7/x"] {
        let mut out = Vec::new();
        assert_eq!(
            RequestWriter::connect(&mut out, authority).unwrap_err(),
            WriteError::Host,
            "{authority:?}"
        );
        assert!(out.is_empty());
    }
}

#[test]
fn every_status_is_written_with_a_reason() {
    for status in 100..600 {
        let mut out = Vec::new();
        ResponseWriter::new(&mut out, status).unwrap().end(0).unwrap();
        let (head, _) = ResponseHead::parse(&out, &Limits::default()).unwrap().unwrap();
        assert_eq!(head.status(), status);
        assert!(!head.reason().is_empty());
    }
}

#[test]
fn an_unknown_status_has_the_reason_status() {
    let mut out = Vec::new();
    ResponseWriter::new(&mut out, 418).unwrap().end(0).unwrap();
    assert!(out.starts_with(b"HTTP/1.1 418 Status\r\n"));
}

#[test]
fn a_status_out_of_range_is_refused() {
    for status in [0, 99, 600, 1000] {
        let mut out = Vec::new();
        assert_eq!(ResponseWriter::new(&mut out, status).unwrap_err(), WriteError::Status { status });
        assert!(out.is_empty());
    }
}

#[test]
fn the_interim_response_is_what_the_writer_writes() {
    let mut out = Vec::new();
    ResponseWriter::new(&mut out, 100).unwrap().end(0).unwrap();
    assert_eq!(out, CONTINUE);
}

#[test]
fn a_response_without_body_has_no_content_length_and_takes_no_body() {
    for status in [100, 101, 204, 304] {
        let mut out = Vec::new();
        ResponseWriter::new(&mut out, status).unwrap().end(0).unwrap();
        assert!(!out.windows(7).any(|part| part == b"Content"));
        out.clear();
        let refusal = ResponseWriter::new(&mut out, status).unwrap().end(1);
        assert_eq!(refusal, Err(WriteError::BodyNotAllowed { status }));
        assert!(out.is_empty());
    }
}

#[test]
fn a_header_value_that_would_end_its_line_is_refused_and_left_out() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, 200).unwrap();
    for value in ["a\r\nX: b", "a\rb", "a\nb", "a\0b", "\u{1}", "\u{7f}"] {
        assert_eq!(writer.header("X", value), Err(WriteError::Value), "{value:?}");
    }
    writer.header("X", "\ttab and ä").unwrap();
    writer.end(0).unwrap();
    assert_eq!(out, "HTTP/1.1 200 OK\r\nX: \ttab and ä\r\nContent-Length: 0\r\n\r\n".as_bytes());
}

#[test]
fn a_header_name_that_is_not_a_token_is_refused() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, 200).unwrap();
    for name in ["", "X:", "X Y", "X\r\nY", "ä"] {
        assert_eq!(writer.header(name, "a"), Err(WriteError::Name), "{name:?}");
    }
}

#[test]
fn headers_that_frame_the_message_are_reserved_to_the_writer() {
    let mut out = Vec::new();
    let mut writer = RequestWriter::post(&mut out, "/", "n").unwrap();
    for name in ["content-length", "Transfer-Encoding", "HOST"] {
        assert_eq!(writer.header(name, "1"), Err(WriteError::Reserved), "{name}");
    }
}

#[test]
fn a_head_that_was_not_ended_is_taken_back() {
    let mut out = b"before".to_vec();
    drop(ResponseWriter::new(&mut out, 200).unwrap());
    assert_eq!(out, b"before");
    let mut writer = RequestWriter::post(&mut out, "/", "n").unwrap();
    writer.header("X", "y").unwrap();
    drop(writer);
    assert_eq!(out, b"before");
}

#[test]
fn a_target_or_host_that_would_not_be_read_back_is_refused() {
    let mut out = Vec::new();
    for target in ["", "wsman", "*", "/a b", "/a\r\nX: y", "/#", "/ä", "ftp://n/"] {
        assert_eq!(RequestWriter::post(&mut out, target, "n").unwrap_err(), WriteError::Target, "{target:?}");
    }
    for host in ["", "a b", "a\r\nX: y", "a/b", "user@a", "ä"] {
        assert_eq!(RequestWriter::get(&mut out, "/", host).unwrap_err(), WriteError::Host, "{host:?}");
    }
    assert!(out.is_empty());
}

#[test]
fn written_messages_are_read_back() {
    let mut out = Vec::new();
    let mut writer = RequestWriter::post(&mut out, "http://[::1]:5985/wsman?a=b", "[::1]:5985").unwrap();
    writer.header("Authorization", "Negotiate YII=").unwrap();
    writer.end(7);
    let (head, length) = RequestHead::parse(&out, &Limits::default()).unwrap().unwrap();
    assert_eq!(length, out.len());
    assert_eq!((head.path(), head.header("Host")), ("/wsman", Some("[::1]:5985")));
    assert_eq!(head.header("Authorization"), Some("Negotiate YII="));
}
