//! Hashes, which is all that RMCP+ proves anything with.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

/// A hash that suites name; each works on blocks of 64 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
}

/// A key of HMAC (RFC 2104), with the two blocks that are the same for every message hashed already: a session has
/// thousands of messages, and most of them have one block or two.
#[derive(Clone)]
pub(crate) struct MacKey {
    hash: Hash,
    inner: State,
    outer: State,
}

/// What a hash remembers between blocks: as many words as it has, and zeros behind them.
type State = Zeroizing<[u32; 8]>;

/// The code of a message: as many octets as the hash has, and zeros behind them.
pub(crate) type Code = [u8; 32];

/// A code that is a secret itself, or is sent whole.
pub(crate) struct Mac {
    code: Zeroizing<Code>,
    octets: usize,
}

impl Hash {
    /// A key is never longer than a block: what is beyond is not looked at.
    pub(crate) fn key(self, key: &[u8]) -> MacKey {
        let begun_with = |pad: u8| {
            let mut block = Zeroizing::new([pad; 64]);
            block.iter_mut().zip(key).for_each(|(to, from)| *to ^= *from);
            let mut state = self.initial();
            self.compress(&mut state, std::slice::from_ref(&*block));
            state
        };
        MacKey { hash: self, inner: begun_with(0x36), outer: begun_with(0x5c) }
    }

    /// How long its codes are.
    fn octets(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// RFC 1321, 3.3; FIPS 180-4, 5.3.1 and 5.3.3.
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

    /// Hashes the rest of a message of which one block was hashed before, pads it, and gives the hash.
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
        // The length takes the last eight octets of the block that has room for it.
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
    /// The code of a message.
    pub(crate) fn code(&self, message: &[u8]) -> Code {
        let inside = self.hash.finish(&self.inner, message);
        self.hash.finish(&self.outer, inside.get(..self.hash.octets()).unwrap_or_default())
    }

    /// That of parts which follow each other.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Mac {
        Mac { code: Zeroizing::new(self.code(&parts.concat())), octets: self.hash.octets() }
    }
}

impl Mac {
    /// That of a suite which proves nothing.
    pub(crate) fn none() -> Self {
        Self { code: Zeroizing::default(), octets: 0 }
    }

    /// So many octets of it, if it has as many.
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

/// MD5 without a key, over parts that follow each other.
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
    fn codes_are_those_of_another_implementation_whatever_the_lengths() {
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
