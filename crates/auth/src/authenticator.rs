//! What a service needs to know who somebody is, whatever the scheme.

use std::net::IpAddr;
use std::time::Duration;

use crate::certificate_mapping::CertificateMappings;
use crate::{
    Acceptor, Account, AuthError, Binding, CertificateProof, Holder, Identity, Oid, PasswordVerifier, Scheme,
    Secret, SecurityContext, Step, VerifierCost,
};

/// Everything that can judge a proof, for one service: in the same process, or in one that it trusts more.
pub trait Authenticator: Send + Sync {
    /// Whether a scheme can lead anywhere here. What cannot, for want of a keytab for example, is not offered.
    fn knows(&self, scheme: Scheme) -> bool;

    /// Judges a name and a password that came in the clear.
    ///
    /// # Errors
    /// [`AuthError`].
    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError>;

    /// Begins an authentication by tokens: [`Scheme::Negotiate`], [`Scheme::Kerberos`] or [`Scheme::CredSsp`].
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`] for a scheme it does not know.
    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError>;

    /// Whether its judgements take long; see [`VerifierCost`].
    fn cost(&self) -> VerifierCost;

    /// Judges what a client has signed with the key of its certificate, for [`Scheme::Certificate`]. May wait.
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`] where certificates lead nowhere, and [`AuthError::Unproven`].
    fn holder(&self, proof: &CertificateProof, from: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        let _ = (proof, from);
        Err(AuthError::NoMechanism)
    }

    /// Whether the account of somebody who has signed in may still be used: it may have been disabled since, or have
    /// expired. May wait.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if not, and [`AuthError::Unavailable`] if nobody can say.
    fn admits(&self, identity: &Identity, from: IpAddr) -> Result<(), AuthError> {
        let _ = (identity, from);
        Ok(())
    }

    /// For how long a verdict stands: a connection that is used after that is judged again.
    fn stands_for(&self) -> Duration {
        STANDS_FOR
    }
}

/// For how long a verdict stands usually. Short enough for an administrator who waits for it, and long enough that
/// judging again costs nothing beside the requests of that time.
const STANDS_FOR: Duration = Duration::from_secs(5);

/// By what client certificates are judged.
#[derive(Debug, Default)]
pub struct ClientCertificates {
    /// Whose account the holder of one is.
    pub mappings: CertificateMappings,
    /// The certificates, in DER, of those whose signature is believed.
    pub authorities: Vec<Vec<u8>>,
}

/// The other end of a connection, as far as authentication is concerned with it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// To which TLS connection its tokens must be bound.
    pub binding: Binding,
}

/// An authentication by tokens that is under way on one connection.
pub struct Handshake {
    scheme: Scheme,
    address: IpAddr,
    acceptor: Box<dyn Acceptor>,
    legs: u8,
}

/// What a [`Handshake`] leads to.
pub struct Established {
    /// Who it is.
    pub identity: Identity,
    /// What protects messages on this connection.
    pub context: Box<dyn SecurityContext>,
}

impl Handshake {
    /// Begins one.
    ///
    /// # Errors
    /// [`AuthError::NoMechanism`].
    pub fn begin(scheme: Scheme, authenticator: &dyn Authenticator, peer: &Peer) -> Result<Self, AuthError> {
        let acceptor = authenticator.acceptor(scheme, peer)?;
        Ok(Self { scheme, address: peer.address, acceptor, legs: 0 })
    }

    /// The scheme it was begun with.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where the peer is.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The mechanism at work, once it is decided; also after an error.
    #[must_use]
    pub fn mechanism(&self) -> Option<Oid> {
        self.acceptor.mechanism()
    }

    /// What the client is told after an error; most mechanisms are silent then.
    pub fn refusal(&mut self) -> Option<Vec<u8>> {
        self.acceptor.refusal()
    }

    /// Whose name the client has given, proven or not, or the beginning of it: for the record of who was not let in.
    #[must_use]
    pub fn claimed(&self) -> Option<String> {
        const MOST: usize = 256;
        Some(self.acceptor.claimed()?.chars().take(MOST).collect())
    }

    /// Takes the client's next token. After an error it is of no further use.
    ///
    /// # Errors
    /// [`AuthError`]; also when it takes more tokens than any client needs.
    pub fn step(&mut self, token: &[u8]) -> Result<Step<Established>, AuthError> {
        self.legs = self.legs.saturating_add(1);
        if self.legs > MOST_LEGS {
            return Err(AuthError::Malformed("there is no end to the tokens"));
        }
        Ok(match self.acceptor.step(token)? {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome } => {
                let identity = Identity::proven(outcome.account, self.scheme);
                let identity = identity.by_mechanism(self.mechanism());
                Step::Done { token, outcome: Established { identity, context: outcome.context } }
            }
        })
    }
}

/// More tokens than this no client needs: CredSSP over TLS 1.2 with an inner NTLM takes six.
const MOST_LEGS: u8 = 10;

/// Knows passwords and nothing else.
impl<V: PasswordVerifier> Authenticator for V {
    fn knows(&self, scheme: Scheme) -> bool {
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
