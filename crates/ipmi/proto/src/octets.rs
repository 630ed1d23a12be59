//! Bounds-checked byte reader, and a reusable buffer.

use crate::ProtoError;

/// Reader over the remaining bytes of a received item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets<'o> {
    /// Name of the item, for the error.
    what: &'static str,
    rest: &'o [u8],
}

impl<'o> Octets<'o> {
    pub(crate) fn new(what: &'static str, octets: &'o [u8]) -> Self {
        Self { what, rest: octets }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtoError> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ProtoError> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ProtoError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads three bytes, little-endian, the format of manufacturer numbers.
    pub(crate) fn u24(&mut self) -> Result<u32, ProtoError> {
        self.array().map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ProtoError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'o [u8], ProtoError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(taken)
    }

    /// Returns the remaining bytes.
    pub(crate) fn rest(self) -> &'o [u8] {
        self.rest
    }

    fn truncated(&self) -> ProtoError {
        ProtoError::Truncated { what: self.what }
    }
}

/// Reusable buffer for messages. `Debug` does not show its content, which may contain a secret.
#[derive(Default)]
pub(crate) struct Scratch(pub(crate) Vec<u8>);

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch(..)")
    }
}
