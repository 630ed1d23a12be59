//! Valid and invalid framing of responses.

use client::{Error, Progress, Violation};
use telarch_client as client;
use xml::Encoding;

use crate::service::{Request, SOAP, Service, Step, config, response, response_with, write_config};

async fn get_from(answer: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Result<String, Error> {
    let service = Service::start(answer).await;
    let session = service.builder().max_envelope_size(8_192).answer_limit(1_000).build().unwrap();
    let answer = session.get(&config()).await?;
    Ok(answer.content().unwrap().source().to_owned())
}

const CONFIG: &str = "<cfg:Config xmlns:cfg=\"http://schemas.microsoft.com/wbem/wsman/1/config\">\
                      <cfg:MaxTimeoutms>60000</cfg:MaxTimeoutms></cfg:Config>";

fn violation(answer: Result<String, Error>) -> Violation {
    match answer {
        Err(Error::Protocol { violation, .. }) => violation,
        other => panic!("not a violation: {other:?}"),
    }
}

#[tokio::test]
async fn a_response_in_one_segment_is_read() {
    assert_eq!(get_from(Request::config).await.unwrap(), CONFIG);
}

#[tokio::test]
async fn a_response_in_single_bytes_is_read() {
    let slowly = |request: &Request| vec![Step::SendSlowly(response(200, &request.message(write_config)))];
    assert_eq!(get_from(slowly).await.unwrap(), CONFIG);
}

#[tokio::test]
async fn a_chunked_response_is_read_with_any_split() {
    fn chunked(request: &Request) -> Vec<u8> {
        let message = request.message(write_config);
        let mut octets =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {SOAP}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .into_bytes();
        for piece in message.as_bytes().chunks(100) {
            octets.extend(format!("{:x}\r\n", piece.len()).bytes().chain(piece.iter().copied()));
            octets.extend(b"\r\n");
        }
        octets.extend(b"0\r\n\r\n");
        octets
    }
    assert_eq!(get_from(|request| vec![Step::Send(chunked(request))]).await.unwrap(), CONFIG);
    assert_eq!(get_from(|request| vec![Step::SendSlowly(chunked(request))]).await.unwrap(), CONFIG);
}

#[tokio::test]
async fn a_response_that_ends_with_the_connection_is_read() {
    let until_close = |request: &Request| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {SOAP}\r\n\r\n");
        vec![Step::Send((head + &request.message(write_config)).into_bytes()), Step::Close]
    };
    assert_eq!(get_from(until_close).await.unwrap(), CONFIG);
}

#[tokio::test]
async fn interim_responses_are_ignored() {
    let interim = |request: &Request| {
        let mut octets = http::CONTINUE.to_vec();
        octets.extend(response(200, &request.message(write_config)));
        vec![Step::Send(octets)]
    };
    assert_eq!(get_from(interim).await.unwrap(), CONFIG);
    let endless = |_: &Request| vec![Step::Send(http::CONTINUE.repeat(100))];
    assert!(matches!(violation(get_from(endless).await), Violation::Interim));
}

#[tokio::test]
async fn an_answer_in_utf_16_is_read_and_a_request_in_utf_16_written() {
    let service = Service::start(|_| {
        let envelope = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><a>\u{e4}</a>\
                        </s:Body></s:Envelope>";
        let body = Encoding::Utf16.encode(envelope.to_owned());
        let headers = [("Content-Type", "application/soap+xml;charset=UTF-16")];
        vec![Step::Send(response_with(200, &headers, &body))]
    })
    .await;
    let mut service = service;
    let session = service.builder().encoding(Encoding::Utf16).build().unwrap();
    let answer = session.get(&config()).await.unwrap();
    assert_eq!(answer.content().unwrap().text(), "\u{e4}");
    let request = service.request().await;
    assert_eq!(request.head.header("Content-Type"), Some("application/soap+xml;charset=UTF-16"));
}

#[tokio::test]
async fn a_response_to_another_request_is_rejected() {
    let other = |request: &Request| {
        let message = request.message(write_config);
        let id = request.parsed().head().message_id.clone();
        vec![Step::Send(response(200, &message.replace(&id, "uuid:00000000-0000-0000-0000-000000000000")))]
    };
    let violation = violation(get_from(other).await);
    assert!(matches!(violation, Violation::Message(wsman::ResponseError::WrongRelation { .. })));
}

#[tokio::test]
async fn two_messages_in_one_response_are_rejected() {
    let twice = |request: &Request| {
        let message = request.message(write_config);
        vec![Step::Send(response(200, &message.repeat(2)))]
    };
    assert!(matches!(violation(get_from(twice).await), Violation::Message(wsman::ResponseError::Xml(_))));
}

#[tokio::test]
async fn an_oversized_response_is_rejected_before_it_is_read() {
    let promised = |_: &Request| {
        // The body is never sent, so the announced length must be rejected.
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9193\r\n\r\n".to_vec()), Step::Hang]
    };
    assert!(matches!(violation(get_from(promised).await), Violation::TooLarge { limit: 9_192 }));
    let chunk = |_: &Request| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n23e9\r\n";
        vec![Step::Send(head.as_bytes().to_vec()), Step::Hang]
    };
    assert!(matches!(violation(get_from(chunk).await), Violation::TooLarge { limit: 9_192 }));
    let until_close = |_: &Request| {
        let mut octets = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        octets.extend([b' '; 9_193]);
        vec![Step::Send(octets), Step::Hang]
    };
    assert!(matches!(violation(get_from(until_close).await), Violation::TooLarge { limit: 9_192 }));
}

#[tokio::test]
async fn an_endless_head_is_rejected() {
    let endless = |_: &Request| {
        let mut octets = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        octets.extend([b'x'; 100_000]);
        vec![Step::Send(octets), Step::Hang]
    };
    assert!(matches!(
        violation(get_from(endless).await),
        Violation::Head(http::HeadError::HeadTooLarge { .. })
    ));
}

#[tokio::test]
async fn a_truncated_response_is_a_disconnection() {
    for keep in [0, 10, 200] {
        let cut = move |request: &Request| {
            let mut octets = response(200, &request.message(write_config));
            octets.truncate(keep);
            vec![Step::Send(octets), Step::Close]
        };
        let progress = match get_from(cut).await {
            Err(Error::Disconnected { when, .. }) => when,
            other => panic!("not a broken connection: {other:?}"),
        };
        let expected = if keep == 0 { Progress::Waiting } else { Progress::Receiving };
        assert_eq!(progress, expected, "after {keep} octets");
    }
}

#[tokio::test]
async fn a_body_that_is_not_a_message_is_rejected() {
    let html = |_: &Request| vec![Step::Send(response_with(200, &[], b"<html></html>"))];
    assert!(matches!(
        violation(get_from(html).await),
        Violation::Message(wsman::ResponseError::NotAnEnvelope(_))
    ));
    let latin = |_: &Request| {
        let headers = [("Content-Type", "application/soap+xml;charset=iso-8859-1")];
        vec![Step::Send(response_with(200, &headers, b"<a/>"))]
    };
    assert!(matches!(violation(get_from(latin).await), Violation::Encoding(_)));
    let nothing = |_: &Request| vec![Step::Send(response_with(200, &[], b""))];
    assert!(matches!(violation(get_from(nothing).await), Violation::Empty));
    let other_protocol = |_: &Request| vec![Step::Send(b"SSH-2.0-OpenSSH\r\n".to_vec())];
    assert!(matches!(violation(get_from(other_protocol).await), Violation::NotHttp));
}
