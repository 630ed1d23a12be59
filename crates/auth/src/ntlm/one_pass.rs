//! RC4 and HMAC-MD5 over one message in one pass (MS-NLMP 3.4.4.2, RFC 1321, RFC 2104).
//!
//! Each algorithm is a chain of dependent steps that leaves the processor mostly idle, so interleaving both takes
//! little longer than one of them. Run one after the other, they would cost more than all other work for a response.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::rc4::{Position, Rc4, next};

/// Encrypts a message; returns the HMAC-MD5 of the sequence number and the plain text.
pub(super) fn seal(key: &[u8; 16], number: u32, cipher: &mut Rc4, message: &mut [u8]) -> Zeroizing<[u8; 16]> {
    let (mut inner, length) = (Inner::new(key), message.len());
    let (first, rest) = message.split_at_mut(FIRST_LENGTH.min(length));
    inner.number(number, first);
    cipher.apply(first);
    let (blocks, last) = rest.as_chunks_mut::<BLOCK>();
    cipher.with_stream(|state, position| {
        for block in blocks {
            let plain = words(block);
            inner.compress_and_apply(&plain, state, position, block);
        }
    });
    inner.end(last, length);
    cipher.apply(last);
    inner.outer(key)
}

/// Decrypts a message; returns the HMAC-MD5 of the sequence number and the plain text.
pub(super) fn unseal(
    key: &[u8; 16],
    number: u32,
    cipher: &mut Rc4,
    message: &mut [u8],
) -> Zeroizing<[u8; 16]> {
    let (mut inner, length) = (Inner::new(key), message.len());
    let (first, rest) = message.split_at_mut(FIRST_LENGTH.min(length));
    cipher.apply(first);
    inner.number(number, first);
    let (blocks, last) = rest.as_chunks_mut::<BLOCK>();
    // Hashes the previous block while decrypting the next one.
    let mut before: Option<[u32; 16]> = None;
    cipher.with_stream(|state, position| {
        for block in blocks {
            match before {
                Some(before) => inner.compress_and_apply(&before, state, position, block),
                None => block.iter_mut().for_each(|octet| *octet ^= next(state, position)),
            }
            before = Some(words(block));
        }
    });
    if let Some(before) = before {
        inner.compress(&before);
    }
    cipher.apply(last);
    inner.end(last, length);
    inner.outer(key)
}

/// Inner hash of HMAC. Its state reveals as much as the key.
struct Inner {
    state: Zeroizing<[u32; 4]>,
    /// Data so far, if the first block is incomplete: the sequence number and a short message.
    short: Option<Zeroizing<[u8; BLOCK]>>,
}

impl Inner {
    fn new(key: &[u8; 16]) -> Self {
        let mut this = Self { state: Zeroizing::new(INITIAL), short: None };
        this.compress(&words(&padded(key, INNER_PAD)));
        this
    }

    /// Hashes the sequence number and the beginning of the message, which fill a block unless the message is shorter.
    fn number(&mut self, number: u32, first: &[u8]) {
        let mut block = Zeroizing::new([0; BLOCK]);
        let octets = number.to_le_bytes();
        block.iter_mut().zip(octets.iter().chain(first)).for_each(|(to, from)| *to = *from);
        if first.len() == FIRST_LENGTH {
            self.compress(&words(&block));
        } else {
            self.short = Some(block);
        }
    }

    /// Hashes the incomplete last block and the padding (RFC 1321 3.1, 3.2).
    fn end(&mut self, last: &[u8], length: usize) {
        let (mut block, filled) = match self.short.take() {
            Some(block) => (block, 4 + length),
            None => {
                let mut block = Zeroizing::new([0; BLOCK]);
                block.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
                (block, last.len())
            }
        };
        if let Some(octet) = block.get_mut(filled) {
            *octet = 0x80;
        }
        if filled >= BLOCK - 8 {
            self.compress(&words(&block));
            block = Zeroizing::new([0; BLOCK]);
        }
        let octets =
            u64::try_from(BLOCK + 4).unwrap_or_default().wrapping_add(length.try_into().unwrap_or(0));
        let bits = octets.wrapping_mul(8).to_le_bytes();
        block.iter_mut().skip(BLOCK - 8).zip(bits).for_each(|(to, from)| *to = from);
        self.compress(&words(&block));
    }

    fn outer(self, key: &[u8; 16]) -> Zeroizing<[u8; 16]> {
        let [a, b, c, d] = self.state.map(u32::to_le_bytes);
        let inner = Zeroizing::new([a, b, c, d]);
        let outer = Md5::new().chain_update(padded(key, OUTER_PAD)).chain_update(inner.as_flattened());
        Zeroizing::new(outer.finalize().into())
    }

    fn compress(&mut self, words: &[u32; 16]) {
        rounds(&mut self.state, words, |_| {});
    }

    /// Hashes one block while encrypting another, alternating between a step and a byte.
    fn compress_and_apply(
        &mut self,
        words: &[u32; 16],
        state: &mut [u8; 256],
        position: &mut Position,
        block: &mut [u8; BLOCK],
    ) {
        rounds(&mut self.state, words, |step| {
            let key = next(state, position);
            if let Some(octet) = block.get_mut(step) {
                *octet ^= key;
            }
        });
    }
}

