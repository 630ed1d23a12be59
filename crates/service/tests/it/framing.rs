//! Tests of message framing (RFC 9112) and of requests with ambiguous ends.

use crate::message::Message;
use crate::probe::Event;
use crate::running::Running;
use crate::wire::{Wire, post};

#[tokio::test]
async fn pipelined_requests_are_processed_in_order_one_at_a_time() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let texts = ["first", "second", "third"];
    let requests = texts.map(|text| post(Message::probe("slow", text)).octets()).concat();
    wire.send(requests).await;
    for text in texts {
        let event = |kind: fn(String) -> Event| kind(text.to_owned());
        // If the next request were started too early, its call would be observed before this response.
        running.probe.expect(&[event(Event::Called)]).await;
        running.probe.release();
        running.probe.expect(&[event(Event::Answered), event(Event::Delivered)]).await;
        assert_eq!(echoed(&mut wire).await, text);
    }
    running.stop().await;
}

#[tokio::test]
async fn requests_can_be_split_into_any_segments() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let request = post(Message::probe("echo", "split"));
    for octets in [request.octets(), request.chunked(7), request.chunked(100_000)] {
        for piece in octets.chunks(97) {
            wire.send(piece).await;
        }
        assert_eq!(echoed(&mut wire).await, "split");
    }
    running.stop().await;
}

#[tokio::test]
async fn ambiguous_requests_are_rejected_and_hidden_ones_not_executed() {
    let running = Running::start(&[]).await;
    let hidden = post(Message::probe("echo", "hidden")).octets();
    let mut wrong = Vec::new();
    for (name, octets, status) in ambiguous(&hidden) {
        let mut wire = running.connect().await;
        // The service may have rejected the request and closed before the end was sent.
        let _ = wire.try_send(octets).await;
        let answer = wire.answer_or_end().await;
        let found = answer
            .map(|answer| (answer.status, answer.header("Connection") == Some("close"), answer.body.len()));
        if found != Some((status, true, 0)) {
            wrong.push(format!("{name}: {found:?} instead of {status}"));
        }
        if let Err(end) = wire.end().await {
            wrong.push(format!("{name}: {end}"));
        }
        assert_eq!(running.probe.so_far(), [], "{name}");
    }
    assert_eq!(wrong, [""; 0]);
    running.stop().await;
}

