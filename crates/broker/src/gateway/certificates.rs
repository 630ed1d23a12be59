//! Client certificates, which the broker judges.

use std::net::IpAddr;
use std::sync::Arc;

use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{Account, AuthError, CertificateProof, CertificateRefused, Holder, Scheme};

use super::asking::{Answer, Unanswered, denied};
use super::{Gateway, Session};
use crate::message::{Ask, NotMapped, Tell};

impl Gateway {
    /// The mappings of client certificates, for the user of a session. Waits for the broker.
    ///
    /// # Errors
    /// [`NotMapped`].
    pub fn mappings(&self, session: &Session) -> Result<Vec<Mapping>, NotMapped> {
        match self.ask(&Ask::Mappings(session.id)) {
            Ok((Tell::Mappings(all), _)) => Ok(all),
            other => Err(not_mapped(other)),
        }
    }

    /// Has one of them made, changed or deleted. Waits for the broker.
    ///
    /// # Errors
    /// [`NotMapped`].
    pub fn change_mapping(
        &self,
        session: &Session,
        change: MappingChange,
        from: IpAddr,
    ) -> Result<(), NotMapped> {
        match self.ask(&Ask::ChangeMapping { session: session.id, change, from }) {
            Ok((Tell::Changed, _)) => Ok(()),
            other => Err(not_mapped(other)),
        }
    }

    /// Has the proof of a handshake judged.
    pub(super) fn hold(&self, proof: &CertificateProof, from: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        let gateway = self.me.upgrade().ok_or(AuthError::Unavailable)?;
        match self.verdict(&Ask::Holder { proof: proof.clone(), from })? {
            Tell::Holder(number) => Ok(Box::new(RemoteHolder { gateway, number })),
            Tell::Refused { error, .. } => Err(error),
            _ => Err(AuthError::Unavailable),
        }
    }
}

fn not_mapped(answer: Result<Answer, Unanswered>) -> NotMapped {
    match answer {
        Ok((Tell::Unmapped(error), _)) => NotMapped::Change(error),
        other => NotMapped::Denied(denied(other)),
    }
}

/// The holder of a certificate, whom the broker knows.
struct RemoteHolder {
    gateway: Arc<Gateway>,
    number: u64,
}

impl RemoteHolder {
    fn ask(&self, ask: &Ask) -> Result<Tell, CertificateRefused> {
        match self.gateway.verdict(ask)? {
            Tell::Refused { error, claim, .. } => {
                Err(CertificateRefused { error, claimed: claim.name.unwrap_or_default() })
            }
            told => Ok(told),
        }
    }
}

impl Holder for RemoteHolder {
    fn check_mapped(&mut self) -> Result<(), CertificateRefused> {
        match self.ask(&Ask::Consider { holder: self.number })? {
            Tell::Holder(_) => Ok(()),
            _ => Err(AuthError::Unavailable.into()),
        }
    }

    fn account(&mut self, resource: &str) -> Result<Account, CertificateRefused> {
        match self.ask(&Ask::Account { holder: self.number, resource: resource.to_owned() })? {
            Tell::SignedIn(signed_in) => {
                let account = Account { name: signed_in.account.clone() };
                self.gateway.remember(signed_in, Scheme::Certificate);
                Ok(account)
            }
            _ => Err(AuthError::Unavailable.into()),
        }
    }
}

impl Drop for RemoteHolder {
    fn drop(&mut self) {
        self.gateway.tell(&Ask::Forget { number: self.number });
    }
}
