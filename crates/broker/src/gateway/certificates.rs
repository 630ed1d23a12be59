//! Requests about client certificates and their mappings.

use std::net::IpAddr;
use std::sync::Arc;

use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{Account, AuthError, CertificateProof, CertificateRefused, Holder, Scheme};

use super::requests::{RequestError, Response, denied};
use super::{Gateway, Session};
use crate::message::{BrokerMessage, GatewayRequest, MappingRequestError};

impl Gateway {
    /// Returns the client certificate mappings, without passwords. Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`MappingRequestError`] if the user may not read them, or the file cannot be read.
    pub fn mappings(&self, session: &Session) -> Result<Vec<Mapping>, MappingRequestError> {
        match self.request(&GatewayRequest::ListMappings(session.id)) {
            Ok((BrokerMessage::MappingList(all), _)) => Ok(all),
            other => Err(not_mapped(other)),
        }
    }

    /// Creates, changes or deletes a client certificate mapping. Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`MappingRequestError`] if the user may not change mappings, or the change is invalid.
    pub fn change_mapping(
        &self,
        session: &Session,
        change: MappingChange,
        source: IpAddr,
    ) -> Result<(), MappingRequestError> {
        match self.request(&GatewayRequest::ChangeMapping { session: session.id, change, source }) {
            Ok((BrokerMessage::ChangeDone, _)) => Ok(()),
            other => Err(not_mapped(other)),
        }
    }

    /// Asks the broker to verify the signature that the client made during its TLS handshake.
    pub(super) fn hold(
        &self,
        proof: &CertificateProof,
        source: IpAddr,
    ) -> Result<Box<dyn Holder>, AuthError> {
        let gateway = self.me.upgrade().ok_or(AuthError::Unavailable)?;
        match self.authenticate(&GatewayRequest::VerifyCertificate { proof: proof.clone(), source })? {
            BrokerMessage::CertificateHolder(handle) => Ok(Box::new(RemoteHolder { gateway, handle })),
            BrokerMessage::SignInRefused { error, .. } => Err(error),
            _ => Err(AuthError::Unavailable),
        }
    }
}

fn not_mapped(response: Result<Response, RequestError>) -> MappingRequestError {
    match response {
        Ok((BrokerMessage::MappingRejected(error), _)) => MappingRequestError::Change(error),
        other => MappingRequestError::Denied(denied(other)),
    }
}

/// Holder of a verified certificate; the broker has the proof.
struct RemoteHolder {
    gateway: Arc<Gateway>,
    handle: u64,
}

impl RemoteHolder {
    fn request(&self, request: &GatewayRequest) -> Result<BrokerMessage, CertificateRefused> {
        match self.gateway.authenticate(request)? {
            BrokerMessage::SignInRefused { error, claim, .. } => {
                Err(CertificateRefused { error, claimed: claim.name.unwrap_or_default() })
            }
            response => Ok(response),
        }
    }
}

impl Holder for RemoteHolder {
    fn check_mapped(&mut self) -> Result<(), CertificateRefused> {
        match self.request(&GatewayRequest::CheckMapping { holder: self.handle })? {
            BrokerMessage::CertificateHolder(_) => Ok(()),
            _ => Err(AuthError::Unavailable.into()),
        }
    }

    fn account(&mut self, resource: &str) -> Result<Account, CertificateRefused> {
        match self
            .request(&GatewayRequest::ResolveAccount { holder: self.handle, resource: resource.to_owned() })?
        {
            BrokerMessage::SignedIn(signed_in) => {
                let account = Account { name: signed_in.account.clone() };
                self.gateway.cache_session(signed_in, Scheme::Certificate);
                Ok(account)
            }
            _ => Err(AuthError::Unavailable.into()),
        }
    }
}

impl Drop for RemoteHolder {
    fn drop(&mut self) {
        self.gateway.notify(&GatewayRequest::Release { handle: self.handle });
    }
}
