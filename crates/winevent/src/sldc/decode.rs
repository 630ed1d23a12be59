//! Decoder.

use super::{HISTORY, control};
use crate::error::WinEventError;

/// Decodes one record. The result has at most `maximum` bytes.
///
/// # Errors
/// [`WinEventError::Sldc`] with the offset, or [`WinEventError::Limit`] if the data is longer than `maximum`.
pub fn decode(compressed: &[u8], maximum: usize) -> Result<Vec<u8>, WinEventError> {
    let mut data = Vec::new();
    decode_into(compressed, maximum, &mut data)?;
    Ok(data)
}

/// Decodes one record as [`decode`] does, into a buffer whose previous content is dropped. Callers with many
/// records reuse its memory.
///
/// # Errors
/// As for [`decode`]; the content of the buffer is then unspecified.
pub fn decode_into(compressed: &[u8], maximum: usize, data: &mut Vec<u8>) -> Result<(), WinEventError> {
    data.clear();
    let mut window = Vec::new();
    decode_in_pieces(compressed, maximum, &mut window, &mut Whole(data))
}

/// Receiver that keeps all data.
struct Whole<'d>(&'d mut Vec<u8>);

impl Pieces for Whole<'_> {
    fn expect(&mut self, length: usize) {
        self.0.reserve(length);
    }

    fn take(&mut self, piece: &[u8], _: bool) -> usize {
        self.0.extend_from_slice(piece);
        piece.len()
    }
}

/// Receiver of decompressed data.
pub(crate) trait Pieces {
    /// Announces the length of the data, which may be wrong.
    fn expect(&mut self, length: usize);
    /// Takes the next bytes, and returns the number of those that were used. The next piece begins with the rest, at
    /// most [`MAX_REST`] bytes.
    fn take(&mut self, piece: &[u8], is_last: bool) -> usize;
}

/// Decodes one record as [`decode`] does, and passes the data on in pieces. `window` is memory for one piece.
///
/// # Errors
/// As for [`decode`]. Pieces that were passed on before are not valid then.
pub(crate) fn decode_in_pieces(
    compressed: &[u8],
    maximum: usize,
    window: &mut Vec<u8>,
    pieces: &mut dyn Pieces,
) -> Result<(), WinEventError> {
    let expected = expected_length(compressed).min(maximum);
    pieces.expect(expected);
    window.resize(WINDOW + CHUNK, 0);
    Decoder::new(compressed, maximum, window, pieces).record()
}

/// Length of the window in bytes.
const WINDOW: usize = 64 << 10;
/// Number of bits of a literal in scheme 1.
const LITERAL: u32 = 9;
/// Maximum number of bytes of a piece that its receiver may leave: less than the history, so that they stay in the
/// window.
const MAX_REST: usize = 8;
/// Number of bytes that are copied at once, also if fewer are wanted.
const CHUNK: usize = 16;

/// Returns the length that the last four bytes state, bounded by what the format can reach. The buffer grows
/// if it is wrong.
fn expected_length(compressed: &[u8]) -> usize {
    /// A copy of 271 bytes takes 23 bits.
    const MAX_RATIO: usize = 95;
    let stated = compressed.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    usize::try_from(stated).unwrap_or(0).min(compressed.len().saturating_mul(MAX_RATIO))
}

/// Checks the bytes after the record: zeros, and the length of the data if there are at least four bytes.
fn check_trailer(compressed: &[u8], end: usize, length: usize) -> Result<(), WinEventError> {
    let rest = compressed.get(end..).unwrap_or_default();
    let (padding, stated) = match rest.split_last_chunk::<4>() {
        Some((padding, stated)) => (padding, Some(u32::from_le_bytes(*stated))),
        None => (rest, None),
    };
    if padding.len() > 4 || padding.iter().any(|byte| *byte != 0) {
        return Err(WinEventError::Sldc { at: end, reason: "unexpected bytes after the end of the record" });
    }
    if stated.is_some_and(|stated| usize::try_from(stated) != Ok(length)) {
        let at = compressed.len().saturating_sub(4);
        return Err(WinEventError::Sldc { at, reason: "the stated length is not the length of the data" });
    }
    Ok(())
}

struct Decoder<'b> {
    bits: Bits<'b>,
    compressed: &'b [u8],
    /// The last data, and behind `head` the place for more.
    window: &'b mut [u8],
    /// Number of bytes in the window.
    head: usize,
    /// Value of `head` that requires [`make_room`](Self::make_room).
    limit: usize,
    maximum: usize,
    /// Number of bytes that are no longer in the window.
    dropped: usize,
    /// Number of bytes in the window that were passed on.
    passed: usize,
    pieces: &'b mut dyn Pieces,
    /// Value of `head` at the last reset; 0 if the window has only later bytes.
    start: usize,
    /// Number of bytes since the last reset that are no longer in the window. The history is the data since then.
    before: usize,
}

