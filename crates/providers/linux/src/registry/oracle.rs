//! Files of the registry.

use super::store::Keys;

/// What is read is written so that it reads back as the same.
pub(crate) fn store(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(keys) = Keys::parse(text) else { return };
    let written = keys.to_text();
    let again = Keys::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, keys, "{written}");
}
