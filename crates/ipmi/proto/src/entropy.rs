//! Numbers nobody can foresee, from a seed that is an argument.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroizing;

/// A stream of octets from one seed: AES-256 over a counter, with the seed as its key.
pub(crate) struct Entropy {
    key: Aes256,
    drawn: u128,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { key: Aes256::new((&*seed).into()), drawn: 0 }
    }

    /// The next octets.
    pub(crate) fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        let mut block = self.drawn.to_le_bytes().into();
        self.key.encrypt_block(&mut block);
        block.into()
    }

    /// A number that is not zero.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_the_same() {
        let mut entropy = Entropy::new([1; 32]);
        assert_ne!(entropy.draw(), entropy.draw());
        assert_eq!(Entropy::new([1; 32]).draw(), Entropy::new([1; 32]).draw());
        assert_ne!(Entropy::new([1; 32]).draw(), Entropy::new([2; 32]).draw());
        assert_eq!(format!("{entropy:?}"), "Entropy { .. }");
    }
}