/// Cases: name, bytes and expected status. Each contains a complete request that must not be executed.
fn ambiguous(hidden: &[u8]) -> Vec<(String, Vec<u8>, u16)> {
    let outer = post(Message::probe("echo", "outer"));
    let head = outer.head();
    let body = &outer.body;
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let mut cases = Vec::new();
    let mut case = |name: &str, parts: &[&[u8]], status: u16| {
        cases.push((name.to_owned(), [&parts.concat()[..], hidden].concat(), status));
    };
    let with = |headers: &str| format!("{head}{headers}\r\n").into_bytes();

    // Two lengths.
    case("length, then chunked", &[&with(&(length.clone() + chunked)), b"0\r\n\r\n"], 400);
    case("chunked, then length", &[&with(&(chunked.to_owned() + &length)), b"0\r\n\r\n"], 400);
    case("the same length twice", &[&with(&(length.clone() + &length)), body], 400);
    case("two lengths", &[&with(&format!("Content-Length: 0\r\n{length}")), body], 400);
    for value in
        ["", "0, 0", "+0", "-0", "-1", "0x0", "0 0", "0;", "0\u{b}", "1e3", "00000000000000000000", "٣"]
    {
        case(&format!("length {value:?}"), &[&with(&format!("Content-Length: {value}\r\n"))], 400);
    }
    case("length with a space before its colon", &[&with("Content-Length : 0\r\n")], 400);
    case("length in a folded line", &[&with("X: y\r\n Content-Length: 0\r\n")], 400);
    case("length after a bare line feed", &[&with("X: y\nContent-Length: 0\r\n")], 400);
    case("length after a bare carriage return", &[&with("X: y\rContent-Length: 0\r\n")], 400);
    case("length behind a NUL", &[&with("X: y\0\r\nContent-Length: 0\r\n")], 400);

    // Codings.
    for value in [
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, identity",
        "chunked, chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "",
    ] {
        case(
            &format!("coding {value:?}"),
            &[&with(&format!("Transfer-Encoding: {value}\r\n")), b"0\r\n\r\n"],
            501,
        );
    }
    case("chunked twice", &[&with(&chunked.repeat(2)), b"0\r\n\r\n"], 400);
    case(
        "coding with a space before its colon",
        &[&with("Transfer-Encoding : chunked\r\n"), b"0\r\n\r\n"],
        400,
    );
    case("coding in a folded line", &[&with("Transfer-Encoding:\r\n chunked\r\n"), b"0\r\n\r\n"], 501);
    case("coding with a vertical tab", &[&with("Transfer-Encoding: \u{b}chunked\r\n"), b"0\r\n\r\n"], 400);
    let old = outer.clone().starting("POST /wsman HTTP/1.0").head();
    case("chunked in HTTP/1.0", &[format!("{old}{chunked}\r\n0\r\n\r\n").as_bytes()], 400);

    // Chunks.
    let chunks = with(chunked);
    for bad in [
        "0x0\r\n\r\n",
        " 0\r\n\r\n",
        "0 \r\n\r\n",
        "+0\r\n\r\n",
        "-1\r\n\r\n",
        "\r\n\r\n",
        "g\r\n\r\n",
        "0\n\n",
        "0\r\r\n",
        "00000000000000000\r\n\r\n",
        "0;a\u{1}\r\n\r\n",
        "0;a\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "0\r\nno trailer\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\n x: y\r\n\r\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: \0\r\n\r\n",
        "0\r\n\rx",
    ] {
        case(&format!("chunks {bad:?}"), &[&chunks, bad.as_bytes()], 400);
    }
    case("an extension without end", &[&chunks, format!("0;{}\r\n\r\n", "x".repeat(1_100)).as_bytes()], 400);
    case(
        "a trailer without end",
        &[&chunks, format!("0\r\nx: {}\r\n\r\n", "x".repeat(8_200)).as_bytes()],
        400,
    );
    for size in ["7d001", "ffffffff", "7fffffffffffffff", "ffffffffffffffff"] {
        case(&format!("a chunk of {size}"), &[&chunks, format!("{size}\r\n").as_bytes()], 413);
    }

    // Lines and names.
    for (name, line) in [
        ("a header without colon", "X\r\n"),
        ("a header without name", ": x\r\n"),
        ("a space in a name", "X y: z\r\n"),
        ("a control character in a name", "X\u{1}: y\r\n"),
        ("brackets in a name", "X(y): z\r\n"),
        ("a control character in a value", "X: \u{1}\r\n"),
        ("DEL in a value", "X: \u{7f}\r\n"),
        ("a folded line", "X: y\r\n\tz\r\n"),
        ("a second Host", "Host: node8\r\n"),
        ("a second Authorization", "Authorization: Basic eDp5\r\n"),
    ] {
        case(name, &[&with(&format!("{line}{length}")), body], 400);
    }
    for host in ["", "node7, node8", "node7/x", "user@node7", "node 7", "node7#", "nöde"] {
        let head = outer.clone().header("Host", host).head();
        case(&format!("Host {host:?}"), &[format!("{head}{length}\r\n").as_bytes(), body], 400);
    }
    let head_without_host = outer.clone().without("Host").head();
    case("no Host", &[format!("{head_without_host}{length}\r\n").as_bytes(), body], 400);

    // The first line.
    for (start, status) in [
        ("POST /wsman", 400),
        ("POST  /wsman HTTP/1.1", 400),
        ("POST /wsman  HTTP/1.1", 400),
        ("POST /wsman HTTP/1.1 ", 400),
        ("POST\t/wsman\tHTTP/1.1", 400),
        (" POST /wsman HTTP/1.1", 400),
        ("POST /wsman http/1.1", 400),
        ("POST /wsman HTTP/1.1\r", 400),
        ("POST /wsman x HTTP/1.1", 400),
        ("POST wsman HTTP/1.1", 400),
        ("POST * HTTP/1.1", 400),
        ("POST node7:5985 HTTP/1.1", 400),
        ("POST ftp://node7/wsman HTTP/1.1", 400),
        ("POST http:///wsman HTTP/1.1", 400),
        ("POST http://user@node7/wsman HTTP/1.1", 400),
        ("POST /wsman#x HTTP/1.1", 400),
        ("POST /wsmän HTTP/1.1", 400),
        ("PO(ST /wsman HTTP/1.1", 400),
        ("\u{0}POST /wsman HTTP/1.1", 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}", 400),
        ("\r\n\r\nPOST /wsman HTTP/1.1", 400),
        ("\nPOST /wsman HTTP/1.1", 400),
        ("POST /wsman HTTP/0.9", 505),
        ("POST /wsman HTTP/1.2", 505),
        ("POST /wsman HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
    ] {
        let head = outer.clone().starting(start).head();
        case(&format!("{start:?}"), &[format!("{head}{length}\r\n").as_bytes(), body], status);
    }
    let expecting = |value: &str| outer.clone().header("Expect", value).head();
    for value in ["", "200-ok", "100-continue, x"] {
        let head = expecting(value);
        case(&format!("Expect {value:?}"), &[format!("{head}{length}\r\n").as_bytes(), body], 417);
    }
    cases
}

#[tokio::test]
async fn unambiguous_requests_are_answered() {
    let running = Running::start(&[]).await;
    let outer = post(Message::probe("echo", "outer"));
    let body = &outer.body;
    let length = body.len();
    let hexadecimal = format!("{length:x}");
    let headed = |headers: &str| format!("{}{headers}\r\n", outer.head()).into_bytes();
    let whole = |headers: &str| [&headed(headers)[..], body].concat();
    let in_chunks =
        |chunks: &[&[u8]]| [&headed("Transfer-Encoding: chunked\r\n")[..], &chunks.concat()].concat();
    let started = |start: &str| outer.clone().starting(start).octets();
    let cases = [
        ("zeros before the length", whole(&format!("Content-Length: 000{length}\r\n"))),
        ("white space around the length", whole(&format!("content-length:\t {length} \t\r\n"))),
        ("no space after a colon", whole(&format!("CONTENT-LENGTH:{length}\r\n"))),
        ("a header of octets beyond ASCII", whole(&format!("X: ü\r\nContent-Length: {length}\r\n"))),
        ("an empty header", whole(&format!("X:\r\nContent-Length: {length}\r\n"))),
        ("one empty line before", [b"\r\n", &outer.octets()[..]].concat()),
        ("a slash behind the path", started("POST /wsman/ HTTP/1.1")),
        ("a query", started("POST /wsman?PSVersion=7.4 HTTP/1.1")),
        ("an absolute target", started("POST http://node7:5985/wsman HTTP/1.1")),
        ("an absolute target of another place", started("POST HTTPS://elsewhere/wsman?x HTTP/1.1")),
        (
            "a digit in upper case",
            in_chunks(&[hexadecimal.to_uppercase().as_bytes(), b"\r\n", body, b"\r\n0\r\n\r\n"]),
        ),
        (
            "zeros before a size",
            in_chunks(&[b"0000", hexadecimal.as_bytes(), b"\r\n", body, b"\r\n000\r\n\r\n"]),
        ),
        ("extensions", in_chunks(&[hexadecimal.as_bytes(), b";a=\"b\";c\r\n", body, b"\r\n0;d\r\n\r\n"])),
        (
            "a trailer, which changes nothing",
            in_chunks(&[
                hexadecimal.as_bytes(),
                b"\r\n",
                body,
                b"\r\n0\r\nContent-Length: 5\r\nAuthorization: Basic eDp5\r\nConnection: close\r\n\r\n",
            ]),
        ),
        ("a coding in upper case", {
            let head = headed("Transfer-Encoding: CHUNKED\r\n");
            [&head[..], hexadecimal.as_bytes(), b"\r\n", body, b"\r\n0\r\n\r\n"].concat()
        }),
    ];
    let mut wire = running.connect().await;
    for (name, octets) in cases {
        wire.send(octets).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("Connection")), (200, None), "{name}");
        assert_eq!(answer.response().content().unwrap().text(), "outer", "{name}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_request_inside_the_body_of_a_refused_one_is_never_executed() {
    let running = Running::start(&[]).await;
    let hidden = post(Message::probe("echo", "hidden")).octets();
    let innocent = post(hidden);
    let refused = [
        (401, innocent.clone().anonymous()),
        (401, innocent.clone().signed_in("ada", "wrong")),
        (401, innocent.clone().header("Authorization", "Digest x")),
        (404, innocent.clone().starting("POST / HTTP/1.1")),
        (404, innocent.clone().starting("POST /wsman/x HTTP/1.1")),
        (404, innocent.clone().starting("POST /WSMAN HTTP/1.1")),
        (404, innocent.clone().starting("POST //wsman HTTP/1.1")),
        (404, innocent.clone().starting("POST /wsman/../wsman HTTP/1.1")),
        (404, innocent.clone().starting("POST /%77sman HTTP/1.1")),
        (405, innocent.clone().starting("GET /wsman HTTP/1.1")),
        (405, innocent.clone().starting("PUT /wsman HTTP/1.1")),
        (405, innocent.clone().starting("OPTIONS /wsman HTTP/1.1")),
        (405, innocent.clone().starting("post /wsman HTTP/1.1")),
        (415, innocent.clone().header("Content-Type", "text/plain")),
        (500, innocent.clone()),
    ];
    let mut wire = running.connect().await;
    for (status, post_) in refused {
        for octets in [post_.octets(), post_.chunked(50)] {
            wire.send(octets).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status, answer.header("Connection")), (status, None), "{}", post_.start);
            if status == 405 {
                assert_eq!(answer.header("Allow"), Some("POST"));
            }
            // A response to the hidden request would arrive here.
            wire.send(post(Message::probe("echo", "next")).octets()).await;
            assert_eq!(echoed(&mut wire).await, "next");
        }
    }
    assert!(!running.probe.was_called("hidden"));
    running.stop().await;
}

