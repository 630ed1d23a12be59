//! Properties of responses of print servers.

use linux::printing::ipp::{Attributes, Response, Value};

/// Checks that a parsed response, written back, parses to the same response.
pub(super) fn response(octets: &[u8]) {
    let Some(read) = Response::parse(octets) else { return };
    let count: usize = read.groups.iter().flat_map(Attributes::all).map(|(_, values)| values.len()).sum();
    // A value takes at least a tag byte and two length fields.
    assert!(5 * count + read.groups.len() < octets.len(), "{count} values of {} octets", octets.len());
    if let Some(written) = written(&read) {
        assert_eq!(Response::parse(&written), Some(read));
    }
}

/// Encodes a response; `None` if a text is too long for its length field.
fn written(response: &Response) -> Option<Vec<u8>> {
    let [high, low] = response.status.to_be_bytes();
    let mut octets = vec![2, 0, high, low, 0, 0, 0, 1];
    for group in &response.groups {
        octets.push(0x04);
        for (name, values) in group.all() {
            for (place, value) in values.iter().enumerate() {
                let (tag, value) = value_of(value);
                octets.push(tag);
                // Further values of an attribute have an empty name.
                let name = if place == 0 { name.as_bytes() } else { &[] };
                for part in [name, &value] {
                    octets.extend(u16::try_from(part.len()).ok()?.to_be_bytes());
                    octets.extend(part);
                }
            }
        }
    }
    octets.push(0x03);
    Some(octets)
}

fn value_of(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Number(number) => (0x21, number.to_be_bytes().to_vec()),
        Value::Boolean(boolean) => (0x22, vec![u8::from(*boolean)]),
        Value::Text(text) => (0x41, text.as_bytes().to_vec()),
        Value::Range(least, most) => (0x33, [least.to_be_bytes(), most.to_be_bytes()].concat()),
        Value::Resolution(across, along) => {
            (0x32, [&across.to_be_bytes()[..], &along.to_be_bytes(), &[3]].concat())
        }
        Value::Other => (0x13, Vec::new()),
    }
}