/// Four rounds of MD5 over one block (RFC 1321 3.4), with a callback after each of the 64 steps.
#[inline(always)]
fn rounds(state: &mut [u32; 4], words: &[u32; 16], mut between: impl FnMut(usize)) {
    let [mut a, mut b, mut c, mut d] = *state;
    let mut round = |number: usize, mix: fn(u32, u32, u32) -> u32, factor: usize, first: usize| {
        for step in 0..16 {
            let at = number * 16 + step;
            let word = words.get((factor * step + first) & 15).copied().unwrap_or_default();
            let sine = SINES.get(at & 63).copied().unwrap_or_default();
            let shift = SHIFTS.get((number * 4 + (step & 3)) & 15).copied().unwrap_or_default();
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(word).wrapping_add(sine);
            (a, b, c, d) = (d, sum.rotate_left(shift).wrapping_add(b), b, c);
            between(at);
        }
    };
    round(0, |x, y, z| z ^ (x & (y ^ z)), 1, 0);
    round(1, |x, y, z| y ^ (z & (x ^ y)), 5, 1);
    round(2, |x, y, z| x ^ y ^ z, 3, 5);
    round(3, |x, y, z| y ^ (x | !z), 7, 0);
    for (sum, part) in state.iter_mut().zip([a, b, c, d]) {
        *sum = sum.wrapping_add(part);
    }
}

#[inline(always)]
fn words(block: &[u8; BLOCK]) -> [u32; 16] {
    let mut words = [0; 16];
    let (octets, _) = block.as_chunks::<4>();
    for (word, octets) in words.iter_mut().zip(octets) {
        *word = u32::from_le_bytes(*octets);
    }
    words
}

/// Pads a key with zeros to a whole block and combines it with the HMAC constant.
fn padded(key: &[u8; 16], pad: u8) -> Zeroizing<[u8; BLOCK]> {
    let mut block = Zeroizing::new([pad; BLOCK]);
    block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
    block
}

const BLOCK: usize = 64;
/// Number of message bytes in the first block, after the sequence number.
const FIRST_LENGTH: usize = BLOCK - 4;
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5C;
const INITIAL: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
const SHIFTS: [u32; 16] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
/// Integer part of 2^32 times the absolute sine of 1 to 64 (RFC 1321 3.4).
const SINES: [u32; 64] = [
    0xD76A_A478,
    0xE8C7_B756,
    0x2420_70DB,
    0xC1BD_CEEE,
    0xF57C_0FAF,
    0x4787_C62A,
    0xA830_4613,
    0xFD46_9501,
    0x6980_98D8,
    0x8B44_F7AF,
    0xFFFF_5BB1,
    0x895C_D7BE,
    0x6B90_1122,
    0xFD98_7193,
    0xA679_438E,
    0x49B4_0821,
    0xF61E_2562,
    0xC040_B340,
    0x265E_5A51,
    0xE9B6_C7AA,
    0xD62F_105D,
    0x0244_1453,
    0xD8A1_E681,
    0xE7D3_FBC8,
    0x21E1_CDE6,
    0xC337_07D6,
    0xF4D5_0D87,
    0x455A_14ED,
    0xA9E3_E905,
    0xFCEF_A3F8,
    0x676F_02D9,
    0x8D2A_4C8A,
    0xFFFA_3942,
    0x8771_F681,
    0x6D9D_6122,
    0xFDE5_380C,
    0xA4BE_EA44,
    0x4BDE_CFA9,
    0xF6BB_4B60,
    0xBEBF_BC70,
    0x289B_7EC6,
    0xEAA1_27FA,
    0xD4EF_3085,
    0x0488_1D05,
    0xD9D4_D039,
    0xE6DB_99E5,
    0x1FA2_7CF8,
    0xC4AC_5665,
    0xF429_2244,
    0x432A_FF97,
    0xAB94_23A7,
    0xFC93_A039,
    0x655B_59C3,
    0x8F0C_CC92,
    0xFFEF_F47D,
    0x8584_5DD1,
    0x6FA8_7E4F,
    0xFE2C_E6E0,
    0xA301_4314,
    0x4E08_11A1,
    0xF753_7E82,
    0xBD3A_F235,
    0x2AD7_D2BB,
    0xEB86_D391,
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::ntlm::keys::hmac_md5;

    #[test]
    fn the_table_contains_sines() {
        for (number, sine) in (1_u32..).zip(SINES) {
            assert_eq!(f64::from(number).sin().abs().mul_add(4_294_967_296.0, 0.0).floor(), f64::from(sine));
        }
    }

    /// Compares with the separate functions for all relations of length and block size.
    #[test]
    fn one_pass_equals_two_passes() {
        let key = [0x0B; 16];
        let (mut two, mut one, mut back) = (Rc4::new(&key), Rc4::new(&key), Rc4::new(&key));
        for length in (0..400).chain([1_000, 4_095, 4_096, 50_001]) {
            let number = u32::try_from(length).unwrap() ^ 0x8000_0000;
            let plain: Vec<u8> = (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
            let expected = hmac_md5(&key, &[&number.to_le_bytes(), &plain]);
            let mut sealed = plain.clone();
            two.apply(&mut sealed);
            let mut message = plain.clone();
            assert_eq!(seal(&key, number, &mut one, &mut message), expected, "{length}");
            assert!(message == sealed, "{length}");
            assert_eq!(unseal(&key, number, &mut back, &mut message), expected, "{length}");
            assert!(message == plain, "{length}");
        }
    }
}
