//! Hashes and message authentication codes of RMCP+.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

/// Hash function of a cipher suite; all of them have 64-byte blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
}

/// HMAC key (RFC 2104), with the inner and outer key blocks already hashed: a session has thousands of
/// messages, most of them one or two blocks long.
#[derive(Clone)]
pub(crate) struct MacKey {
    hash: Hash,
    inner: State,
    outer: State,
}

/// Internal state of a hash between blocks; unused words are zero.
type State = Zeroizing<[u32; 8]>;

/// Code of a message; bytes beyond the length of the hash are zero.
pub(crate) type Code = [u8; 32];

/// A code that is itself secret, or is sent in full.
pub(crate) struct Mac {
    code: Zeroizing<Code>,
    octets: usize,
}

impl Hash {
    /// Returns an HMAC key. Keys must not be longer than a block; bytes beyond 64 are ignored.
    pub(crate) fn key(self, key: &[u8]) -> MacKey {
        MacKey { hash: self, inner: self.padded_key(key, 0x36), outer: self.padded_key(key, 0x5c) }
    }

    /// Returns the state after the block of a key combined with padding (RFC 2104, 2).
    fn padded_key(self, key: &[u8], padding: u8) -> State {
        let mut block = Zeroizing::new([padding; 64]);
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= *from);
        let mut state = self.initial();
        self.compress(&mut state, std::slice::from_ref(&*block));
        state
    }

    /// Returns the length of the hash in bytes.
    fn octets(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Returns the initial state (RFC 1321, 3.3; FIPS 180-4, 5.3.1 and 5.3.3).
    fn initial(self) -> State {
        Zeroizing::new(match self {
            Self::Md5 => [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0, 0, 0, 0],
            Self::Sha1 => [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0, 0, 0, 0],
            Self::Sha256 => [
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ],
        })
    }

    fn compress(self, state: &mut [u32; 8], blocks: &[[u8; 64]]) {
        let [a, b, c, d, e, ..] = state;
        match self {
            Self::Md5 => {
                let mut words = [*a, *b, *c, *d];
                md5::block_api::compress(&mut words, blocks);
                [*a, *b, *c, *d] = words;
            }
            Self::Sha1 => {
                let mut words = [*a, *b, *c, *d, *e];
                sha1::block_api::compress(&mut words, blocks);
                [*a, *b, *c, *d, *e] = words;
            }
            Self::Sha256 => sha2::block_api::compress256(state, blocks),
        }
    }

    /// Hashes the rest of a message whose first block is already in `state`, adds the padding and returns the
    /// hash.
    fn finish(self, state: &State, message: &[u8]) -> Code {
        let mut state = Zeroizing::new(**state);
        let (blocks, rest) = message.as_chunks::<64>();
        if !blocks.is_empty() {
            self.compress(&mut state, blocks);
        }
        let mut last = [[0_u8; 64]; 2];
        if let Some((place, after)) = last.as_flattened_mut().split_at_mut_checked(rest.len()) {
            place.copy_from_slice(rest);
            after.iter_mut().take(1).for_each(|end| *end = 0x80);
        }
        let bits = 8 * (64 + u64::try_from(message.len()).unwrap_or(u64::MAX / 16));
        let bits = if self == Self::Md5 { bits.to_le_bytes() } else { bits.to_be_bytes() };
        // The length occupies the last eight bytes of the first block with enough room.
        let count = if rest.len() < 56 { 1 } else { 2 };
        let last = last.get_mut(..count).unwrap_or_default();
        if let Some(place) = last.last_mut().and_then(|block| block.last_chunk_mut()) {
            *place = bits;
        }
        self.compress(&mut state, last);
        let mut code = Code::default();
        for (to, word) in code.as_chunks_mut().0.iter_mut().zip(state.iter()).take(self.octets() / 4) {
            *to = if self == Self::Md5 { word.to_le_bytes() } else { word.to_be_bytes() };
        }
        code
    }
}

impl MacKey {
    /// Returns the code of a message.
    pub(crate) fn code(&self, message: &[u8]) -> Code {
        let inside = self.hash.finish(&self.inner, message);
        self.hash.finish(&self.outer, inside.get(..self.hash.octets()).unwrap_or_default())
    }

    /// Returns the code of the concatenation of `parts`.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Mac {
        Mac { code: Zeroizing::new(self.code(&parts.concat())), octets: self.hash.octets() }
    }
}

impl Mac {
    /// Returns the empty code of a suite without authentication.
    pub(crate) fn none() -> Self {
        Self { code: Zeroizing::default(), octets: 0 }
    }

    /// Returns the first `octets` bytes of the code, or all of it if it is shorter.
    pub(crate) fn truncated(self, octets: usize) -> Self {
        Self { octets: self.octets.min(octets), ..self }
    }
}

impl std::ops::Deref for Mac {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.code.get(..self.octets).unwrap_or_default()
    }
}

/// Returns the plain MD5 hash of the concatenation of `parts`.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};

    use super::*;

    #[test]
    fn codes_equal_those_of_another_implementation() {
        let octets: Vec<u8> = (0..=255).collect();
        macro_rules! theirs {
            ($hash:ty, $key:expr, $message:expr) => {{
                let mut mac = Hmac::<$hash>::new_from_slice($key).unwrap();
                mac.update($message);
                mac.finalize().into_bytes().to_vec()
            }};
        }
        for length in 0..=octets.len() {
            let message = &octets[..length];
            for key in [&octets[..0], &octets[7..23], &octets[9..29], &octets[1..65]] {
                for (hash, theirs) in [
                    (Hash::Md5, theirs!(Md5, key, message)),
                    (Hash::Sha1, theirs!(sha1::Sha1, key, message)),
                    (Hash::Sha256, theirs!(sha2::Sha256, key, message)),
                ] {
                    let (one, two) = message.split_at(length / 3);
                    assert_eq!(*hash.key(key).mac(&[one, two]), theirs, "{hash:?} over {length} octets");
                }
            }
        }
    }
}
