//! Messages of NATS servers, subjects and logins.

use nats::publish::Publication;
use nats::{Info, Login, LoginSettings, MAX_LINE, MAX_PAYLOAD, PublishAck, ServerMessage, SubjectTemplate};
use nats::{NatsError, SubjectValues};

/// Checks any bytes as messages of a server.
///
/// A message is recognised only once it is complete, its length is within the bounds, and its content decides nothing
/// else than the bytes of this length.
///
/// # Panics
/// If one of these properties does not hold.
pub fn server_message(data: &[u8]) {
    let mut rest = data;
    loop {
        match ServerMessage::decode(rest) {
            Ok(Some((message, length))) => {
                assert!(length > 0 && length <= MAX_LINE + MAX_PAYLOAD + 4, "{length}");
                let (one, after) = rest.split_at(length);
                assert_eq!(ServerMessage::decode(one), Ok(Some((message.clone(), length))));
                let last = one.len() - 1;
                assert_eq!(ServerMessage::decode(&one[..last]), Ok(None), "a cut message is incomplete");
                check_content(&message);
                rest = after;
            }
            Ok(None) => return assert!(rest.len() <= MAX_LINE + MAX_PAYLOAD + 4, "{}", rest.len()),
            Err(error) => return assert_short(&error),
        }
    }
}

fn check_content(message: &ServerMessage<'_>) {
    if let ServerMessage::Message(message) = message {
        assert!(message.payload.len() <= MAX_PAYLOAD);
        match PublishAck::parse(message.payload) {
            Ok(PublishAck::Refused(reason)) => assert!(reason.chars().count() <= 256),
            Ok(_) => {}
            Err(error) => assert_short(&error),
        }
    }
}

/// Checks any bytes as a subject, its values and the content of a message, and as credentials.
///
/// A subject is one word without wildcards and has the tokens of its template. A published message is one line with
/// the lengths of what follows.
///
/// # Panics
/// If one of these properties does not hold.
pub fn publication(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Login::new(&LoginSettings { credentials: Some(&text), ..LoginSettings::default() }) {
        Ok(login) => {
            let info = Info { nonce: Some(text.clone().into_owned()), ..Info::default() };
            let connect = login.connect(&info, true).expect("there is a nonce");
            assert_eq!(connect.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
        Err(error) => assert_short(&error),
    }
    let (template, value) = text.split_once('\n').unwrap_or((&text, &text));
    let template = match SubjectTemplate::parse(template) {
        Ok(parsed) => {
            check_subject(&parsed, template, value);
            parsed
        }
        Err(error) => return assert_short(&error),
    };
    let values = SubjectValues { source: value, channel: value, subscription: value };
    let subject = template.subject(&values);
    let message = Publication { subject: &subject, reply: "r", identifier: "id", payload: data };
    let mut out = Vec::new();
    message.write(&mut out);
    let end = out.windows(2).position(|pair| pair == b"\r\n").expect("a line");
    let size = message.size();
    let line = String::from_utf8_lossy(&out[..end]).into_owned();
    assert!(line.starts_with(&format!("HPUB {subject} r ")) && line.ends_with(&format!(" {size}")), "{line}");
    assert_eq!(out.len(), end + 2 + size + 2);
    assert!(out.ends_with(&[data, b"\r\n"].concat()));
}

fn check_subject(parsed: &SubjectTemplate, template: &str, value: &str) {
    let values = SubjectValues { source: value, channel: value, subscription: value };
    let subject = parsed.subject(&values);
    assert_eq!(subject.split('.').count(), template.split('.').count(), "{subject}");
    assert!(subject.split('.').all(|token| !token.is_empty()), "{subject}");
    assert!(subject.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>')), "{subject}");
    // A line of the protocol has at most 4096 bytes.
    assert!(subject.len() <= 2_176, "{}", subject.len());
}

fn assert_short(error: &NatsError) {
    assert!(error.to_string().len() < 1_024, "an error quotes too much of its text");
}
