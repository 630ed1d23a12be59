//! Results of authentication.

use std::net::IpAddr;

use crate::{Authenticator, CertificateRefused, Holder, Oid, Scheme, Secret, basic};

/// An identity that was proven on this connection.
///
/// It has no default and no constructor outside this crate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    account: Account,
    scheme: Scheme,
    mechanism: Option<Oid>,
}

impl Identity {
    pub(crate) fn proven(account: Account, scheme: Scheme) -> Self {
        Self { account, scheme, mechanism: None }
    }

    pub(crate) fn by_mechanism(self, mechanism: Option<Oid>) -> Self {
        Self { mechanism, ..self }
    }

    /// Authenticates the credentials of an `Authorization: Basic` header.
    ///
    /// This may block as long as the authenticator does; see [`Authenticator::cost`].
    ///
    /// # Errors
    /// The verdict of the authenticator.
    pub fn by_password(
        login: &basic::Login,
        authenticator: &dyn Authenticator,
        from: IpAddr,
    ) -> Result<Self, AuthError> {
        let account = authenticator.password(&login.user, &login.password, from)?;
        Ok(Self::proven(account, Scheme::Basic))
    }

    /// Authenticates the holder of a client certificate for a resource.
    ///
    /// The holder must be that of the certificate of this very connection. This may block as long as the authenticator
    /// does.
    ///
    /// # Errors
    /// [`CertificateRefused`] from the holder.
    pub fn by_certificate(resource: &str, holder: &mut dyn Holder) -> Result<Self, CertificateRefused> {
        Ok(Self::proven(holder.account(resource)?, Scheme::Certificate))
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

/// Reason why authentication failed. It is written to the log and never sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Unknown account or wrong password; deliberately one error for both.
    #[error("unknown account or wrong password")]
    WrongPassword,
    /// The account exists but may not sign in.
    #[error("account is disabled or locked")]
    NotAllowed,
    /// No mapping leads from the client certificate to an account; the log has the reason.
    #[error("client certificate is not mapped to an account")]
    Unmapped,
    /// The account store could not be read.
    #[error("cannot read the accounts")]
    Unavailable,
    /// A token violates its specification.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// A token offers less protection than required.
    #[error("the peer does not offer required protection: {0}")]
    Downgraded(&'static str),
    /// The token was made for another TLS connection, or for none although one is required (RFC 5929).
    #[error("channel binding does not match this connection")]
    ChannelBinding,
    /// The token names another service.
    #[error("token was issued for another service")]
    OtherService,
    /// The proof of the other end does not match what was sent.
    #[error("the peer did not prove that it knows the secret")]
    Unproven,
    /// No mechanism is supported by both ends.
    #[error("no authentication mechanism in common")]
    NoMechanism,
    /// The clocks of the two machines differ too much.
    #[error("the clocks of the two machines differ too much")]
    ClockSkew,
    /// The other end refused with another NTSTATUS (MS-ERREF 2.3).
    #[error("the peer refused with status {0:#010x}")]
    Refused(u32),
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

/// Duration of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifierCost {
    /// Microseconds.
    Quick,
    /// Long enough to need a thread of its own and to cache the result.
    Slow,
}
