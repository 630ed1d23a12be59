//! Recorded sessions of pypsrp with Windows, if they are available.
//!
//! The recordings belong to third parties and are not part of this repository. They are searched for in the directory
//! `wsman/sessions/pypsrp` of `TELARCH_FIXTURES`, or else of `shared/fixtures` next to the repository.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use telarch_psrp::clixml::{self, Limits};
use telarch_psrp::{
    Body, ClientOptions, ClientPool, Defragmenter, Fragment, Fragmenter, Message, PoolState, Role,
    ServerOptions, ServerPool, SessionKey,
};

/// Fragments of a recording, with their sender's peer.
struct Part {
    file: String,
    destination: Role,
    fragments: Vec<u8>,
}

fn recordings() -> Vec<Part> {
    let Some(folder) = skips::recordings("wsman/sessions/pypsrp") else { return Vec::new() };
    let entries = fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test_psrp")));
    paths.sort();
    let parts: Vec<Part> = paths.iter().flat_map(|path| parts(path)).collect();
    assert!(parts.len() >= 9, "only {} parts in {}", parts.len(), folder.display());
    parts
}

/// Returns the Base64 texts of creationXml, Arguments and Stream in the order of the file.
fn parts(path: &Path) -> Vec<Part> {
    let text = fs::read_to_string(path).unwrap();
    let mut parts = Vec::new();
    for (at, _) in text.match_indices('<') {
        let tag = &text[at + 1..];
        let Some((tag, rest)) = tag.split_once('>') else { continue };
        let destination = match tag.split([' ', '/']).next() {
            Some("creationXml" | "rsp:Arguments") => Role::Server,
            Some("rsp:Stream") => Role::Client,
            _ => continue,
        };
        let base64 = rest.split('<').next().unwrap();
        let fragments = STANDARD.decode(base64).unwrap();
        parts.push(Part { file: path.display().to_string(), destination, fragments });
    }
    parts
}

#[test]
fn recorded_messages_are_written_as_they_were_received() {
    let mut messages = 0;
    for Part { file, destination, fragments } in recordings() {
        let mut rest = fragments.as_slice();
        let mut again = Vec::new();
        while !rest.is_empty() {
            let (fragment, behind) = Fragment::decode(rest).unwrap();
            rest = behind;
            let bytes =
                Defragmenter::default().add(fragment).unwrap().expect("recorded messages have one fragment");
            let mut message = Message::decode(&bytes).unwrap();
            assert_eq!(message.destination, destination, "{file}");
            // Windows writes a byte order mark, clients do not.
            assert_eq!(message.has_byte_order_mark, destination == Role::Client, "{file}");
            let value = clixml::parse(&message.data, &Limits::default()).unwrap();
            let written = clixml::write(&value).unwrap();
            let [expected, written] =
                [&message.data, &written].map(|data| String::from_utf8_lossy(data).into_owned());
            // Recordings made with another XML library have the attributes of objects in another order.
            let expected =
                if expected.contains("<Obj RefId=\"1\" N=") { in_order(&expected) } else { expected };
            assert_eq!(written, expected, "{file}");
            message.data = written.into_bytes();
            let mut fragments = Fragmenter::new(fragment.object, message.encode());
            while fragments.next(32_768, &mut again) {}
            messages += 1;
            // A typed record is also written as it was received.
            let body = Body::decode(message.kind, &message.data, &Limits::default()).unwrap();
            let record = String::from_utf8(body.encode().unwrap()).unwrap();
            assert_eq!(record.as_bytes(), message.data, "{file}: {record}");
        }
        if !String::from_utf8_lossy(&fragments).contains("<Obj RefId=\"1\" N=") {
            assert_eq!(again, fragments, "{file}");
        }
    }
    assert!(messages == 0 || messages >= 15, "only {messages} messages");
}

/// Moves the name of each object before its identifier.
fn in_order(text: &str) -> String {
    let mut pieces = text.split("<Obj ");
    let mut ordered = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (attributes, rest) = piece.split_once('>').unwrap();
        let mut attributes: Vec<&str> = attributes.split(' ').collect();
        attributes.sort_unstable();
        ordered += &format!("<Obj {}>{rest}", attributes.join(" "));
    }
    ordered
}

#[test]
fn our_pools_take_both_sides_of_a_recorded_session() {
    let parts = recordings();
    let Some(first) = parts.first() else { return };
    let id = {
        let (fragment, _) = Fragment::decode(&first.fragments).unwrap();
        Message::decode(fragment.data).unwrap().pool
    };
    let mut client = ClientPool::new(id, ClientOptions::default());
    client.open().unwrap();
    let ours = client.take(usize::MAX).unwrap().fragments;
    let mut server = ServerPool::new(ServerOptions {
        protocol: clixml::Version::new(2, 3),
        session_key: SessionKey::from_bytes([1; 32]),
        private_data: clixml::Value::NULL,
        limits: telarch_psrp::PoolLimits::default(),
    });
    for part in parts.iter().filter(|part| part.file == first.file) {
        match part.destination {
            Role::Server => {
                server.receive(&part.fragments).unwrap();
                let is_windows_order = part.file.ends_with("open_runspace.yml");
                assert!(
                    !is_windows_order || ours == part.fragments,
                    "pypsrp opens its pool with other bytes"
                );
            }
            Role::Client => {
                client.receive(&part.fragments).unwrap();
            }
        }
    }
    assert_eq!((client.state(), server.state()), (PoolState::Opened, PoolState::Opened));
    assert_eq!(client.protocol(), Some(clixml::Version::new(2, 3)));
}
