//! Properties of netlink messages.

use linux::network::ethtool::Modes;
use linux::network::netlink::{Attributes, Body, Message, messages};

/// Checks that messages and nested attributes lie within the data, and that rewriting them gives the same
/// bytes.
pub(super) fn taken_apart(octets: &[u8]) {
    let mut left = octets.len();
    for (_, message) in messages(octets) {
        left = left.checked_sub(16 + message.len()).expect("a message lies beside those before");
        let attributes = Message::new(message).attributes(4);
        let _ = Modes::parse(attributes);
        again(attributes, 0);
    }
}

/// Checks that rewritten attributes are the same.
fn again(attributes: Attributes<'_>, depth: usize) {
    let all: Vec<(u16, &[u8])> = attributes.into_iter().collect();
    let written = all.iter().fold(Body::new(&[]), |body, (kind, content)| body.with(*kind, content));
    let read: Vec<(u16, &[u8])> = Attributes::new(written.octets()).into_iter().collect();
    assert_eq!(read, all);
    for (kind, content) in all {
        let found = attributes.find(kind & 0x3FFF).expect("there is one of this kind");
        assert!(attributes.text(kind & 0x3FFF).is_none_or(|text| found.starts_with(text.as_bytes())));
        if let Some(address) = attributes.address(kind & 0x3FFF) {
            let written = Body::new(&[]).with_address(kind, address);
            assert_eq!(Attributes::new(written.octets()).find(kind & 0x3FFF), Some(found));
        }
        if depth < 8 {
            again(Attributes::new(content), depth + 1);
        }
    }
}
