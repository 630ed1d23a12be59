//! Replay protection: proofs that were used once.

use std::collections::{HashSet, VecDeque};

use auth::CertificateProof;
use aws_lc_rs::digest::{Context, SHA256};
use locks::Mutex;

/// The last 65536 proofs of client certificates that were used since the process began.
///
/// Both ends contribute random bytes to a handshake, so it cannot occur twice. A repeated proof was recorded and is
/// replayed.
#[derive(Debug, Default)]
pub struct SpentProofs(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    all: HashSet<Fingerprint>,
    /// INVARIANT: same elements as `all`, oldest first.
    in_order: VecDeque<Fingerprint>,
}

/// Hash that identifies the handshake and the certificate of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Hashes the certificate and the signed message. The signature is left out, because the same message can be signed
    /// again and some signatures can be rewritten.
    pub(super) fn of(proof: &CertificateProof) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&u64::try_from(proof.own().len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(proof.own());
        context.update(proof.message());
        Self(context.finish().as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl SpentProofs {
    /// Records a proof. Returns `true` if it is used for the first time.
    pub(super) fn spend(&self, proof: Fingerprint) -> bool {
        let mut spent = self.0.lock();
        if !spent.all.insert(proof) {
            return false;
        }
        spent.in_order.push_back(proof);
        if spent.in_order.len() > MAX_PROOFS
            && let Some(oldest) = spent.in_order.pop_front()
        {
            spent.all.remove(&oldest);
        }
        true
    }
}

/// Maximum number of remembered proofs, which take 3 MB.
const MAX_PROOFS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> Fingerprint {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&number.to_be_bytes());
        Fingerprint(octets)
    }

    #[test]
    fn a_used_proof_is_rejected_until_it_is_evicted() {
        let spent = SpentProofs::default();
        assert!((0..MAX_PROOFS).all(|at| spent.spend(number(at))));
        assert!((0..MAX_PROOFS).all(|at| !spent.spend(number(at))));
        assert!(spent.spend(number(MAX_PROOFS)));
        assert!(spent.spend(number(0)), "the oldest was evicted");
        assert!(!spent.spend(number(2)));
        assert_eq!(spent.0.lock().all.len(), MAX_PROOFS);
    }
}
