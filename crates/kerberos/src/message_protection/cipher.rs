//! AES-CBC with ciphertext stealing and HMAC in one pass (RFC 3962 5, RFC 8009 5).

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _,
    BlockModeDecrypt as _, BlockSizeUser, InnerIvInit as _, KeyInit as _,
};
use aes::{Aes128Dec, Aes128Enc, Aes256Dec, Aes256Enc};

use super::encryption_type::MacOver;
use super::mac::Mac;

/// Parts that are encrypted as one text, in this order; they need not be contiguous.
pub(crate) struct Pieces<'a> {
    /// Confounder.
    pub(crate) first: &'a mut [u8; BLOCK_LENGTH],
    /// Message.
    pub(crate) middle: &'a mut [u8],
    /// Copy of the header.
    pub(crate) last: &'a mut [u8; BLOCK_LENGTH],
}

/// Encrypts messages of this end.
pub(crate) enum Sealer {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

/// Decrypts messages of the other end.
pub(crate) enum Opener {
    Aes128(Aes128Dec),
    Aes256(Aes256Dec),
}

impl MacOver {
    /// Starts an HMAC, with the initial vector if that is part of the input.
    pub(crate) fn start_mac(self, key: &Mac) -> Mac {
        let mut mac = key.clone();
        if self == Self::Ciphertext {
            mac.update(&[0; BLOCK_LENGTH]);
        }
        mac
    }

    /// Returns the number of message bytes in the first group, and in each further group. The groups end at block
    /// boundaries of the hash function, whose blocks have up to 128 bytes; the confounder, and possibly the initial
    /// vector, precede the first group.
    fn steps(self) -> (usize, usize) {
        match self {
            Self::Plaintext => (48, 64),
            Self::Ciphertext => (96, 128),
        }
    }

    fn plain(self, mac: &mut Mac, octets: &[u8]) {
        if self == Self::Plaintext {
            mac.update(octets);
        }
    }

    fn sealed(self, mac: &mut Mac, octets: &[u8]) {
        if self == Self::Ciphertext {
            mac.update(octets);
        }
    }
}

impl Sealer {
    /// Returns `None` for a key length that AES does not have.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Self::Aes128),
            _ => Aes256Enc::new_from_slice(key).ok().map(Self::Aes256),
        }
    }

    pub(crate) fn seal(&self, pieces: Pieces<'_>, over: MacOver, mac: &mut Mac) {
        match self {
            Self::Aes128(cipher) => cipher.encrypt_with_backend(Sealing { pieces, over, mac }),
            Self::Aes256(cipher) => cipher.encrypt_with_backend(Sealing { pieces, over, mac }),
        }
    }
}

impl Opener {
    /// Returns `None` for a key length that AES does not have.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Dec::new_from_slice(key).ok().map(Self::Aes128),
            _ => Aes256Dec::new_from_slice(key).ok().map(Self::Aes256),
        }
    }

    pub(crate) fn open(&self, pieces: Pieces<'_>, over: MacOver, mac: &mut Mac) {
        match self {
            Self::Aes128(cipher) => open(cipher, pieces, over, mac),
            Self::Aes256(cipher) => open(cipher, pieces, over, mac),
        }
    }
}

/// Encryption of one message.
///
/// CBC blocks depend on the previous block, and so does the hash. Alternating between both in small groups lets the
/// processor overlap them, which saves a third of the time.
struct Sealing<'a> {
    pieces: Pieces<'a>,
    over: MacOver,
    mac: &'a mut Mac,
}

impl BlockSizeUser for Sealing<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Sealing<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, cipher: &B) {
        let Self { pieces, over, mac } = self;
        let Parts { whole: [first, whole], tail, last } = Parts::of(pieces);
        let mut chain = Block::default();
        let mut encrypt = |block: &mut Block| {
            chain.iter_mut().zip(block.iter()).for_each(|(chained, octet)| *chained ^= octet);
            cipher.encrypt_block((&mut chain).into());
            *block = chain;
        };
        // After the first group, the hash always starts at a block boundary.
        let (begin, step) = over.steps();
        let (begin, rest) = whole.split_at_mut(begin.min(whole.len()));
        for group in [first, begin].into_iter().chain(rest.chunks_mut(step)) {
            over.plain(mac, group);
            Array::slice_as_chunks_mut(group).0.iter_mut().for_each(&mut encrypt);
            over.sealed(mac, group);
        }
        over.plain(mac, tail);
        over.plain(mac, last);
        // The last block is padded with zeros, and the previous one is truncated to the length of the message.
        let (mut before, mut end) = (Block::default(), Block::default());
        copy(before.iter_mut().chain(end.iter_mut()), tail.iter().chain(last.iter()));
        encrypt(&mut before);
        encrypt(&mut end);
        copy(tail.iter_mut().chain(last.iter_mut()), end.iter().chain(before.iter()));
        over.sealed(mac, tail);
        over.sealed(mac, last);
    }
}