#[derive(Clone, Copy)]
enum Scheme {
    One,
    Two,
}

/// Effect of a control symbol.
enum Next {
    Continue(Scheme),
    End,
}

impl<'b> Decoder<'b> {
    fn new(compressed: &'b [u8], maximum: usize, window: &'b mut [u8], pieces: &'b mut dyn Pieces) -> Self {
        Self {
            bits: Bits::new(compressed),
            compressed,
            window,
            head: 0,
            limit: maximum.min(WINDOW),
            maximum,
            dropped: 0,
            passed: 0,
            pieces,
            start: 0,
            before: 0,
        }
    }

    /// Decodes the record, and checks what follows it.
    fn record(&mut self) -> Result<(), WinEventError> {
        self.symbols()?;
        let end = self.bits.position().div_ceil(8);
        check_trailer(self.compressed, end, self.dropped + self.head)?;
        self.pieces.take(self.window.get(self.passed..self.head).unwrap_or_default(), true);
        Ok(())
    }

    fn symbols(&mut self) -> Result<(), WinEventError> {
        self.bits.refill();
        let first = self.bits.peek(13);
        if first >> 4 != 0x1FF || !matches!(first & 0xF, control::RESET_1 | control::RESET_2) {
            return self.fail("a record must begin with a reset");
        }
        let mut scheme = Scheme::One;
        loop {
            let symbol = match scheme {
                Scheme::One => self.compressed()?,
                Scheme::Two => self.literal_run()?,
            };
            match self.control(symbol, scheme)? {
                Next::Continue(next) => scheme = next,
                Next::End => return Ok(()),
            }
        }
    }

    /// Decodes scheme 1 up to a control symbol, and returns its code.
    fn compressed(&mut self) -> Result<u64, WinEventError> {
        loop {
            self.bits.refill();
            // Several literals fit into the buffer.
            while self.bits.buffer >> 63 == 0 && self.bits.count >= LITERAL {
                let [byte, ..] = (self.bits.buffer << 1).to_be_bytes();
                self.literal(byte)?;
                self.bits.buffer <<= LITERAL;
                self.bits.count -= LITERAL;
            }
            self.bits.refill();
            let window = self.bits.buffer;
            if window >> 63 == 0 {
                if self.bits.count < LITERAL {
                    self.bits.skip(LITERAL)?;
                }
                continue;
            }
            // The number of ones after the first bit selects the width of the count.
            let (base, width, prefix) = match (window << 1).leading_ones() {
                0 => (2, 1, 2),
                1 => (4, 2, 3),
                2 => (8, 3, 4),
                3 => (16, 4, 5),
                _ => (32, 8, 5),
            };
            let count = (window << prefix) >> (64 - width);
            if prefix == 5 && width == 8 && count >= 0xF0 {
                self.bits.skip(13)?;
                return Ok(count & 0xF);
            }
            let address = (window << (prefix + width)) >> 54;
            self.copy(index(base + count), index(address))?;
            self.bits.skip(prefix + width + 10)?;
        }
    }

    /// Decodes scheme 2 up to a control symbol, and returns its code.
    fn literal_run(&mut self) -> Result<u64, WinEventError> {
        loop {
            self.bits.refill();
            let [byte, ..] = self.bits.buffer.to_be_bytes();
            if byte != 0xFF {
                self.literal(byte)?;
                self.bits.skip(8)?;
            } else if self.bits.peek(9) & 1 == 0 {
                self.literal(byte)?;
                self.bits.skip(9)?;
            } else {
                let code = self.bits.peek(13) & 0xF;
                self.bits.skip(13)?;
                return Ok(code);
            }
        }
    }

    fn control(&mut self, code: u64, scheme: Scheme) -> Result<Next, WinEventError> {
        Ok(match code {
            control::FLUSH => {
                self.bits.align_to_32()?;
                Next::Continue(scheme)
            }
            control::FILE_MARK => Next::Continue(scheme),
            control::SCHEME_1 => Next::Continue(Scheme::One),
            control::SCHEME_2 => Next::Continue(Scheme::Two),
            control::RESET_1 | control::RESET_2 => {
                (self.start, self.before) = (self.head, 0);
                Next::Continue(if code == control::RESET_1 { Scheme::One } else { Scheme::Two })
            }
            control::END_OF_RECORD | control::END_MARKER => Next::End,
            _ => return self.fail("unknown control symbol"),
        })
    }

    #[inline]
    fn literal(&mut self, byte: u8) -> Result<(), WinEventError> {
        if self.head >= self.limit {
            self.make_room(1)?;
        }
        if let Some(place) = self.window.get_mut(self.head) {
            *place = byte;
            self.head += 1;
        }
        Ok(())
    }

