//! Deterministic random number generator; the caller supplies the seed.

use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes256, Block};
use zeroize::Zeroizing;

/// Random byte stream: AES-256 in counter mode, with the seed as key.
pub(crate) struct Entropy {
    key: Aes256,
    drawn: u128,
    /// Precomputed blocks: encrypting several costs hardly more than one.
    ahead: Zeroizing<[[u8; 16]; AHEAD]>,
    /// Number of precomputed blocks not used yet.
    left: usize,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { key: Aes256::new((&*seed).into()), drawn: 0, ahead: Zeroizing::default(), left: 0 }
    }

    /// Returns the next 16 random bytes.
    pub(crate) fn draw(&mut self) -> [u8; 16] {
        if self.left == 0 {
            for block in self.ahead.iter_mut().rev() {
                self.drawn += 1;
                *block = self.drawn.to_le_bytes();
            }
            self.key.encrypt_blocks(Block::cast_slice_from_core_mut(&mut *self.ahead));
            self.left = AHEAD;
        }
        self.left -= 1;
        self.ahead.get_mut(self.left).map(std::mem::take).unwrap_or_default()
    }

    /// Returns a random number that is not zero.
    pub(crate) fn number(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.draw();
        u32::from_le_bytes([a, b, c, d]).max(1)
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}

const AHEAD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_draws_differ() {
        let mut entropy = Entropy::new([1; 32]);
        let drawn: std::collections::HashSet<_> = (0..100).map(|_| entropy.draw()).collect();
        assert_eq!(drawn.len(), 100);
        assert_eq!(Entropy::new([1; 32]).draw(), Entropy::new([1; 32]).draw());
        assert_ne!(Entropy::new([1; 32]).draw(), Entropy::new([2; 32]).draw());
        assert_eq!(format!("{entropy:?}"), "Entropy { .. }");
    }
}
