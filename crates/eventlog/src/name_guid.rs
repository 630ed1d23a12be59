//! GUIDs of names (RFC 4122 4.3, version 5).

use sha1::{Digest as _, Sha1};

/// Namespace of the names of providers and of audit events.
const NAMESPACE: [u8; 16] =
    [0x5b, 0x0e, 0x6b, 0x52, 0x5c, 0x0f, 0x4d, 0x6a, 0x9d, 0x5e, 0x1f, 0x8a, 0x3c, 0x52, 0x77, 0x10];

/// Returns the GUID of a name in braces.
pub(crate) fn of_name(name: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(NAMESPACE);
    hash.update(name);
    let digest: [u8; 20] = hash.finalize().into();
    let mut guid: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
    if let Some(byte) = guid.get_mut(6) {
        *byte = (*byte & 0x0F) | 0x50;
    }
    if let Some(byte) = guid.get_mut(8) {
        *byte = (*byte & 0x3F) | 0x80;
    }
    braced(&guid)
}

/// Returns bytes in the notation `{8-4-4-4-12}`.
pub(crate) fn braced(bytes: &[u8; 16]) -> String {
    let mut out = String::with_capacity(38);
    out.push('{');
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out.push('}');
    out
}

/// Returns 32 hexadecimal digits in the notation of a GUID; `None` for other text.
pub(crate) fn of_digits(text: &str) -> Option<String> {
    let id = crate::journal::SequenceId::parse(text)?;
    Some(braced(&id.0))
}
