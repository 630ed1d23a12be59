//! Proofs that were used and are taken no second time.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use auth::CertificateProof;
use aws_lc_rs::digest::{Context, SHA256};

/// The proofs of client certificates that were used since the process began: of the last 65536.
///
/// A handshake cannot happen twice, since both ends put random octets into it; so a proof that comes a second time was
/// kept by somebody.
#[derive(Debug, Default)]
pub struct SpentProofs(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    all: HashSet<Fingerprint>,
    /// INVARIANT: the same as in `all`, the oldest first.
    in_order: VecDeque<Fingerprint>,
}

/// Which handshake with which certificate a proof is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Not of the signature: the same may be signed again, and some signatures can be rewritten.
    pub(super) fn of(proof: &CertificateProof) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&u64::try_from(proof.own().len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(proof.own());
        context.update(proof.message());
        Self(context.finish().as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl SpentProofs {
    /// Whether the proof is used for the first time.
    pub(super) fn spend(&self, proof: Fingerprint) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !spent.all.insert(proof) {
            return false;
        }
        spent.in_order.push_back(proof);
        if spent.in_order.len() > MOST
            && let Some(oldest) = spent.in_order.pop_front()
        {
            spent.all.remove(&oldest);
        }
        true
    }
}

/// Three megabytes of memory, when there were so many.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> Fingerprint {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&number.to_be_bytes());
        Fingerprint(octets)
    }

    #[test]
    fn what_was_used_is_taken_again_only_after_very_many_others() {
        let spent = SpentProofs::default();
        assert!((0..MOST).all(|at| spent.spend(number(at))));
        assert!((0..MOST).all(|at| !spent.spend(number(at))));
        assert!(spent.spend(number(MOST)));
        assert!(spent.spend(number(0)), "the oldest is forgotten");
        assert!(!spent.spend(number(2)));
        assert_eq!(spent.0.lock().unwrap_or_else(PoisonError::into_inner).all.len(), MOST);
    }
}
