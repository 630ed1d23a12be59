//! PowerShell remoting.

use psrp::clixml::{self, Document, Index, Limits, Value, Version};
use psrp::out_of_proc::Packet;
use psrp::{
    Body, ClientOptions, ClientPool, Defragmenter, Fragment, FragmentLimits, Fragmenter, Guid, Message,
    PoolLimits, ServerOptions, ServerPool, SessionKey, xpress as compression,
};

/// Checks that bytes read as fragments are written again unchanged, that joined messages are divided and joined to the
/// same bytes, and that both ends of a pool accept or refuse them without a panic.
///
/// # Panics
/// If one of these properties does not hold.
pub fn fragment(data: &[u8]) {
    let mut rest = data;
    let mut incoming = Defragmenter::new(LIMITS.fragments);
    while let Ok((fragment, behind)) = Fragment::decode(rest) {
        let mut again = Vec::new();
        fragment.encode(&mut again);
        let (own, _) = rest.split_at(rest.len() - behind.len());
        // Other bits of the flags have no meaning.
        assert_eq!((&again[..16], again[16] & 3, &again[17..]), (&own[..16], own[16] & 3, &own[17..]));
        rest = behind;
        match incoming.add(fragment) {
            Ok(Some(message)) => divided(message),
            Ok(None) => {}
            Err(_) => break,
        }
        assert!(incoming.incomplete() <= LIMITS.fragments.open, "too many incomplete messages");
    }
    let _ = server().receive(data);
    let mut client =
        ClientPool::new(Guid::ZERO, ClientOptions { limits: LIMITS, ..ClientOptions::default() });
    client.open().expect("a new pool can be opened");
    let _ = client.receive(data);
    // Whatever was received, everything that was queued can be sent.
    while client.take(30).is_some() {}
    assert_eq!(client.queued(), 0);
}

fn divided(message: Vec<u8>) {
    assert!(message.len() <= LIMITS.fragments.message, "a message is too long");
    let mut fragments = Fragmenter::new(1, message.clone());
    let mut bytes = Vec::new();
    while fragments.next(100, &mut bytes) {}
    let mut incoming = Defragmenter::default();
    let mut rest = bytes.as_slice();
    let mut joined = None;
    while !rest.is_empty() {
        assert_eq!(joined, None, "a message ended too early");
        let (fragment, behind) = Fragment::decode(rest).expect("a written fragment can be read");
        joined = incoming.add(fragment).expect("written fragments are in order");
        rest = behind;
    }
    assert_eq!(joined, Some(message));
}

/// Checks that a message keeps its header and data, and that a record is read from its own text with the same text.
///
/// # Panics
/// If one of these properties does not hold.
pub fn message(data: &[u8]) {
    let Ok(message) = Message::decode(data) else { return };
    assert_eq!(message.encode(), data, "a message changed");
    let Ok(body) = Body::decode(message.kind, &message.data, &LIMITS.clixml) else { return };
    assert_eq!(body.kind(), message.kind);
    // A part of a record may refer to a part that the record does not keep.
    let Ok(written) = body.encode() else { return };
    let again = Body::decode(message.kind, &written, &ROOMY).expect("a written record can be read");
    assert_eq!(again.encode().as_ref(), Ok(&written), "a record changed");
}

/// Checks that a value or a file is written to text that is read with the same result, and that references lead to
/// objects.
///
/// # Panics
/// If one of these properties does not hold.
pub fn clixml(data: &[u8]) {
    if let Ok(value) = clixml::parse(data, &LIMITS.clixml) {
        let written = clixml::write(&value).expect("a value that was read can be written");
        let again = clixml::parse(&written, &ROOMY).expect("a written value can be read");
        assert_eq!(clixml::write(&again).as_ref(), Ok(&written), "a value changed");
        let index = Index::new(&value);
        assert!(
            value.as_object().is_none_or(|object| object.id.is_some_and(|id| index.object(id).is_some()))
        );
    }
    if let Ok(document) = Document::parse(data, &LIMITS.clixml) {
        let written = document.write().expect("a file that was read can be written");
        let again = Document::parse(written.as_bytes(), &ROOMY).expect("a written file can be read");
        assert_eq!(again.write().as_ref(), Ok(&written), "a file changed");
    }
}

/// Checks that a packet is written to a line that is read as the same packet.
///
/// # Panics
/// If this does not hold.
pub fn out_of_proc(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(Some(packet)) = Packet::parse(line) else { continue };
        let mut written = String::new();
        packet.write(&mut written);
        let again = Packet::parse(written.trim_end_matches('\n').as_bytes());
        assert_eq!(again, Ok(Some(packet)), "{}", String::from_utf8_lossy(line));
    }
}

/// Checks that decompression ends within its limit, and that any data survives compression and decompression.
///
/// # Panics
/// If one of these properties does not hold.
pub fn xpress(data: &[u8]) {
    if let Ok(plain) = compression::decompress_chunks(data, 100_000) {
        assert!(plain.len() <= 100_000, "the limit was exceeded");
        chunks(&plain);
    }
    // The content of a chunk, with a length that its header declares.
    if let Some((&[low, high], content)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes([low, high])) + 1;
        if let Ok(plain) = compression::decompress(content, length) {
            assert_eq!(plain.len(), length, "another length than declared");
        }
    }
    let again = compression::decompress(&compression::compress(data), data.len());
    assert!(again.as_deref() == Ok(data), "data changed");
    chunks(data);
}

fn chunks(data: &[u8]) {
    let again = compression::decompress_chunks(&compression::compress_chunks(data), data.len());
    assert!(again.as_deref() == Ok(data), "data in chunks changed");
}

fn server() -> ServerPool {
    ServerPool::new(ServerOptions {
        protocol: Version::new(2, 3),
        session_key: SessionKey::from_bytes([1; 32]),
        private_data: Value::NULL,
        limits: LIMITS,
    })
}

const LIMITS: PoolLimits = PoolLimits {
    fragments: FragmentLimits { message: 100_000, open: 8, total: 200_000 },
    clixml: Limits { bytes: 100_000, nodes: 10_000, depth: 64 },
    pipelines: 8,
};

/// Escapes, identifiers and optional parts make a written value longer than the text it was read from.
const ROOMY: Limits = Limits { bytes: 16 << 20, nodes: 1_000_000, depth: 64 };