    /// Copies bytes from an address of the history; the copy may reach into its own output.
    #[inline]
    fn copy(&mut self, count: usize, address: usize) -> Result<(), WinEventError> {
        if count > self.limit.saturating_sub(self.head) {
            self.make_room(count)?;
        }
        let written = self.before + (self.head - self.start);
        let distance = match written.wrapping_sub(address) % HISTORY {
            0 => HISTORY,
            distance => distance,
        };
        if distance > written {
            return self.fail("a copy from history that was not written");
        }
        let Some((past, place)) = self.window.split_at_mut_checked(self.head) else { return Ok(()) };
        let from = past.get(self.head - distance..).unwrap_or_default();
        if let Some(chunk) = from.first_chunk::<CHUNK>()
            && count <= CHUNK
            && let Some(place) = place.first_chunk_mut::<CHUNK>()
        {
            // Most copies are short. The bytes behind them are overwritten by the next symbol.
            *place = *chunk;
        } else if let (Some(place), Some(from)) = (place.get_mut(..count), from.get(..count)) {
            place.copy_from_slice(from);
        } else {
            for (to, from) in place.iter_mut().zip(from.iter().cycle()).take(count) {
                *to = *from;
            }
        }
        self.head += count;
        Ok(())
    }

    /// Passes the data on, and drops all but the history, so that there is room for this number of bytes.
    #[cold]
    fn make_room(&mut self, count: usize) -> Result<(), WinEventError> {
        if count > self.maximum.saturating_sub(self.dropped + self.head) {
            return Err(self.too_long());
        }
        let piece = self.window.get(self.passed..self.head).unwrap_or_default();
        self.passed +=
            self.pieces.take(piece, false).clamp(piece.len().saturating_sub(MAX_REST), piece.len());
        let cut = self.passed.min(self.head.saturating_sub(HISTORY));
        self.window.copy_within(cut..self.head, 0);
        self.head -= cut;
        self.passed -= cut;
        self.dropped += cut;
        match self.start.checked_sub(cut) {
            Some(start) => self.start = start,
            None => {
                self.before += cut - self.start;
                self.start = 0;
            }
        }
        self.limit = WINDOW.min(self.maximum - self.dropped);
        Ok(())
    }

    fn too_long(&self) -> WinEventError {
        WinEventError::Limit { bound: "bytes of decompressed data", maximum: self.maximum }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, WinEventError> {
        Err(WinEventError::Sldc { at: self.bits.position() / 8, reason })
    }
}

/// Bits of the input, most significant first.
struct Bits<'b> {
    input: &'b [u8],
    /// Offset of the next byte that is not yet in the buffer.
    next: usize,
    /// Bits not yet used, from the most significant bit on; zeros after the end of the input.
    buffer: u64,
    /// Number of bits of the input in the buffer.
    count: u32,
}

impl<'b> Bits<'b> {
    fn new(input: &'b [u8]) -> Self {
        Self { input, next: 0, buffer: 0, count: 0 }
    }

    /// Fills the buffer with at least 56 bits, as long as there are any.
    #[inline]
    fn refill(&mut self) {
        if self.count > 32 {
            return;
        }
        let rest = self.input.get(self.next..).unwrap_or_default();
        if let Some(bytes) = rest.first_chunk::<8>() {
            self.buffer |= u64::from_be_bytes(*bytes) >> self.count;
            let whole = (64 - self.count) / 8;
            self.next += index(u64::from(whole));
            self.count += whole * 8;
            // Bits of a byte that did not fit are read again.
            self.buffer &= u64::MAX.checked_shl(64 - self.count).unwrap_or(0);
        } else {
            for byte in rest.iter().take(index(u64::from((64 - self.count) / 8))) {
                self.buffer |= u64::from(*byte) << (56 - self.count);
                self.next += 1;
                self.count += 8;
            }
        }
    }

    /// Returns the next bits without using them; zeros after the end.
    #[inline]
    fn peek(&self, count: u32) -> u64 {
        self.buffer >> (64 - count)
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Result<(), WinEventError> {
        if count > self.count {
            return Err(WinEventError::Sldc { at: self.input.len(), reason: "the record is cut" });
        }
        self.buffer <<= count;
        self.count -= count;
        Ok(())
    }

    /// Returns the number of bits used.
    fn position(&self) -> usize {
        (self.next * 8).saturating_sub(index(u64::from(self.count)))
    }

    /// Skips the zeros after a flush.
    fn align_to_32(&mut self) -> Result<(), WinEventError> {
        let over = self.position() % 32;
        if over == 0 {
            return Ok(());
        }
        self.refill();
        self.skip(u32::try_from(32 - over).unwrap_or(0))
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