fn open<C: BlockCipherDecrypt<BlockSize = U16>>(
    cipher: &C,
    pieces: Pieces<'_>,
    over: MacOver,
    mac: &mut Mac,
) {
    let mut chain = cbc::Decryptor::inner_iv_init(cipher, &Block::default());
    let Parts { whole, tail, last } = Parts::of(pieces);
    for part in whole {
        for chunk in part.chunks_mut(CHUNK_LENGTH) {
            over.sealed(mac, chunk);
            chain.decrypt_blocks(Array::slice_as_chunks_mut(chunk).0);
            over.plain(mac, chunk);
        }
    }
    over.sealed(mac, tail);
    over.sealed(mac, last);
    let (mut before, mut end) = (Block::default(), Block::default());
    copy(end.iter_mut().chain(before.iter_mut()), tail.iter().chain(last.iter()));
    cipher.decrypt_block(&mut end);
    // The missing end of the previous block results from decrypting the zeros of the padding.
    copy(before.iter_mut().skip(tail.len()), end.iter().skip(tail.len()));
    end.iter_mut().zip(&before).for_each(|(octet, sealed)| *octet ^= sealed);
    chain.decrypt_block(&mut before);
    copy(tail.iter_mut().chain(last.iter_mut()), before.iter().chain(end.iter()));
    over.plain(mac, tail);
    over.plain(mac, last);
}

/// Splits the text into whole blocks and the rest, to which ciphertext stealing applies.
struct Parts<'a> {
    whole: [&'a mut [u8]; 2],
    /// 1 to 16 bytes.
    tail: &'a mut [u8],
    last: &'a mut [u8; BLOCK_LENGTH],
}

impl<'a> Parts<'a> {
    fn of(Pieces { first, middle, last }: Pieces<'a>) -> Self {
        let Some(last_index) = middle.len().checked_sub(1) else {
            return Self { whole: [&mut [], &mut []], tail: first, last };
        };
        let (whole, tail) = middle.split_at_mut(last_index - last_index % BLOCK_LENGTH);
        Self { whole: [first, whole], tail, last }
    }
}

/// Copies up to the length of the shorter side.
fn copy<'a>(to: impl Iterator<Item = &'a mut u8>, from: impl Iterator<Item = &'a u8>) {
    to.zip(from).for_each(|(to, from)| *to = *from);
}

type Block = Array<u8, U16>;

/// Length of an AES block, and of a confounder, in bytes.
pub const BLOCK_LENGTH: usize = 16;
const CHUNK_LENGTH: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_protection::EncryptionType;

    #[test]
    fn ciphertext_stealing_matches_rfc_3962() {
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        let sealer = Sealer::new(b"chicken teriyaki").unwrap();
        let opener = Opener::new(b"chicken teriyaki").unwrap();
        let key = Mac::new(EncryptionType::Aes128Sha1, b"any").unwrap();
        for (length, expected) in [
            (32, "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"),
            (
                47,
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
            ),
            (
                48,
                "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8",
            ),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8\
                 4807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ] {
            let mut octets = text[..length].to_vec();
            sealer.seal(pieces(&mut octets), MacOver::Plaintext, &mut key.clone());
            let written: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(written, expected, "{length}");
            opener.open(pieces(&mut octets), MacOver::Plaintext, &mut key.clone());
            assert_eq!(octets, text[..length], "{length}");
        }
    }

    fn pieces(octets: &mut [u8]) -> Pieces<'_> {
        let (first, rest) = octets.split_first_chunk_mut().unwrap();
        let (middle, last) = rest.split_last_chunk_mut().unwrap();
        Pieces { first, middle, last }
    }
}
