//! The shapes that all mechanisms share: tokens to and fro, and what protects messages afterwards (RFC 2743).
//!
//! An [`Acceptor`] belongs to the service, an [`Initiator`] to the client; each is good for one authentication on
//! one connection and ends in a [`SecurityContext`].

use zeroize::Zeroizing;

use crate::{Account, AuthError, Oid};

/// The service's side of one authentication.
pub trait Acceptor: Send {
    /// Takes the client's next token.
    ///
    /// This may take as long as asking for the account does; see [`PasswordVerifier::cost`](crate::PasswordVerifier::cost).
    /// After an error, or once it is done, an acceptor is of no further use.
    ///
    /// # Errors
    /// [`AuthError`]; the peer is told none of it but that it failed.
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError>;

    /// What the client is told after a step has failed; most mechanisms are silent then.
    fn refusal(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// The mechanism at work, once an acceptor that knows several has decided: for the record of who came in how.
    fn mechanism(&self) -> Option<Oid> {
        None
    }

    /// Whose name the client has given, proven or not, once it has given one: for the record of who was not let in.
    ///
    /// It is what the client has written, whatever that may be.
    fn claimed(&self) -> Option<String> {
        None
    }
}

/// The client's side of one authentication.
pub trait Initiator: Send {
    /// Takes the service's next token; `None` at the beginning.
    ///
    /// # Errors
    /// [`AuthError`].
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError>;

    /// What protects messages already although the service's last token is still to come.
    ///
    /// With the token that ends its own part a client of CredSSP sends the first protected message (MS-CSSP 3.1.5).
    /// Who asks for this context uses it at once.
    fn established(&mut self) -> Option<&mut dyn SecurityContext> {
        None
    }
}

/// What comes of a token.
#[derive(Debug)]
pub enum Step<T> {
    /// Send this and wait for the next one.
    Continue(Vec<u8>),
    /// Nothing more is needed from the other end.
    Done {
        /// What the other end still needs.
        token: Option<Vec<u8>>,
        /// What was reached.
        outcome: T,
    },
}

/// What an [`Acceptor`] reaches.
pub struct Accepted {
    /// Who asks, as the store of accounts names them.
    pub account: Account,
    /// What protects messages from now on.
    pub context: Box<dyn SecurityContext>,
}

/// What an [`Initiator`] reaches.
pub struct Initiated {
    /// What protects messages from now on.
    pub context: Box<dyn SecurityContext>,
    /// Whether the service has proven itself, too.
    pub mutual: Mutual,
}

/// Whether the other end has proven who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutual {
    /// It has.
    Proven,
    /// It has only shown that it knows somebody who knows the password, as with NTLM.
    Unproven,
}

/// What protects messages once both ends agree (RFC 2743 2.3); one counter and one key for each direction.
pub trait SecurityContext: Send {
    /// Whether it can make messages unreadable; without, it is good for authentication only.
    fn can_seal(&self) -> bool;

    /// The most octets that [`seal`](Self::seal) may be given at once; `None` means that it does not matter.
    ///
    /// CredSSP seals no more than fits into one TLS record of 16384 octets.
    fn largest_message(&self) -> Option<usize> {
        None
    }

    /// Seals a message in place of `message` and returns the header that goes before it.
    ///
    /// # Errors
    /// [`SealError`]; the context is of no further use then.
    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError>;

    /// Opens a message in place.
    ///
    /// # Errors
    /// [`SealError::Forged`] for a message that was changed, repeated, left out or put elsewhere. The context is of
    /// no further use then: close the connection.
    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError>;

    /// Opens header and message in one piece, as `GSS_Wrap` of the other end makes them (RFC 2743 2.3.4), and leaves
    /// the message.
    ///
    /// By itself it takes the first 16 octets for the header, as that of NTLM is. A mechanism whose header says
    /// itself where it ends looks there.
    ///
    /// # Errors
    /// As [`unseal`](Self::unseal).
    fn unseal_whole(&mut self, token: &mut Vec<u8>) -> Result<(), SealError> {
        let message = token.split_off(token.len().min(16));
        let header = std::mem::replace(token, message);
        self.unseal(&header, token)
    }

    /// The proof that a message is whole, without hiding it (RFC 2743 2.3.1).
    ///
    /// # Errors
    /// [`SealError`].
    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Checks what [`sign`](Self::sign) of the other end made.
    ///
    /// # Errors
    /// [`SealError::Forged`].
    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError>;

    /// Whether SPNEGO must, over this context, be shown that nobody changed the list of mechanisms (MS-SPNG 3.1.5.1).
    fn mech_list_mic(&self) -> MechListMic;

    /// Called after a `mechListMIC` was made and checked: NTLM begins its ciphers anew (MS-SPNG 3.2.5.1).
    fn mech_list_mic_exchanged(&mut self) {
        self.mech_list_mic_made();
        self.mech_list_mic_checked();
    }

    /// Called after a `mechListMIC` was made, when messages follow before the other end's is there: NTLM begins
    /// the cipher of what it sends anew, and that one only.
    fn mech_list_mic_made(&mut self) {}

    /// Called after a `mechListMIC` was checked, when [`mech_list_mic_made`](Self::mech_list_mic_made) was called
    /// before: NTLM begins the cipher of what it receives anew, and that one only.
    fn mech_list_mic_checked(&mut self) {}

    /// Whether [`export`](Self::export) gives anything.
    fn can_export(&self) -> bool {
        false
    }

    /// The context as octets, to go on with it in another process (RFC 2743 2.2.8); none if it cannot, or is of no
    /// further use. It is given up for that, because two ends with the same keys would give them away.
    fn export(self: Box<Self>) -> Option<Exported> {
        None
    }
}

/// A [`SecurityContext`] on its way to another process: as secret as its keys, so overwritten when dropped and
/// never printed.
pub struct Exported(Zeroizing<Vec<u8>>);

impl Exported {
    /// Takes octets into custody that begin with the name of their mechanism.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets, for the socket they go through.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the list of mechanisms must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MechListMic {
    /// Always.
    Required,
    /// Only when the first mechanism of the list was not the one that was chosen.
    Optional,
}

/// Why a message could not be protected, or is not what its sender protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It was changed, repeated, left out or put elsewhere; or the other end has another key.
    #[error("the message is not what its sender sealed, or not in its turn")]
    Forged,
    /// The mechanism was agreed upon without sealing.
    #[error("this authentication does not seal messages")]
    Unavailable,
    /// The mechanism gave up.
    #[error("the security mechanism failed")]
    Failed,
}

impl From<SealError> for AuthError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Forged => Self::Unproven,
            SealError::Unavailable => Self::Downgraded("messages that are protected"),
            SealError::Failed => Self::Unavailable,
        }
    }
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("account", &self.account).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Initiated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Initiated").field("mutual", &self.mutual).finish_non_exhaustive()
    }
}
