//! Messages between the gateway and the collector's process.

use std::sync::Arc;

use broker::wire::{Malformed, Reader, Writer};
use broker::{read_token, write_token};
use service::{EventAnswer, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use xml::Encoding;

use crate::source_message::{Proof, SourceMessage};

/// Encodes a message of a source with its number.
pub(crate) fn encode_call(number: u64, message: &SourceMessage) -> Vec<u8> {
    let mut w = Writer::default();
    w.u64(number);
    match &message.proof {
        Proof::Account { name, token } => _ = write_token(w.u8(1).text(name), token),
        Proof::Certificate(chain) => {
            w.u8(2).u32(u32::try_from(chain.len()).unwrap_or(u32::MAX));
            for certificate in chain.iter() {
                w.octets(certificate);
            }
        }
        Proof::Path => _ = w.u8(3),
    }
    w.address(message.address).u8(match message.transport {
        Transport::Http => 1,
        Transport::Https => 2,
        Transport::Local => 3,
    });
    w.text(&message.base).text(&message.path);
    w.optional(message.content_encoding.as_deref(), |w, text| _ = w.text(text));
    w.octets(&message.body);
    w.finish().to_vec()
}

/// Encodes the question whether the secret in a path is valid, with its number.
pub(crate) fn encode_question(number: u64, path: &str) -> Vec<u8> {
    let mut w = Writer::default();
    w.u64(number).u8(QUESTION).text(path);
    w.finish().to_vec()
}

/// Call of the gateway.
#[derive(Debug)]
pub(crate) enum Call {
    /// Message of a source.
    Message(Box<SourceMessage>),
    /// Question whether the secret in this path is valid.
    Question(String),
}

/// Decodes a call of the gateway and its number.
pub(crate) fn decode_call(bytes: &[u8]) -> Result<(u64, Call), Malformed> {
    let mut r = Reader::new(bytes);
    let number = r.u64()?;
    let proof = match r.u8()? {
        1 => Proof::Account { name: r.text()?.to_owned(), token: Box::new(read_token(&mut r)?) },
        2 => {
            let count = r.u32()?;
            if count > MAX_CERTIFICATES {
                return Err(Malformed("too many certificates"));
            }
            let chain =
                (0..count).map(|_| Ok(r.octets()?.to_vec())).collect::<Result<Vec<_>, Malformed>>()?;
            Proof::Certificate(Arc::from(chain))
        }
        3 => Proof::Path,
        QUESTION => {
            let path = r.text()?.to_owned();
            r.finish()?;
            return Ok((number, Call::Question(path)));
        }
        _ => return Err(Malformed("unknown proof of a source")),
    };
    let address = r.address()?;
    let transport = match r.u8()? {
        1 => Transport::Http,
        2 => Transport::Https,
        3 => Transport::Local,
        _ => return Err(Malformed("unknown transport")),
    };
    let message = SourceMessage {
        proof,
        address,
        transport,
        base: r.text()?.to_owned(),
        path: r.text()?.to_owned(),
        content_encoding: r.optional(|r| Ok(r.text()?.to_owned()))?,
        body: r.octets()?.to_vec(),
    };
    r.finish()?;
    Ok((number, Call::Message(Box::new(message))))
}

/// Encodes the response to a message.
pub(crate) fn encode_answer(number: u64, answer: &EventAnswer) -> Vec<u8> {
    let mut w = Writer::default();
    let encoding = match answer.encoding {
        Encoding::Utf8 => 1,
        Encoding::Utf16 => 2,
    };
    w.u64(number).u32(answer.status.into()).u8(encoding).text(&answer.envelope);
    w.finish().to_vec()
}

/// Decodes the response to a message, and the number of the message.
pub(crate) fn decode_answer(bytes: &[u8]) -> Result<(u64, EventAnswer), Malformed> {
    let mut r = Reader::new(bytes);
    let number = r.u64()?;
    let status = u16::try_from(r.u32()?).ok().filter(|status| (200..600).contains(status));
    let status = status.ok_or(Malformed("invalid status"))?;
    let encoding = match r.u8()? {
        1 => Encoding::Utf8,
        2 => Encoding::Utf16,
        _ => return Err(Malformed("unknown encoding")),
    };
    let answer = EventAnswer { status, envelope: r.text()?.to_owned(), encoding };
    r.finish()?;
    Ok((number, answer))
}

/// Sends one message.
pub(crate) async fn send(socket: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> std::io::Result<()> {
    let head = broker::frame_head(message.len()).ok_or(std::io::ErrorKind::InvalidInput)?;
    socket.write_all(&head).await?;
    socket.write_all(message).await
}

/// Receives one message; `None` once the other end is closed.
pub(crate) async fn receive(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = [0; 8];
    match socket.read_exact(&mut head).await {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let length = broker::message_length(head).ok_or(std::io::ErrorKind::InvalidData)?;
    let mut message = vec![0; length];
    socket.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Kind of a call that asks for a secret instead of the kind of a proof.
const QUESTION: u8 = 4;
/// Maximum number of certificates that a source presents.
const MAX_CERTIFICATES: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_answers_are_decoded_as_they_were_encoded() {
        let message = SourceMessage {
            proof: Proof::Certificate(Arc::from(vec![vec![1, 2], vec![3]])),
            address: [192, 0, 2, 7].into(),
            transport: Transport::Https,
            base: "https://wec.example:5986/wsman".to_owned(),
            path: "/SubscriptionManager/WEC".to_owned(),
            content_encoding: Some("SLDC".to_owned()),
            body: vec![0xFF, 0xFE],
        };
        let encoded = encode_call(7, &message);
        let (number, decoded) = decode_call(&encoded).unwrap();
        assert_eq!((number, format!("{decoded:?}")), (7, format!("Message({message:?})")));
        assert!((0..encoded.len()).all(|length| decode_call(&encoded[..length]).is_err()));
        let by_path = encode_call(8, &SourceMessage { proof: Proof::Path, ..message });
        let (_, Call::Message(decoded)) = decode_call(&by_path).unwrap() else { panic!() };
        assert!(matches!(decoded.proof, Proof::Path));
        let question = encode_question(9, "/subscriptions/x");
        let (9, Call::Question(path)) = decode_call(&question).unwrap() else { panic!() };
        assert_eq!(path, "/subscriptions/x");
        let answer = EventAnswer { status: 200, envelope: "<e/>".to_owned(), encoding: Encoding::Utf16 };
        let encoded = encode_answer(8, &answer);
        let (number, decoded) = decode_answer(&encoded).unwrap();
        assert_eq!((number, format!("{decoded:?}")), (8, format!("{answer:?}")));
        assert!((0..encoded.len()).all(|length| decode_answer(&encoded[..length]).is_err()));
    }
}
