//! Client certificates: who holds one, and whose accounts that leads to.

use std::net::IpAddr;
use std::sync::PoisonError;

use auth::certificate_mapping::MappingChange;
use auth::{AuthError, CertificateProof, CertificateRefused, Identity};

use super::Broker;
use super::kept::Held;
use crate::message::{Claim, NotMapped, SessionId, Tell};

impl Broker {
    /// Judges a proof. It is not used up before the certificate leads somewhere.
    pub(super) fn hold(&self, proof: &CertificateProof, from: IpAddr) -> Tell {
        let holder = match self.authenticator.holder(proof, from) {
            Ok(holder) => holder,
            Err(error) => return Tell::refused(error),
        };
        let kept = self.kept().keep_holder(Held { holder, from, account: None });
        kept.map_or_else(|| Tell::refused(AuthError::Unavailable), Tell::Holder)
    }

    pub(super) fn consider(&self, number: u64) -> Tell {
        let Some(holder) = self.kept().holder(number) else { return nobody() };
        let considered = holder.lock().unwrap_or_else(PoisonError::into_inner).holder.check_mapped();
        considered.map_or_else(refused, |()| Tell::Holder(number))
    }

    pub(super) fn account(&self, number: u64, resource: &str) -> Tell {
        let Some(holder) = self.kept().holder(number) else { return nobody() };
        let mut held = holder.lock().unwrap_or_else(PoisonError::into_inner);
        match Identity::by_certificate(resource, held.holder.as_mut()) {
            Ok(identity) => {
                let is_renewed =
                    held.account.replace(identity.account().clone()).as_ref() == Some(identity.account());
                let begun = match is_renewed {
                    true => self.begin(identity, held.from),
                    false => self.sign_in(identity, held.from),
                };
                begun.map_or_else(Tell::refused, Tell::SignedIn)
            }
            Err(error) => refused(error),
        }
    }

    pub(super) fn mappings(&self, session: SessionId) -> Tell {
        let proven = self.proven(session).map_err(NotMapped::Denied);
        let found = proven.and_then(|proven| self.duties.mappings(&proven.identity, &proven.token));
        found.map_or_else(not_mapped, Tell::Mappings)
    }

    pub(super) fn change_mapping(&self, session: SessionId, change: MappingChange, from: IpAddr) -> Tell {
        let proven = self.proven(session).map_err(NotMapped::Denied);
        let done = proven
            .and_then(|proven| self.duties.change_mapping(&proven.identity, &proven.token, change, from));
        done.map_or_else(not_mapped, |()| Tell::Changed)
    }
}

fn nobody() -> Tell {
    Tell::refused(AuthError::Malformed("nobody has proven this"))
}

fn refused(CertificateRefused { error, claimed }: CertificateRefused) -> Tell {
    Tell::Refused { error, token: None, claim: Claim { mechanism: None, name: Some(claimed) } }
}

fn not_mapped(error: NotMapped) -> Tell {
    match error {
        NotMapped::Change(error) => Tell::Unmapped(error),
        NotMapped::Denied(denied) => Tell::Denied(denied),
    }
}
