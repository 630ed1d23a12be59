//! Requests about client certificates and their mappings.

use std::net::IpAddr;

use auth::certificate_mapping::MappingChange;
use auth::{AuthError, CertificateProof, CertificateRefused, Identity};

use super::objects::HolderEntry;
use super::{Broker, SignInKind};
use crate::message::{BrokerMessage, ClaimedIdentity, MappingRequestError, SessionId};

impl Broker {
    /// Verifies a certificate proof and stores its holder under a handle. The proof counts as used only after an
    /// account was found for it.
    pub(super) fn verify_certificate(&self, proof: &CertificateProof, source: IpAddr) -> BrokerMessage {
        let holder = match self.authenticator.holder(proof, source) {
            Ok(holder) => holder,
            Err(error) => return BrokerMessage::refused(error),
        };
        let handle = self.objects.lock().insert_holder(HolderEntry { holder, source, account: None });
        handle
            .map_or_else(|| BrokerMessage::refused(AuthError::Unavailable), BrokerMessage::CertificateHolder)
    }

    /// Checks that a mapping exists for a verified certificate.
    pub(super) fn check_mapping(&self, handle: u64) -> BrokerMessage {
        let Some(holder) = self.objects.lock().holder(handle) else { return unknown_holder() };
        let checked = holder.lock().holder.check_mapped();
        checked.map_or_else(refused, |()| BrokerMessage::CertificateHolder(handle))
    }

    /// Finds the account that a certificate is mapped to, and opens a session for it.
    pub(super) fn resolve_account(&self, handle: u64, resource: &str) -> BrokerMessage {
        let Some(holder) = self.objects.lock().holder(handle) else { return unknown_holder() };
        let mut held = holder.lock();
        let identity = match Identity::by_certificate(resource, held.holder.as_mut()) {
            Ok(identity) => identity,
            Err(error) => return refused(error),
        };
        let account = identity.account().clone();
        let previous = held.account.replace(account.clone());
        let kind = if previous == Some(account) { SignInKind::OtherResource } else { SignInKind::New };
        self.open_session(identity, held.source, kind)
            .map_or_else(BrokerMessage::refused, BrokerMessage::SignedIn)
    }

    pub(super) fn mappings(&self, session: SessionId) -> BrokerMessage {
        let user = self.current_user(session).map_err(MappingRequestError::Denied);
        let mappings = user.and_then(|user| self.operations.mappings(&user.identity, &user.token));
        mappings.map_or_else(not_mapped, BrokerMessage::MappingList)
    }

    pub(super) fn change_mapping(
        &self,
        session: SessionId,
        change: MappingChange,
        source: IpAddr,
    ) -> BrokerMessage {
        let user = self.current_user(session).map_err(MappingRequestError::Denied);
        let changed =
            user.and_then(|user| self.operations.change_mapping(&user.identity, &user.token, change, source));
        changed.map_or_else(not_mapped, |()| BrokerMessage::ChangeDone)
    }
}

fn unknown_holder() -> BrokerMessage {
    BrokerMessage::refused(AuthError::Malformed("unknown certificate holder"))
}

fn refused(CertificateRefused { error, claimed }: CertificateRefused) -> BrokerMessage {
    BrokerMessage::SignInRefused {
        error,
        token: None,
        claim: ClaimedIdentity { mechanism: None, name: Some(claimed) },
    }
}

fn not_mapped(error: MappingRequestError) -> BrokerMessage {
    match error {
        MappingRequestError::Change(error) => BrokerMessage::MappingRejected(error),
        MappingRequestError::Denied(denied) => BrokerMessage::Denied(denied),
    }
}
