//! Encoder.

use super::{HISTORY, MAX_COPY, MAX_OUTPUT, MIN_COPY, control};
use crate::error::WinEventError;

/// Compresses data into one record with its length at the end, as Windows does.
///
/// # Errors
/// [`WinEventError::Limit`] if the data is longer than [`MAX_OUTPUT`].
pub fn encode(data: &[u8]) -> Result<Vec<u8>, WinEventError> {
    let too_long = WinEventError::Limit { bound: "bytes of data to compress", maximum: MAX_OUTPUT };
    let length = u32::try_from(data.len()).ok().filter(|_| data.len() <= MAX_OUTPUT).ok_or(too_long)?;
    let mut bits = BitWriter { out: Vec::with_capacity(data.len() / 2 + 16), buffer: 0, count: 0 };
    bits.control(control::RESET_1);
    let mut matches = Matches::new(data);
    let mut at = 0;
    while at < data.len() {
        let found = matches.longest(at);
        matches.insert(at);
        // A longer copy one byte later is worth a literal.
        let delay = found.length < LAZY && matches.longest(at + 1).length > found.length;
        if found.length < MIN_COPY || delay {
            let byte = data.get(at).copied().unwrap_or_default();
            bits.write(u64::from(byte), 9);
            at += 1;
            continue;
        }
        bits.copy(found.length, found.from % HISTORY);
        for inner in at + 1..at + found.length {
            matches.insert(inner);
        }
        at += found.length;
    }
    bits.control(control::END_OF_RECORD);
    Ok(bits.finish(length))
}

/// Matches of this length are taken without a look at the next byte.
const LAZY: usize = 32;
/// Maximum number of earlier places that are compared.
const MAX_TRIES: usize = 48;
/// Number of bits of a hash of four bytes.
const HASH_BITS: u32 = 12;
/// No position.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Default)]
struct Match {
    from: usize,
    length: usize,
}

/// Earlier places with equal bytes.
struct Matches<'d> {
    data: &'d [u8],
    /// Last position for each hash of four bytes.
    heads: Vec<u32>,
    /// Position before, for each position modulo the history.
    chain: Vec<u32>,
    /// Last position of each pair of bytes.
    pairs: Vec<u32>,
}

impl<'d> Matches<'d> {
    fn new(data: &'d [u8]) -> Self {
        Self {
            data,
            heads: vec![NONE; 1 << HASH_BITS],
            chain: vec![NONE; HISTORY],
            pairs: vec![NONE; 1 << 16],
        }
    }

    fn insert(&mut self, at: usize) {
        let Ok(position) = u32::try_from(at) else { return };
        let rest = self.data.get(at..).unwrap_or_default();
        if let Some(pair) = rest.first_chunk::<2>()
            && let Some(last) = self.pairs.get_mut(usize::from(u16::from_le_bytes(*pair)))
        {
            *last = position;
        }
        if let Some(hash) = hash(rest)
            && let Some(head) = self.heads.get_mut(hash)
            && let Some(before) = self.chain.get_mut(at % HISTORY)
        {
            *before = std::mem::replace(head, position);
        }
    }

    /// Returns the longest match for the bytes at a position; its length is zero without a match.
    fn longest(&self, at: usize) -> Match {
        let rest = self.data.get(at..).unwrap_or_default();
        let mut best = Match::default();
        let Some(pair) = rest.first_chunk::<2>() else { return best };
        let head = hash(rest).and_then(|hash| self.heads.get(hash));
        let mut candidate = head.copied().unwrap_or(NONE);
        for _ in 0..MAX_TRIES {
            let Some(from) = self.in_history(candidate, at) else { break };
            let length = self.common(from, rest);
            if length > best.length {
                best = Match { from, length };
                if length == MAX_COPY {
                    return best;
                }
            }
            let before = self.chain.get(from % HISTORY).copied().unwrap_or(NONE);
            if before >= candidate {
                break;
            }
            candidate = before;
        }
        if best.length < MIN_COPY {
            let last = self.pairs.get(usize::from(u16::from_le_bytes(*pair))).copied().unwrap_or(NONE);
            if let Some(from) = self.in_history(last, at) {
                best = Match { from, length: self.common(from, rest) };
            }
        }
        best
    }

    /// Returns the position if its byte is still in the history when the byte at `at` is written. The byte
    /// that is about to be overwritten is not used.
    fn in_history(&self, position: u32, at: usize) -> Option<usize> {
        let from = usize::try_from(position).ok().filter(|_| position != NONE)?;
        (from < at && at - from < HISTORY).then_some(from)
    }

    /// Returns the number of equal bytes from both positions on, at most [`MAX_COPY`].
    fn common(&self, from: usize, rest: &[u8]) -> usize {
        let earlier = self.data.get(from..).unwrap_or_default();
        earlier.iter().zip(rest).take(MAX_COPY).take_while(|(left, right)| left == right).count()
    }
}

fn hash(rest: &[u8]) -> Option<usize> {
    let bytes = rest.first_chunk::<4>()?;
    let mixed = u32::from_le_bytes(*bytes).wrapping_mul(0x9E37_79B1);
    usize::try_from(mixed >> (32 - HASH_BITS)).ok()
}

/// Bits of the output, most significant first.
struct BitWriter {
    out: Vec<u8>,
    /// Bits not yet in `out`, in the low bits.
    buffer: u64,
    /// Number of bits in the buffer, below 8 between calls.
    count: u32,
}

impl BitWriter {
    /// Writes the low bits of a value.
    fn write(&mut self, value: u64, bits: u32) {
        self.buffer = self.buffer << bits | value;
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            let [.., byte] = (self.buffer >> self.count).to_be_bytes();
            self.out.push(byte);
        }
        self.buffer &= (1 << self.count) - 1;
    }

    fn control(&mut self, code: u64) {
        self.write(0x1FF << 4 | code, 13);
    }

    fn copy(&mut self, length: usize, address: usize) {
        let [length, address] = [length, address].map(|value| u64::try_from(value).unwrap_or_default());
        // The first bit marks a copy.
        let (prefix, bits) = match length {
            0..4 => (0b100 | (length & 1), 3),
            4..8 => (0b1_1000 | (length & 3), 5),
            8..16 => (0b111_0000 | (length & 7), 7),
            16..32 => (0b1_1110_0000 | (length & 15), 9),
            _ => (0b1_1111_0000_0000 | (length - 32), 13),
        };
        self.write(prefix << 10 | address, bits + 10);
    }

    /// Fills up to 16 bits and appends the length of the data.
    fn finish(mut self, length: u32) -> Vec<u8> {
        self.write(0, (8 - self.count) % 8);
        if self.out.len() % 2 == 1 {
            self.out.push(0);
        }
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out
    }
}
