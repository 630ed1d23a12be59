//! Numbers nobody can foresee, from a seed that is an argument.

use zeroize::Zeroizing;

use crate::mac::{Hash, MacKey};

/// A stream of octets from one seed: HMAC-SHA-256 over a counter.
pub(crate) struct Entropy {
    key: MacKey,
    drawn: u64,
    /// The second half of what was drawn last, if it was not used yet.
    left: Zeroizing<Option<[u8; 16]>>,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { key: Hash::Sha256.key(&*seed), drawn: 0, left: Zeroizing::new(None) }
    }

    /// The next octets.
    pub(crate) fn draw(&mut self) -> [u8; 16] {
        if let Some(left) = self.left.take() {
            return left;
        }
        self.drawn += 1;
        let mut halves = Zeroizing::new([[0; 16]; 2]);
        halves.as_flattened_mut().copy_from_slice(&*self.key.code(&[&self.drawn.to_le_bytes()]));
        let [first, second] = *halves;
        *self.left = Some(second);
        first
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
