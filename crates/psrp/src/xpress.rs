//! Compression of the transport: LZ77 with Huffman codes (MS-XCA 2.1 and 2.2).
//!
//! PowerShell's WSMan client asks for it with `rsp:CompressionType xpress`. Each piece of a stream is then a sequence of
//! chunks, before Base64 ([`compress_chunks`], [`decompress_chunks`]).

mod bits;
mod huffman;

use bits::{BitReader, BitWriter};
use huffman::{SYMBOLS, code_lengths, codes, decode_table};

use crate::error::PsrpError;

/// Number of uncompressed bytes that share a table.
const BLOCK: usize = 65_536;
/// Length of a table in bytes: a half byte for each symbol.
const TABLE: usize = SYMBOLS / 2;
/// Symbol behind the data. Before the end it is that of a match of three bytes at the distance 1.
const END: usize = 256;
/// Length of the header of a chunk in bytes.
const CHUNK_HEADER: usize = 4;
/// Maximum length of data in bytes that is not compressed.
const SHORTEST: usize = TABLE + 4;
/// Shortest match in bytes.
const MIN_MATCH: usize = 3;
/// Longest match that this encoder writes, in bytes.
const MAX_MATCH: usize = 65_535;
/// Largest distance of a match in bytes.
const MAX_DISTANCE: usize = 65_535;

/// Compresses data in chunks of at most 64 KiB.
///
/// A chunk has a header of two 16-bit numbers, its length and its compressed length, each less one. If both are equal,
/// the chunk is not compressed. MS-WSMV 3.2.4.1.19 does not specify the header; this is that of Windows and OMI.
#[must_use]
pub fn compress_chunks(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 2 + CHUNK_HEADER);
    for chunk in data.chunks(BLOCK) {
        // Shorter data cannot become shorter, because of the table.
        let compressed = if chunk.len() > SHORTEST { compress(chunk) } else { Vec::new() };
        let is_shorter = !compressed.is_empty() && compressed.len() < chunk.len();
        let content = if is_shorter { &compressed } else { chunk };
        for length in [chunk.len(), content.len()] {
            out.extend(u16::try_from(length - 1).unwrap_or(u16::MAX).to_le_bytes());
        }
        out.extend_from_slice(content);
    }
    out
}

/// Decompresses chunks to at most `limit` bytes.
///
/// # Errors
/// [`PsrpError::TooLarge`] if the headers declare more than the limit, before anything is decompressed;
/// [`PsrpError::Compression`] if the data is malformed.
pub fn decompress_chunks(data: &[u8], limit: usize) -> Result<Vec<u8>, PsrpError> {
    let (mut rest, mut total) = (data, 0_usize);
    while !rest.is_empty() {
        let (chunk, behind) = Chunk::split(rest)?;
        total = total.saturating_add(chunk.length);
        rest = behind;
    }
    if total > limit {
        return Err(PsrpError::TooLarge { what: "length of decompressed data in bytes", limit });
    }
    let mut out = Vec::with_capacity(total);
    rest = data;
    while !rest.is_empty() {
        let (chunk, behind) = Chunk::split(rest)?;
        match chunk.content.len() == chunk.length {
            true => out.extend_from_slice(chunk.content),
            false => out.extend(decompress(chunk.content, chunk.length)?),
        }
        rest = behind;
    }
    Ok(out)
}

/// Chunk of a piece of a stream.
struct Chunk<'a> {
    /// Number of decompressed bytes.
    length: usize,
    content: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Returns the first chunk, and the data behind it.
    fn split(data: &'a [u8]) -> Result<(Self, &'a [u8]), PsrpError> {
        let incomplete = PsrpError::Compression("a chunk is incomplete");
        let Some((&[a, b, c, d], rest)) = data.split_first_chunk::<CHUNK_HEADER>() else {
            return Err(incomplete);
        };
        let [length, compressed] = [[a, b], [c, d]].map(|bytes| usize::from(u16::from_le_bytes(bytes)) + 1);
        let (content, rest) = rest.split_at_checked(compressed).ok_or(incomplete)?;
        Ok((Self { length, content }, rest))
    }
}

/// Decompresses data to exactly `length` bytes.
///
/// # Errors
/// [`PsrpError::Compression`] if the data is malformed or has another length.
pub fn decompress(data: &[u8], length: usize) -> Result<Vec<u8>, PsrpError> {
    let mut out = Vec::with_capacity(length.min(BLOCK));
    let mut rest = data;
    while out.len() < length {
        let Some((table, behind)) = rest.split_at_checked(TABLE) else {
            return Err(PsrpError::Compression("a table of code lengths is incomplete"));
        };
        let table = decode_table(table)?;
        let mut bits = BitReader::new(behind)?;
        let block_end = length.min(out.len().saturating_add(BLOCK));
        while out.len() < block_end {
            let symbol = table.symbol(bits.peek_15())?;
            bits.skip(table.length(symbol))?;
            if symbol < END {
                out.push(u8::try_from(symbol).unwrap_or_default());
                continue;
            }
            let (short, distance_bits) = ((symbol - END) % 16, (symbol - END) / 16);
            let count = match_length(short, &mut bits)?;
            let distance = (1_usize << distance_bits) + bits.take(distance_bits)?;
            if count > length - out.len() {
                return Err(PsrpError::Compression("the data is longer than declared"));
            }
            copy_match(&mut out, distance, count)?;
        }
        rest = bits.rest();
    }
    Ok(out)
}