#[tokio::test]
async fn a_response_to_head_has_no_body() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let answer = wire.ask(&post("").starting("HEAD /wsman HTTP/1.1")).await;
    assert_eq!((answer.status, answer.header("Content-Length")), (405, Some("0")));
    wire.send(post(Message::probe("echo", "next")).octets()).await;
    assert_eq!(echoed(&mut wire).await, "next");
    running.stop().await;
}

#[tokio::test]
async fn the_client_decides_about_keep_alive() {
    let running = Running::start(&[]).await;
    let request = post(Message::probe("echo", "text"));
    let old = request.clone().starting("POST /wsman HTTP/1.0");
    for (goes_on, request) in [
        (true, request.clone()),
        (true, request.clone().header("Connection", "keep-alive")),
        (false, request.clone().header("Connection", "close")),
        (false, request.clone().header("Connection", "Keep-Alive, Close")),
        (false, request.clone().header("Connection", "TE").also("Connection", "close")),
        (false, old.clone()),
        (false, old.clone().without("Host")),
        (false, old.clone().header("Connection", "close, keep-alive")),
        (true, old.header("Connection", "Keep-Alive")),
    ] {
        let mut wire = running.connect().await;
        let answer = wire.ask(&request).await;
        assert_eq!(answer.status, 200, "{request:?}");
        assert_eq!(answer.header("Connection") != Some("close"), goes_on, "{request:?}");
        if goes_on {
            assert_eq!(wire.ask(&request).await.status, 200);
        } else {
            wire.ends().await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn continue_is_sent_only_if_the_body_is_needed() {
    let running = Running::start(&[]).await;
    let waiting = post(Message::probe("echo", "body")).header("Expect", "100-Continue");
    let head = format!("{}Content-Length: {}\r\n\r\n", waiting.head(), waiting.body.len());
    let mut wire = running.connect().await;
    for _ in 0..2 {
        wire.send(&head).await;
        assert_eq!(wire.answer().await.head, "HTTP/1.1 100 Continue\r\n\r\n");
        wire.send(&waiting.body).await;
        assert_eq!(echoed(&mut wire).await, "body");
    }
    // A client without the header receives no "100 Continue".
    wire.send(waiting.octets()).await;
    assert_eq!(echoed(&mut wire).await, "body");

    let hidden = post(Message::probe("echo", "hidden")).octets();
    for (status, refused) in [
        (401, waiting.clone().anonymous()),
        (404, waiting.clone().starting("POST /other HTTP/1.1")),
        (405, waiting.clone().starting("GET /wsman HTTP/1.1")),
        (413, waiting.clone()),
        (415, waiting.clone().header("Content-Type", "text/plain")),
    ] {
        let length = if status == 413 { 600_000 } else { hidden.len() };
        let mut wire = running.connect().await;
        wire.send(format!("{}Content-Length: {length}\r\n\r\n", refused.head())).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.status, answer.header("Connection")),
            (status, Some("close")),
            "{}",
            refused.start
        );
        // The service cannot know whether this is the body or the next request, so it must process neither.
        let _ = wire.try_send(&hidden).await;
        wire.is_over().await;
    }
    assert!(!running.probe.was_called("hidden"));
    running.stop().await;
}

#[tokio::test]
async fn incomplete_requests_are_never_executed() {
    let running = Running::start(&[]).await;
    let request = post(Message::probe("echo", "half"));
    for octets in [request.octets(), request.chunked(100)] {
        for missing in [1, 2, 3, 10, 200, request.body.len(), request.body.len() + 4] {
            let mut wire = running.connect().await;
            wire.send(octets.get(..octets.len() - missing).unwrap()).await;
            wire.finish_sending().await;
            wire.is_over().await;
        }
    }
    assert_eq!(running.probe.so_far(), []);
    running.stop().await;
}

#[tokio::test]
async fn bytes_after_the_body_are_the_next_request() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let request = post(Message::probe("echo", "long"));
    wire.send([&request.octets()[..], b"\0rest"].concat()).await;
    assert_eq!(echoed(&mut wire).await, "long");
    assert_eq!(wire.answer().await.status, 400);
    wire.ends().await;
    running.stop().await;
}

async fn echoed(wire: &mut Wire) -> String {
    let response = wire.answer().await.response();
    response.content().unwrap().text().into_owned()
}
