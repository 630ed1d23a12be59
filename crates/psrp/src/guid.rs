//! Identifiers of runspace pools and pipelines.

use std::fmt;

use crate::error::PsrpError;

/// Identifier of a runspace pool or pipeline.
///
/// The bytes are in the order of .NET: the first three fields of the text are little-endian (MS-DTYP 2.3.4.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The identifier of 16 zero bytes, which means "no pipeline" and "no pool".
    pub const ZERO: Self = Self([0; 16]);

    /// Returns the identifier with these bytes in the order of .NET.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes in the order of .NET.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Returns whether all bytes are zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Parses `XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX` in upper or lower case, with or without braces.
    ///
    /// # Errors
    /// [`PsrpError::Scalar`] if the text has another form.
    pub fn parse(text: &str) -> Result<Self, PsrpError> {
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        read(bare).map(|bytes| Self(reorder(bytes))).ok_or_else(|| PsrpError::scalar("GUID", text))
    }
}

/// Returns the 16 bytes in the order of the text.
fn read(text: &str) -> Option<[u8; 16]> {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut bytes = [0; 16];
    let mut places = bytes.iter_mut();
    let mut parts = text.split('-');
    for length in LENGTHS {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for pair in part.as_bytes().chunks(2) {
            *places.next()? = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
    }
    parts.next().is_none().then_some(bytes)
}

/// Reverses the first three fields; text order and .NET order are each other's result.
fn reorder(bytes: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// Writes lower-case hexadecimal digits; `{:#}` writes upper case, as the shell identifiers of WS-Management.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in reorder(self.0).iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            if f.alternate() { write!(f, "{byte:02X}")? } else { write!(f, "{byte:02x}")? }
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_fields_are_little_endian() {
        let text = "76056a84-51dc-4f24-9262-ca2a55464b2b";
        let guid = Guid::parse(text).unwrap();
        assert_eq!(guid.to_bytes()[..8], [0x84, 0x6A, 0x05, 0x76, 0xDC, 0x51, 0x24, 0x4F]);
        assert_eq!(guid.to_string(), text);
        assert_eq!(format!("{guid:#}"), text.to_uppercase());
        assert_eq!(Guid::parse(&format!("{{{guid:#}}}")).unwrap(), guid);
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            "",
            "76056a84",
            "76056a84-51dc-4f24-9262-ca2a55464b2",
            "76056a84-51dc-4f24-9262-ca2a55464b2b-",
            "+6056a84-51dc-4f24-9262-ca2a55464b2b",
            "{76056a84-51dc-4f24-9262-ca2a55464b2b",
            "ü056a84-51dc-4f24-9262-ca2a55464b2b0",
        ] {
            assert!(Guid::parse(wrong).is_err(), "{wrong:?} was read as a GUID");
        }
    }
}
