//! Mapping from identities to access tokens.

use accounts::{LocalPrincipals, MachineSid, directory_groups};
use auth::{Account, Identity, Oid, Scheme};
use sddl::linux::Proof;
use sddl::{Sid, Token};

/// Users and accounts of this machine.
pub(crate) struct Principals {
    logons: LocalPrincipals,
    machine: MachineSid,
}

impl Principals {
    pub(crate) fn new(logons: LocalPrincipals, machine: MachineSid) -> Self {
        Self { logons, machine }
    }

    fn by_proof(&self, account: &Account, proof: Proof) -> Option<Token> {
        Some(self.logons.logon(&account.name)?.token(self.machine.domain(), proof))
    }
}

impl service::Principals for Principals {
    fn token(&self, account: &Account) -> Option<Token> {
        self.by_proof(account, Proof::Password)
    }

    fn token_of(&self, identity: &Identity) -> Option<Token> {
        let proof = match (identity.scheme(), identity.mechanism()) {
            (Scheme::Local, _) => Proof::UnixSocket,
            (Scheme::Certificate, _) => Proof::Certificate,
            (_, Some(mechanism)) if mechanism.is_kerberos() => Proof::Kerberos,
            (_, Some(mechanism)) if *mechanism == Oid::NTLM => Proof::Ntlm,
            _ => Proof::Password,
        };
        let token = self.by_proof(identity.account(), proof)?;
        Some(token.with_groups(directory_groups(identity, self.machine.domain())))
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        self.logons.sid_of(name, self.machine.domain())
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        self.logons.name_of(sid, self.machine.domain())
    }
}
