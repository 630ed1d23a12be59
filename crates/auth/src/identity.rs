//! The outcome of authentication.

use std::net::IpAddr;

use crate::{Authenticator, CertificateRefused, Holder, Oid, Scheme, Secret, basic};

/// Someone whose identity was proven on this connection.
///
/// There is no default and no constructor outside this crate.
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

    /// Lets an authenticator judge what came in a header `Authorization: Basic`.
    ///
    /// This may take as long as the authenticator does; see [`Authenticator::cost`].
    ///
    /// # Errors
    /// Its verdict.
    pub fn by_password(
        login: &basic::Login,
        authenticator: &dyn Authenticator,
        from: IpAddr,
    ) -> Result<Self, AuthError> {
        let account = authenticator.password(&login.user, &login.password, from)?;
        Ok(Self::proven(account, Scheme::Basic))
    }

    /// Asks whose account the holder of a client certificate has where a resource is asked for.
    ///
    /// The holder must be that of the certificate of this very connection. This may take as long as the authenticator
    /// does.
    ///
    /// # Errors
    /// The verdict.
    pub fn by_certificate(resource: &str, holder: &mut dyn Holder) -> Result<Self, CertificateRefused> {
        Ok(Self::proven(holder.account(resource)?, Scheme::Certificate))
    }

    /// The user whom the kernel names as the other end of a Unix socket (unix(7), `SO_PEERCRED`).
    ///
    /// `uid` must come from the kernel: never from anything the peer wrote.
    ///
    /// # Errors
    /// The verdict of the list of users.
    pub fn by_peer_credentials(uid: u32, users: &dyn LocalUsers) -> Result<Self, AuthError> {
        Ok(Self::proven(users.account(uid)?, Scheme::Local))
    }

    /// Whose account it is.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// How it was proven.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Which mechanism it was proven with, where the scheme leaves a choice: Kerberos or NTLM within `Negotiate` and
    /// CredSSP.
    #[must_use]
    pub fn mechanism(&self) -> Option<&Oid> {
        self.mechanism.as_ref()
    }
}

/// An account as its store names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The name, in the spelling of the store.
    pub name: String,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why someone is not let in. The peer is told none of it; the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No such account, or another password: deliberately one answer.
    #[error("unknown account or wrong password")]
    WrongPassword,
    /// The account exists and may not sign in.
    #[error("the account is disabled or locked")]
    NotAllowed,
    /// The client certificate is nobody's; the log says why.
    #[error("the client certificate is mapped to no account")]
    Unmapped,
    /// The store of accounts could not be asked.
    #[error("the accounts cannot be read")]
    Unavailable,
    /// A token does not follow its specification.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// A token asks for less protection than is demanded here.
    #[error("the other end does not offer what is demanded here: {0}")]
    Downgraded(&'static str),
    /// The token was made for another TLS connection, or for none where one is demanded (RFC 5929).
    #[error("the channel binding is not that of this connection")]
    ChannelBinding,
    /// The client took this service for another one.
    #[error("the token was made for another service")]
    OtherService,
    /// What the other end has proven does not fit what was sent.
    #[error("the other end did not prove that it knows the secret")]
    Unproven,
    /// There is no mechanism that both ends have.
    #[error("no mechanism is common to both ends")]
    NoMechanism,
    /// The clocks of the two ends are too far apart.
    #[error("the clocks of the two machines are too far apart")]
    ClockSkew,
    /// The other end refused for a reason that has no other name here: an NTSTATUS (MS-ERREF 2.3).
    #[error("the other end refused with status {0:#010x}")]
    Refused(u32),
}

/// Something that knows passwords.
pub trait PasswordVerifier: Send + Sync {
    /// Judges a name and a password that came from an address.
    ///
    /// # Errors
    /// [`AuthError`]; unknown names must take as long as wrong passwords.
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError>;

    /// Whether [`verify`](Self::verify) may be called where others wait.
    fn cost(&self) -> VerifierCost;

    /// Whether an account that has signed in from an address may still be used from there, which may have been disabled since or have expired.
    ///
    /// One that is not known here is somebody else's business: there is nothing against it.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if it may not, [`AuthError::Unavailable`] if that cannot be found out.
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

/// Something that knows the users of this machine by number.
pub trait LocalUsers: Send + Sync {
    /// The account of a user.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] for a user who has none here, and [`AuthError::Unavailable`].
    fn account(&self, uid: u32) -> Result<Account, AuthError>;
}

/// How long a verifier takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifierCost {
    /// Microseconds.
    Quick,
    /// Long enough to need a thread of its own, and an outcome worth remembering.
    Slow,
}
