//! Results of authentication.

use std::net::IpAddr;
use std::sync::Arc;

use crate::{AuthError, Oid, Scheme, Secret};

/// An identity that was proven on this connection.
///
/// It has no default and no constructor outside this crate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    account: Account,
    scheme: Scheme,
    mechanism: Option<Oid>,
    directory: DirectorySids,
}

impl Identity {
    pub(crate) fn proven(account: Account, scheme: Scheme) -> Self {
        Self { account, scheme, mechanism: None, directory: DirectorySids::default() }
    }

    pub(crate) fn by_mechanism(self, mechanism: Option<Oid>) -> Self {
        Self { mechanism, ..self }
    }

    pub(crate) fn in_directory(self, directory: DirectorySids) -> Self {
        Self { directory, ..self }
    }

    /// Authenticates the user whom the kernel reports as the peer of a Unix socket (unix(7), `SO_PEERCRED`).
    ///
    /// `uid` must come from the kernel, never from data that the peer sent.
    ///
    /// # Errors
    /// [`AuthError`] if the user has no account here or the users cannot be read.
    pub fn by_peer_credentials(uid: u32, users: &dyn LocalUsers) -> Result<Self, AuthError> {
        Ok(Self::proven(users.account(uid)?, Scheme::Local))
    }

    /// Account of the identity.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Scheme by which it was proven.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Mechanism by which it was proven, if the scheme has several: Kerberos or NTLM within `Negotiate` and CredSSP.
    #[must_use]
    pub fn mechanism(&self) -> Option<&Oid> {
        self.mechanism.as_ref()
    }

    /// SIDs from a directory, such as the groups in a Kerberos ticket.
    #[must_use]
    pub fn directory(&self) -> &DirectorySids {
        &self.directory
    }
}

/// SIDs of a user and its groups that a directory has proven, in binary form (MS-DTYP 2.4.2.2). Empty for most schemes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DirectorySids(Arc<[Vec<u8>]>);

impl DirectorySids {
    /// Returns the SIDs in this order.
    pub fn new(sids: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(sids.into_iter().collect())
    }

    /// Returns the SIDs.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// Name, as the account store spells it.
    pub name: String,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A verifier of passwords.
pub trait PasswordVerifier: Send + Sync {
    /// Verifies a name and a password sent from an address.
    ///
    /// # Errors
    /// [`AuthError`]; unknown names must take as long as wrong passwords.
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError>;

    /// Returns whether [`verify`](Self::verify) may be called on a thread that other work waits for.
    fn cost(&self) -> VerifierCost;

    /// Verifies that an account that signed in from an address may still be used from there; it may have been disabled
    /// or have expired since.
    ///
    /// Accounts that this verifier does not know are permitted.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if it may not, [`AuthError::Unavailable`] if that cannot be determined.
    fn still_admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        let _ = (account, from);
        Ok(())
    }
}

impl<V: PasswordVerifier + ?Sized> PasswordVerifier for std::sync::Arc<V> {
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        (**self).verify(user, password, from)
    }

    fn cost(&self) -> VerifierCost {
        (**self).cost()
    }

    fn still_admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        (**self).still_admits(account, from)
    }
}

/// A lookup of local users by UID.
pub trait LocalUsers: Send + Sync {
    /// Returns the account of a user.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if the user has no account here, [`AuthError::Unavailable`] if the users cannot be
    /// read.
    fn account(&self, uid: u32) -> Result<Account, AuthError>;
}

/// Duration of a verification, shortest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifierCost {
    /// Microseconds.
    Quick,
    /// Long enough to need a thread of its own and to cache the result.
    Slow,
}
