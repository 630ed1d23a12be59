//! Bits in 16-bit words with bytes between them (MS-XCA 2.1.4.3 and 2.2.4).

use crate::error::PsrpError;

/// Reads bits; holds 16 to 32 of them.
pub(super) struct BitReader<'a> {
    rest: &'a [u8],
    /// The next bits, the first one highest.
    held: u32,
    /// Number of held bits beyond 16; negative before the next word is read.
    extra: i32,
    /// Whether bits beyond the end of the data were requested.
    has_overrun: bool,
}

const INCOMPLETE: PsrpError = PsrpError::Compression("the data is incomplete");

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Result<Self, PsrpError> {
        let (first, rest) = data.split_first_chunk::<2>().ok_or(INCOMPLETE)?;
        let (second, rest) = rest.split_first_chunk::<2>().ok_or(INCOMPLETE)?;
        let held = u32::from(u16::from_le_bytes(*first)) << 16 | u32::from(u16::from_le_bytes(*second));
        Ok(Self { rest, held, extra: 16, has_overrun: false })
    }

    /// Returns the next 15 bits without consuming them.
    pub(super) fn peek_15(&self) -> usize {
        usize::try_from(self.held >> 17).unwrap_or(0)
    }

    /// Consumes up to 15 bits.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), PsrpError> {
        if self.has_overrun {
            return Err(INCOMPLETE);
        }
        let count = u32::try_from(count).unwrap_or(15);
        self.held <<= count;
        self.extra -= i32::try_from(count).unwrap_or(15);
        if self.extra < 0 {
            match self.rest.split_first_chunk::<2>() {
                Some((word, rest)) => {
                    self.held |= u32::from(u16::from_le_bytes(*word)) << self.extra.unsigned_abs();
                    self.rest = rest;
                }
                // The last symbol may be followed by less than a word.
                None => self.has_overrun = true,
            }
            self.extra += 16;
        }
        Ok(())
    }

    /// Consumes and returns up to 15 bits.
    pub(super) fn take(&mut self, count: usize) -> Result<usize, PsrpError> {
        let bits = u32::try_from(count).ok().and_then(|count| self.held.checked_shr(32 - count)).unwrap_or(0);
        self.skip(count)?;
        Ok(usize::try_from(bits).unwrap_or(0))
    }

    /// Consumes and returns a byte behind the words that were read.
    pub(super) fn byte(&mut self) -> Result<u8, PsrpError> {
        let (byte, rest) = self.rest.split_first().ok_or(INCOMPLETE)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Returns the bytes behind the words that were read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Writes bits; bytes go behind the two words that a reader holds.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Positions of the two words that are being filled.
    words: [usize; 2],
    held: u32,
    /// Number of bits that fit into the first word.
    free: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend([0; 4]);
        Self { out, words: [start, start + 2], held: 0, free: 16 }
    }

    /// Writes the lowest `count` bits, at most 16.
    pub(super) fn write(&mut self, bits: u16, count: u32) {
        let bits = u32::from(bits);
        if count <= self.free {
            self.free -= count;
            self.held = self.held << count | bits;
            return;
        }
        let late = count - self.free;
        let word = self.held << self.free | bits >> late;
        self.put(word);
        let [_, second] = self.words;
        self.words = [second, self.out.len()];
        self.out.extend([0; 2]);
        self.held = bits & ((1 << late) - 1);
        self.free = 16 - late;
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Writes the incomplete word.
    pub(super) fn finish(mut self) {
        let word = self.held.checked_shl(self.free).unwrap_or(0);
        self.put(word);
    }

    fn put(&mut self, word: u32) {
        let [first, _] = self.words;
        let bytes = u16::try_from(word & 0xFFFF).unwrap_or(0).to_le_bytes();
        if let Some(place) = self.out.get_mut(first..first + 2) {
            place.copy_from_slice(&bytes);
        }
    }
}