/// Reads the bytes that continue the length of a long match (MS-XCA 2.2.4).
fn match_length(short: usize, bits: &mut BitReader<'_>) -> Result<usize, PsrpError> {
    if short < 15 {
        return Ok(short + MIN_MATCH);
    }
    let byte = bits.byte()?;
    if byte < 255 {
        return Ok(usize::from(byte) + 15 + MIN_MATCH);
    }
    let length = usize::from(u16::from_le_bytes([bits.byte()?, bits.byte()?]));
    let length = match length {
        0 => {
            let bytes = [bits.byte()?, bits.byte()?, bits.byte()?, bits.byte()?];
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        }
        length => length,
    };
    if length < 15 {
        return Err(PsrpError::Compression("a long match is short"));
    }
    Ok(length.saturating_add(MIN_MATCH))
}

/// Appends a match, which may overlap the bytes that it appends.
fn copy_match(out: &mut Vec<u8>, distance: usize, length: usize) -> Result<(), PsrpError> {
    let start = out.len().checked_sub(distance);
    let start = start.ok_or(PsrpError::Compression("a match begins before the data"))?;
    let mut copied = 0;
    while copied < length {
        let count = (out.len() - start).min(length - copied);
        out.extend_from_within(start..start + count);
        copied += count;
    }
    Ok(())
}

/// Symbol with the bits and bytes that follow it.
enum Token {
    Literal(u8),
    Match { length: usize, distance: usize },
    End,
}

impl Token {
    fn symbol(&self) -> usize {
        match self {
            Self::Literal(byte) => usize::from(*byte),
            Self::Match { length, distance } => {
                END + distance_bits(*distance) * 16 + (length - MIN_MATCH).min(15)
            }
            Self::End => END,
        }
    }
}

fn distance_bits(distance: usize) -> usize {
    usize::try_from(distance.checked_ilog2().unwrap_or(0)).unwrap_or(0)
}

/// Returns the data compressed.
#[must_use]
pub fn compress(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 2 + TABLE);
    let mut matches = Matches::new();
    let mut start = 0;
    loop {
        let end = data.len().min(start + BLOCK);
        let mut tokens = matches.tokens(data, start, end);
        let is_last = end == data.len();
        if is_last {
            tokens.push(Token::End);
        }
        write_block(&tokens, &mut out);
        if is_last {
            return out;
        }
        start = end;
    }
}

fn write_block(tokens: &[Token], out: &mut Vec<u8>) {
    let mut counts = [0_u32; SYMBOLS];
    for token in tokens {
        if let Some(count) = counts.get_mut(token.symbol()) {
            *count += 1;
        }
    }
    let lengths = code_lengths(&counts);
    out.extend(lengths.as_chunks::<2>().0.iter().map(|[low, high]| low | high << 4));
    let codes = codes(&lengths);
    let mut bits = BitWriter::new(out);
    for token in tokens {
        let symbol = token.symbol();
        let length = lengths.get(symbol).copied().unwrap_or(0);
        bits.write(codes.get(symbol).copied().unwrap_or(0), u32::from(length));
        let Token::Match { length, distance } = token else { continue };
        let long = length - MIN_MATCH;
        if long >= 15 {
            match u8::try_from(long - 15) {
                Ok(byte) if byte < 255 => bits.byte(byte),
                _ => {
                    bits.byte(255);
                    for byte in u16::try_from(long).unwrap_or(u16::MAX).to_le_bytes() {
                        bits.byte(byte);
                    }
                }
            }
        }
        let count = distance_bits(*distance);
        let offset = distance - (1 << count);
        bits.write(u16::try_from(offset).unwrap_or(0), u32::try_from(count).unwrap_or(0));
    }
    bits.finish();
}

/// Positions at which three bytes occurred last.
struct Matches {
    last: Vec<usize>,
}

/// Number of bits of the hash of three bytes.
const HASH_BITS: u32 = 14;

impl Matches {
    fn new() -> Self {
        Self { last: vec![usize::MAX; 1 << HASH_BITS] }
    }

