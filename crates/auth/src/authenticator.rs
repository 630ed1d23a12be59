//! Authentication of clients by a service, independent of the scheme.

use std::net::IpAddr;
use std::time::Duration;

use crate::certificate_mapping::CertificateMappings;
use crate::{
    Acceptor, Account, AuthError, Binding, CertificateProof, Holder, Identity, Oid, PasswordVerifier, Scheme,
    Secret, SecurityContext, Step, VerifierCost, basic,
};

/// Verifier of all authentication schemes of one service, in the same process or in a more privileged one.
pub trait Authenticator: Send + Sync {
    /// Returns `true` if a scheme can succeed here. Others, for example Kerberos without a keytab, are not offered.
    fn supports(&self, scheme: Scheme) -> bool;

    /// Verifies a name and a password sent in clear text.
    ///
    /// # Errors
    /// [`AuthError`] if they are wrong or cannot be verified.
    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError>;

    /// Begins an authentication by tokens: [`Scheme::Negotiate`], [`Scheme::Kerberos`] or [`Scheme::CredSsp`].
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`] for an unsupported scheme.
    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError>;

    /// Returns how long verification takes; see [`VerifierCost`].
    fn cost(&self) -> VerifierCost;

    /// Verifies what a client has signed with the key of its certificate, for [`Scheme::Certificate`]. May block.
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`] if certificates are not supported, [`AuthError::Unproven`] if the signature is wrong.
    fn holder(&self, proof: &CertificateProof, from: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        let _ = (proof, from);
        Err(AuthError::NoMechanism)
    }

    /// Verifies that the account of an authenticated client may still be used; it may have been disabled or have
    /// expired since. May block.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if it may not, [`AuthError::Unavailable`] if that cannot be determined.
    fn admits(&self, identity: &Identity, from: IpAddr) -> Result<(), AuthError> {
        let _ = (identity, from);
        Ok(())
    }

    /// Lifetime of a verdict: a connection that is used later must be verified again.
    fn verdict_lifetime(&self) -> Duration {
        VERDICT_LIFETIME
    }
}

impl Identity {
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
}

/// Default lifetime of a verdict: short enough for an administrator who waits for a change, and long enough that
/// verifying again costs little compared with the requests of that time.
const VERDICT_LIFETIME: Duration = Duration::from_secs(5);

/// Configuration against which client certificates are verified.
#[derive(Debug, Default)]
pub struct ClientCertificates {
    /// Mappings of certificates to accounts.
    pub mappings: CertificateMappings,
    /// DER certificates of the trusted authorities.
    pub authorities: Vec<Vec<u8>>,
}

/// Peer of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// IP address.
    pub address: IpAddr,
    /// Channel binding that tokens must match.
    pub binding: Binding,
}

/// An authentication by tokens in progress on one connection.
pub struct Handshake {
    scheme: Scheme,
    address: IpAddr,
    acceptor: Box<dyn Acceptor>,
    tokens: u8,
}

/// Result of a [`Handshake`].
pub struct Established {
    /// Authenticated identity.
    pub identity: Identity,
    /// Protection of messages on this connection.
    pub context: Box<dyn SecurityContext>,
}

impl Handshake {
    /// Begins a handshake.
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`] if the authenticator does not support the scheme.
    pub fn begin(scheme: Scheme, authenticator: &dyn Authenticator, peer: &Peer) -> Result<Self, AuthError> {
        let acceptor = authenticator.acceptor(scheme, peer)?;
        Ok(Self { scheme, address: peer.address, acceptor, tokens: 0 })
    }

    /// Scheme of the handshake.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// IP address of the peer.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Negotiated mechanism, once it is decided; also available after an error.
    #[must_use]
    pub fn mechanism(&self) -> Option<Oid> {
        self.acceptor.mechanism()
    }

    /// Returns the token to send to the client after an error; most mechanisms have none.
    pub fn refusal(&mut self) -> Option<Vec<u8>> {
        self.acceptor.refusal()
    }

    /// Name that the client claims, proven or not, cut to 256 characters; for audit records of failed sign-ins.
    #[must_use]
    pub fn claimed(&self) -> Option<String> {
        const MAX: usize = 256;
        Some(self.acceptor.claimed()?.chars().take(MAX).collect())
    }

    /// Processes the client's next token. After an error the handshake must not be used again.
    ///
    /// # Errors
    /// [`AuthError`] if authentication failed, or if it takes more tokens than any client needs.
    pub fn step(&mut self, token: &[u8]) -> Result<Step<Established>, AuthError> {
        self.tokens = self.tokens.saturating_add(1);
        if self.tokens > MAX_TOKENS {
            return Err(AuthError::Malformed("too many tokens"));
        }
        Ok(match self.acceptor.step(token)? {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome } => {
                let identity = Identity::proven(outcome.account, self.scheme);
                let identity = identity.by_mechanism(self.mechanism()).in_directory(outcome.directory);
                Step::Done { token, outcome: Established { identity, context: outcome.context } }
            }
        })
    }
}

/// Maximum number of tokens: CredSSP over TLS 1.2 with NTLM inside takes six.
const MAX_TOKENS: u8 = 10;

/// A password verifier as an authenticator that supports Basic only.
impl<V: PasswordVerifier> Authenticator for V {
    fn supports(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Basic
    }

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        self.verify(user, password, from)
    }

    fn acceptor(&self, _scheme: Scheme, _peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        Err(AuthError::NoMechanism)
    }

    fn cost(&self) -> VerifierCost {
        PasswordVerifier::cost(self)
    }

    fn admits(&self, identity: &Identity, from: IpAddr) -> Result<(), AuthError> {
        self.still_admits(identity.account(), from)
    }
}
