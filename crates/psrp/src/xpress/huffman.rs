//! Huffman codes with at most 15 bits (MS-XCA 2.1.4.1 and 2.2.4).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::PsrpError;

/// Number of symbols: bytes, and lengths with distances of matches.
pub(super) const SYMBOLS: usize = 512;
/// Maximum length of a code in bits.
const MAX_LENGTH: u8 = 15;

/// Symbols by the next 15 bits.
pub(super) struct DecodeTable {
    symbols: Vec<u16>,
    lengths: [u8; SYMBOLS],
}

impl DecodeTable {
    /// Returns the symbol whose code begins with these 15 bits.
    pub(super) fn symbol(&self, bits: usize) -> Result<usize, PsrpError> {
        self.symbols.get(bits).map(|symbol| usize::from(*symbol)).ok_or(INVALID)
    }

    /// Returns the length of the code of a symbol in bits.
    pub(super) fn length(&self, symbol: usize) -> usize {
        self.lengths.get(symbol).map_or(0, |length| usize::from(*length))
    }
}

const INVALID: PsrpError = PsrpError::Compression("the code lengths are not those of a complete code");

/// Reads code lengths, a half byte for each symbol. A complete code fills the table exactly.
pub(super) fn decode_table(packed: &[u8]) -> Result<DecodeTable, PsrpError> {
    let mut lengths = [0; SYMBOLS];
    for (pair, packed) in lengths.as_chunks_mut::<2>().0.iter_mut().zip(packed) {
        *pair = [packed & 15, packed >> 4];
    }
    let mut symbols = Vec::with_capacity(1 << MAX_LENGTH);
    for length in 1..=MAX_LENGTH {
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| **own == length) {
            let entries = 1_usize << (MAX_LENGTH - length);
            if symbols.len() + entries > 1 << MAX_LENGTH {
                return Err(INVALID);
            }
            symbols.extend(std::iter::repeat_n(u16::try_from(symbol).unwrap_or(0), entries));
        }
    }
    if symbols.len() != 1 << MAX_LENGTH {
        return Err(INVALID);
    }
    Ok(DecodeTable { symbols, lengths })
}

/// Returns the lengths of a complete code for symbols that occur this often.
pub(super) fn code_lengths(counts: &[u32; SYMBOLS]) -> [u8; SYMBOLS] {
    let mut counts = *counts;
    // A complete code has at least two symbols.
    for symbol in 0..SYMBOLS {
        if counts.iter().filter(|count| **count > 0).count() >= 2 {
            break;
        }
        if let Some(count) = counts.get_mut(symbol) {
            *count = (*count).max(1);
        }
    }
    loop {
        let lengths = unlimited_lengths(&counts);
        if lengths.iter().all(|length| *length <= MAX_LENGTH) {
            return lengths;
        }
        // Counts that are more alike make the longest codes shorter.
        for count in counts.iter_mut().filter(|count| **count > 0) {
            *count = *count / 2 + 1;
        }
    }
}

/// Returns the lengths of Huffman's code.
fn unlimited_lengths(counts: &[u32; SYMBOLS]) -> [u8; SYMBOLS] {
    let leaves = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let mut waiting: BinaryHeap<Reverse<(u32, usize)>> =
        leaves.map(|(symbol, count)| Reverse((*count, symbol))).collect();
    // Parents of symbols, and of the inner nodes that follow them.
    let mut parents = vec![0; SYMBOLS];
    while let (Some(Reverse((first, a))), Some(Reverse((second, b)))) = (waiting.pop(), waiting.pop()) {
        let node = parents.len();
        parents.push(0);
        for child in [a, b] {
            if let Some(parent) = parents.get_mut(child) {
                *parent = node;
            }
        }
        if waiting.is_empty() {
            break;
        }
        waiting.push(Reverse((first + second, node)));
    }
    let root = parents.len() - 1;
    let mut depths = vec![0_u8; parents.len()];
    for node in (0..root).rev() {
        let parent = parents.get(node).copied().unwrap_or(0);
        if parent == 0 {
            continue;
        }
        let depth = depths.get(parent).copied().unwrap_or(0).saturating_add(1);
        if let Some(own) = depths.get_mut(node) {
            *own = depth;
        }
    }
    let mut lengths = [0; SYMBOLS];
    for (length, depth) in lengths.iter_mut().zip(depths) {
        *length = depth;
    }
    lengths
}

/// Returns the codes of symbols with these lengths.
pub(super) fn codes(lengths: &[u8; SYMBOLS]) -> [u16; SYMBOLS] {
    let mut codes = [0; SYMBOLS];
    let mut next = 0_u32;
    for length in 1..=MAX_LENGTH {
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, own)| **own == length) {
            *code = u16::try_from(next).unwrap_or(0);
            next += 1;
        }
        next <<= 1;
    }
    codes
}
