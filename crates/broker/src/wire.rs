//! The octets of a message: numbers in network order, texts and octets after their length.
//!
//! Every length is judged before anything is taken, and whatever is left over makes the message wrong.

use std::net::IpAddr;

use zeroize::Zeroizing;

/// Why octets are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no message of this version: {0}")]
pub struct Malformed(pub &'static str);

/// Writes one message. What it holds is overwritten when dropped, since it may be a password.
#[derive(Default)]
pub struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Begins a message of a kind.
    #[must_use]
    pub fn new(kind: u8) -> Self {
        let mut writer = Self::default();
        writer.u8(kind);
        writer
    }

    /// The message.
    #[must_use]
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Appends one octet.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// Appends four octets.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends eight octets.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends octets whose number both ends know.
    pub fn fixed(&mut self, octets: &[u8]) -> &mut Self {
        // Growing leaves the old memory as it was, and it may hold a secret.
        let needed = self.0.len().saturating_add(octets.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2).max(SMALL)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(octets);
        self
    }

    /// Appends octets after their length. Longer ones than any message may be make the message unsendable.
    pub fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.u32(u32::try_from(octets.len()).unwrap_or(u32::MAX)).fixed(octets)
    }

    /// Appends the length of a text that is sent right after this message, instead of in it.
    pub fn length(&mut self, text: &str) -> &mut Self {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX))
    }

    /// Appends a text after its length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.octets(text.as_bytes())
    }

    /// Appends an address.
    pub fn address(&mut self, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => self.u8(4).fixed(&address.octets()),
            IpAddr::V6(address) => self.u8(6).fixed(&address.octets()),
        }
    }

    /// Appends something that may be missing.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }
}

/// Reads one message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins with the kind.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("it is too long")) }
    }

    /// Takes as many octets.
    ///
    /// # Errors
    /// [`Malformed`] if there are not so many.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("it is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes a fixed number of octets.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.first_chunk().copied().ok_or(Malformed("it is too short"))
    }

    /// Takes one octet.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.fixed().map(|[octet]| octet)
    }

    /// Takes four octets.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Takes eight octets.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// Takes octets after their length.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed("a length is too large"))?;
        self.take(length)
    }

    /// Takes a text after its length.
    ///
    /// # Errors
    /// [`Malformed`], also if it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.octets()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// Takes an address.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn address(&mut self) -> Result<IpAddr, Malformed> {
        match self.u8()? {
            4 => Ok(IpAddr::from(self.fixed::<4>()?)),
            6 => Ok(IpAddr::from(self.fixed::<16>()?)),
            _ => Err(Malformed("an address is of no known family")),
        }
    }

    /// Takes something that may be missing.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Malformed("it is neither there nor missing")),
        }
    }
}

/// Most messages need no more, and do not have to grow then.
const SMALL: usize = 128;
