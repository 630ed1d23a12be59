//! Chains of certificates whose signatures were verified.
//!
//! A source presents its chain with each message, and verifying the signatures takes longer than storing a few events.
//! A chain is forgotten together with the authorities when they are replaced.

use std::collections::HashMap;
use std::sync::Arc;

use locks::Mutex;
use rustls::pki_types::UnixTime;
use x509_parser::prelude::X509Certificate;

use super::VerifiedCertificate;

/// Verified chains.
#[derive(Debug, Default)]
pub(super) struct VerifiedChains(Mutex<Chains>);

#[derive(Debug, Default)]
struct Chains {
    known: HashMap<Arc<[Vec<u8>]>, KnownChain>,
    /// Number of bytes of all certificates.
    size: usize,
}

#[derive(Debug)]
struct KnownChain {
    certificate: Arc<VerifiedCertificate>,
    validity: Validity,
}

/// Time in which all certificates of a chain are valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    from: i64,
    to: i64,
}

impl Validity {
    /// Returns the validity of one certificate.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self { from: validity.not_before.timestamp(), to: validity.not_after.timestamp() }
    }

    /// Returns the time in which both are valid.
    pub(super) fn within(self, other: &Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    fn contains(&self, now: UnixTime) -> bool {
        i64::try_from(now.as_secs()).is_ok_and(|now| (self.from..=self.to).contains(&now))
    }
}

impl VerifiedChains {
    /// Returns the certificate of a chain that was verified and is valid.
    pub(super) fn find(&self, chain: &[Vec<u8>], now: UnixTime) -> Option<Arc<VerifiedCertificate>> {
        let chains = self.0.lock();
        let known = chains.known.get(chain).filter(|known| known.validity.contains(now))?;
        Some(Arc::clone(&known.certificate))
    }

    /// Remembers a verified chain. If there are too many, all others are forgotten.
    pub(super) fn insert(
        &self,
        chain: &Arc<[Vec<u8>]>,
        certificate: Arc<VerifiedCertificate>,
        validity: Validity,
    ) {
        let size: usize = chain.iter().map(Vec::len).sum();
        if size > LONGEST {
            return;
        }
        let mut chains = self.0.lock();
        if chains.size + size > MAX_SIZE {
            *chains = Chains::default();
        }
        if chains.known.insert(Arc::clone(chain), KnownChain { certificate, validity }).is_none() {
            chains.size += size;
        }
    }
}

/// Maximum number of bytes of a chain that is remembered.
const LONGEST: usize = 16 << 10;
/// Maximum number of bytes of all chains that are remembered: several thousand usual ones.
const MAX_SIZE: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(byte: u8, length: usize) -> Arc<[Vec<u8>]> {
        Arc::from(vec![vec![byte; length]])
    }

    #[test]
    fn a_chain_is_known_while_it_is_valid() {
        let chains = VerifiedChains::default();
        let certificate = || {
            Arc::new(VerifiedCertificate { issuer: super::super::Thumbprint::new([0; 20]), names: vec![] })
        };
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let validity = Validity { from: 5, to: 20 }.within(&Validity { from: 10, to: 30 });
        chains.insert(&chain(1, 500), certificate(), validity);
        assert!([10, 20].iter().all(|now| chains.find(&chain(1, 500), at(*now)).is_some()));
        assert!([9, 21].iter().all(|now| chains.find(&chain(1, 500), at(*now)).is_none()));
        assert!(chains.find(&chain(2, 500), at(15)).is_none());
        chains.insert(&chain(3, LONGEST + 1), certificate(), validity);
        assert!(chains.find(&chain(3, LONGEST + 1), at(15)).is_none());
        for byte in 0..=255 {
            for length in [LONGEST - 1, LONGEST] {
                chains.insert(&chain(byte, length), certificate(), validity);
                assert!(chains.0.lock().size <= MAX_SIZE);
            }
        }
    }
}
