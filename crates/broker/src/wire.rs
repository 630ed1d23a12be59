//! Codec of messages between processes: big-endian numbers, and texts and byte strings with their length in front.
//!
//! A reader checks every length before it allocates memory, and rejects messages with trailing bytes.

use std::net::IpAddr;

use zeroize::Zeroizing;

/// Reason why bytes are not a valid message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub &'static str);

/// Encoder of one message. The buffer is overwritten when dropped, because it may contain a password.
#[derive(Default)]
pub struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Starts a message with its kind.
    #[must_use]
    pub fn new(kind: u8) -> Self {
        let mut writer = Self::default();
        writer.u8(kind);
        writer
    }

    /// Returns the encoded message.
    #[must_use]
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends bytes without a length, for fields of fixed size.
    pub fn fixed(&mut self, octets: &[u8]) -> &mut Self {
        // `Vec` does not overwrite the old buffer when it grows, and that may contain a secret.
        let needed = self.0.len().saturating_add(octets.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2).max(SMALL)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(octets);
        self
    }

    /// Appends a byte string with its length. The message cannot be sent if the string exceeds the maximum frame size.
    pub fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.u32(u32::try_from(octets.len()).unwrap_or(u32::MAX)).fixed(octets)
    }

    /// Appends the length of a text that is sent right after this message instead of in it.
    pub fn length(&mut self, text: &str) -> &mut Self {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX))
    }

    /// Appends a text with its length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.octets(text.as_bytes())
    }

    /// Appends an IP address.
    pub fn address(&mut self, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => self.u8(4).fixed(&address.octets()),
            IpAddr::V6(address) => self.u8(6).fixed(&address.octets()),
        }
    }

    /// Appends an optional value.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }
}

/// Decoder of one message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte of a message.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Requires that the whole message was read.
    ///
    /// # Errors
    /// [`Malformed`] if bytes remain.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("trailing bytes")) }
    }

    /// Reads `count` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if fewer bytes remain.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("truncated"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads an array of fixed size.
    ///
    /// # Errors
    /// [`Malformed`] if fewer bytes remain.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.first_chunk().copied().ok_or(Malformed("truncated"))
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`Malformed`] if no bytes remain.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.fixed().map(|[octet]| octet)
    }

    /// Reads a 32-bit number.
    ///
    /// # Errors
    /// [`Malformed`] if fewer bytes remain.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Reads a 64-bit number.
    ///
    /// # Errors
    /// [`Malformed`] if fewer bytes remain.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// [`Malformed`] if its length exceeds the rest of the message.
    pub fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed("length out of range"))?;
        self.take(length)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`Malformed`] if its length exceeds the rest of the message, or it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.octets()?).map_err(|_| Malformed("text is not UTF-8"))
    }

    /// Reads an IP address.
    ///
    /// # Errors
    /// [`Malformed`] if it is truncated or of an unknown family.
    pub fn address(&mut self) -> Result<IpAddr, Malformed> {
        match self.u8()? {
            4 => Ok(IpAddr::from(self.fixed::<4>()?)),
            6 => Ok(IpAddr::from(self.fixed::<16>()?)),
            _ => Err(Malformed("unknown address family")),
        }
    }

    /// Reads an optional value.
    ///
    /// # Errors
    /// [`Malformed`] if the flag is neither 0 nor 1, or `read` fails.
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Malformed("invalid flag of an optional value")),
        }
    }
}

/// Initial capacity of the buffer in bytes; most messages fit.
const SMALL: usize = 128;