    /// Divides the bytes from `start` to `end` into literals and matches.
    fn tokens(&mut self, data: &[u8], start: usize, end: usize) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut at = start;
        while let Some(byte) = data.get(at).filter(|_| at < end) {
            let found = self.find(data, at, end);
            at += match found {
                Some((length, distance)) => {
                    tokens.push(Token::Match { length, distance });
                    length
                }
                None => {
                    tokens.push(Token::Literal(*byte));
                    1
                }
            };
        }
        tokens
    }

    /// Returns length and distance of a match for the bytes at a position, and remembers the position.
    fn find(&mut self, data: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
        let [a, b, c] = *data.get(at..end)?.first_chunk::<MIN_MATCH>()?;
        let hash = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
        let place = self.last.get_mut(usize::try_from(hash).ok()?)?;
        let before = std::mem::replace(place, at);
        let distance = at.checked_sub(before).filter(|distance| (1..=MAX_DISTANCE).contains(distance))?;
        let (earlier, later) = (data.get(before..end)?, data.get(at..end)?);
        let same = earlier.iter().zip(later).take_while(|(earlier, later)| earlier == later).count();
        let length = same.min(MAX_MATCH);
        (length >= MIN_MATCH).then_some((length, distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Example of MS-XCA 3.2: the alphabet.
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

    fn specified_alphabet() -> Vec<u8> {
        let mut bytes = vec![0; TABLE];
        // Five bits for `a` to `v`, four for `w` to `z` and the end.
        bytes[48..62].copy_from_slice(&[
            0x50, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x45, 0x44, 0x04,
        ]);
        bytes[128] = 0x04;
        bytes.extend([0xD8, 0x52, 0x3E, 0xD7, 0x94, 0x11, 0x5B, 0xE9, 0x19, 0x5F, 0xF9, 0xD6, 0x7C, 0xDF]);
        bytes.extend([0x8D, 0x04, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        assert_eq!(decompress(&specified_alphabet(), ALPHABET.len()).unwrap(), ALPHABET);
    }

    #[test]
    fn data_of_every_kind_is_restored() {
        let mut random = 1_u32;
        let mut noise = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random.to_be_bytes()[0]
        };
        let noise: Vec<u8> = (0..200_000).map(|_| noise()).collect();
        let text = "<Obj RefId=\"0\"><MS><S N=\"Name\">näme</S></MS></Obj>".repeat(3_000).into_bytes();
        for data in [
            Vec::new(),
            b"a".to_vec(),
            ALPHABET.to_vec(),
            vec![b'x'; 1_000_000],
            vec![b'x'; BLOCK],
            vec![b'x'; BLOCK - 1],
            vec![b'x'; 2 * BLOCK],
            b"aaaa".to_vec(),
            b"aaaabbbbccccdddd".to_vec(),
            b"aaaab".repeat(30_000),
            noise.clone(),
            noise[..BLOCK].to_vec(),
            text.clone(),
            [text.as_slice(), &noise, &text].concat(),
        ] {
            let compressed = compress(&data);
            assert!(decompress(&compressed, data.len()).unwrap() == data, "{} bytes changed", data.len());
            let chunks = compress_chunks(&data);
            assert!(decompress_chunks(&chunks, data.len()).unwrap() == data, "{} bytes changed", data.len());
            assert!(chunks.len() <= data.len() + data.len().div_ceil(BLOCK) * CHUNK_HEADER);
            if let Some(limit) = data.len().checked_sub(1) {
                assert!(matches!(decompress_chunks(&chunks, limit), Err(PsrpError::TooLarge { .. })));
            }
        }
        assert!(compress(&text).len() < text.len() / 20);
        assert!(compress(&noise).len() < noise.len() + noise.len() / 50);
    }

    #[test]
    fn malformed_data_is_refused() {
        let good = specified_alphabet();
        for length in 0..good.len() - 4 {
            assert!(decompress(&good[..length], ALPHABET.len()).is_err(), "{length} bytes were enough");
        }
        assert!(decompress(&good, 100).is_err(), "the data is shorter than declared");
        assert!(decompress(&[0; 300], 100).is_err(), "a table without codes was accepted");
        assert!(decompress(&[0x11; 300], 100).is_err(), "a table with too many codes was accepted");
        let long = compress(&[b'x'; 500]);
        assert!(decompress(&long, 400).is_err(), "a match behind the end was accepted");
    }

    #[test]
    fn incomplete_chunks_are_refused() {
        let chunks = compress_chunks(&"0123456789".repeat(10_000).into_bytes());
        for length in [1, 3, 4, 200, chunks.len() - 1] {
            assert!(decompress_chunks(&chunks[..length], 100_000).is_err(), "{length} bytes were enough");
        }
        // Each header declares 64 KiB; the limit is checked before the content.
        let bomb = [0xFF, 0xFF, 0, 0, 0].repeat(1_000);
        assert!(matches!(decompress_chunks(&bomb, 1 << 20), Err(PsrpError::TooLarge { .. })));
        assert!(decompress_chunks(&bomb[..5], 1 << 20).is_err());
        assert_eq!(decompress_chunks(&[], 0), Ok(Vec::new()));
    }
}
