//! Interfaces that all mechanisms share: token exchange and message protection (RFC 2743).
//!
//! An [`Acceptor`] is used by the service, an [`Initiator`] by the client. Each handles one authentication on one
//! connection and results in a [`SecurityContext`].

use zeroize::Zeroizing;

use crate::{Account, AuthError, DirectorySids, Oid};

/// Service side of one authentication.
pub trait Acceptor: Send {
    /// Processes the client's next token.
    ///
    /// This may block as long as the account lookup does; see
    /// [`PasswordVerifier::cost`](crate::PasswordVerifier::cost). After an error or completion the acceptor must not be
    /// used again.
    ///
    /// # Errors
    /// [`AuthError`]; the peer learns only that authentication failed.
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError>;

    /// Returns the token to send to the client after a failed step; most mechanisms have none.
    fn refusal(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Negotiated mechanism, for acceptors that support several; for audit records.
    fn mechanism(&self) -> Option<Oid> {
        None
    }

    /// Name that the client claims, proven or not, once it has sent one; for audit records of failed sign-ins.
    ///
    /// The text is not validated.
    fn claimed(&self) -> Option<String> {
        None
    }
}

/// Client side of one authentication.
pub trait Initiator: Send {
    /// Processes the service's next token; `None` at the beginning.
    ///
    /// # Errors
    /// [`AuthError`] if authentication failed.
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError>;

    /// Returns the context, if it can protect messages although the service's last token is still missing.
    ///
    /// A CredSSP client sends its first protected message together with its last token (MS-CSSP 3.1.5). The caller must
    /// use the context immediately.
    fn established(&mut self) -> Option<&mut dyn SecurityContext> {
        None
    }
}

/// Result of processing a token.
#[derive(Debug)]
pub enum Step<T> {
    /// Send this token and wait for the next one.
    Continue(Vec<u8>),
    /// Authentication succeeded.
    Done {
        /// Token to send to the other end, if it needs one more.
        token: Option<Vec<u8>>,
        /// Result of the authentication.
        outcome: T,
    },
}

/// Result of an [`Acceptor`].
pub struct Accepted {
    /// Authenticated account, as the account store spells it.
    pub account: Account,
    /// Protection of subsequent messages.
    pub context: Box<dyn SecurityContext>,
    /// SIDs from a directory, if the mechanism has proven any.
    pub directory: DirectorySids,
}

/// Result of an [`Initiator`].
pub struct Initiated {
    /// Protection of subsequent messages.
    pub context: Box<dyn SecurityContext>,
    /// Whether the service was authenticated, too.
    pub mutual: Mutual,
}

/// Authentication of the service to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutual {
    /// The service has proven its identity.
    Proven,
    /// The service has only shown that it can verify the password, possibly by asking another host, as with NTLM.
    Unproven,
}

/// Protection of messages after authentication (RFC 2743 2.3), with one sequence counter and one key per direction.
pub trait SecurityContext: Send {
    /// Returns `true` if the context can encrypt messages; otherwise it serves authentication only.
    fn can_seal(&self) -> bool;

    /// Maximum number of bytes in one call of [`seal`](Self::seal); `None` if there is no limit.
    ///
    /// CredSSP seals at most one TLS record of 16384 bytes.
    fn largest_message(&self) -> Option<usize> {
        None
    }

    /// Encrypts `message` in place and returns the header that precedes it.
    ///
    /// # Errors
    /// [`SealError`]; the context must not be used again.
    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError>;

    /// Decrypts and verifies a message in place.
    ///
    /// # Errors
    /// [`SealError::Forged`] for a message that was changed, repeated, omitted or reordered. The context must not be
    /// used again: close the connection.
    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError>;

    /// Opens a token of header and message, as `GSS_Wrap` of the other end creates it (RFC 2743 2.3.3), and leaves the
    /// message in `token`.
    ///
    /// The default takes the first 16 bytes as the header, as NTLM requires. Mechanisms with headers of variable length
    /// override it.
    ///
    /// # Errors
    /// As for [`unseal`](Self::unseal).
    fn unseal_whole(&mut self, token: &mut Vec<u8>) -> Result<(), SealError> {
        let message = token.split_off(token.len().min(16));
        let header = std::mem::replace(token, message);
        self.unseal(&header, token)
    }

    /// Returns the integrity code of a message, without encrypting it (RFC 2743 2.3.1).
    ///
    /// # Errors
    /// [`SealError`] if the context has failed.
    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Verifies an integrity code made by [`sign`](Self::sign) of the other end (RFC 2743 2.3.2).
    ///
    /// # Errors
    /// [`SealError::Forged`] if it does not match.
    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError>;

    /// Returns whether SPNEGO must protect the mechanism list when it negotiates this context (MS-SPNG 3.1.5.1).
    fn mech_list_mic(&self) -> MechListMic;

    /// Must be called after a `mechListMIC` was created and verified: NTLM then resets its RC4 states (MS-SPNG
    /// 3.2.5.1).
    fn mech_list_mic_exchanged(&mut self) {
        self.mech_list_mic_made();
        self.mech_list_mic_checked();
    }

    /// Must be called after a `mechListMIC` was created, if messages are sent before the other end's MIC has arrived:
    /// NTLM then resets the RC4 state of the sending direction only.
    fn mech_list_mic_made(&mut self) {}

    /// Must be called after a `mechListMIC` was verified, if [`mech_list_mic_made`](Self::mech_list_mic_made) was
    /// called before: NTLM then resets the RC4 state of the receiving direction only.
    fn mech_list_mic_checked(&mut self) {}

    /// Returns `true` if [`export`](Self::export) is supported.
    fn can_export(&self) -> bool {
        false
    }

    /// Exports the context for use in another process (RFC 2743 2.2.8); `None` if that is not possible. The context is
    /// consumed, because two users of the same keys and counters would compromise them.
    fn export(self: Box<Self>) -> Option<Exported> {
        None
    }
}

/// An exported [`SecurityContext`]. It is as secret as its keys: zeroed on drop and never printed.
pub struct Exported(Zeroizing<Vec<u8>>);

impl Exported {
    /// Wraps exported bytes, which begin with the name of their mechanism.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Exported bytes, to be sent to the other process.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Requirement to protect the mechanism list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MechListMic {
    /// Always required.
    Required,
    /// Required only if the negotiated mechanism is not the first of the list.
    Optional,
}

/// Reason why a message could not be protected or is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The message was changed, repeated, omitted or reordered, or the other end has another key.
    #[error("message is not authentic or out of sequence")]
    Forged,
    /// The context was negotiated without sealing.
    #[error("the negotiated authentication does not seal messages")]
    Unavailable,
    /// The mechanism failed internally.
    #[error("security mechanism failed")]
    Failed,
}

impl From<SealError> for AuthError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Forged => Self::Unproven,
            SealError::Unavailable => Self::Downgraded("message protection"),
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
