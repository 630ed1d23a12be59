//! Message protection after authentication (RFC 4121 4.2).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::{MechListMic, SealError, SecurityContext};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use self::serialized::Serialized;
use crate::diagnosis::{Operation, diagnose};
use crate::library::{Failure, Keys, MessageFailure, RawContext};
use crate::message_protection::{BLOCK_LENGTH, Protection};
use crate::message_token::{Form, MessageToken};
use crate::peer_sequence::PeerSequence;
use crate::{KerberosError, Library, flag};

mod serialized;

/// An established security context, for messages in both directions.
///
/// It can be moved to another thread, or with [`export`](Self::export) to another process, but has one owner.
pub struct Context {
    /// `None` after a failure: later messages cannot be authenticated any more.
    backend: Option<Backend>,
    /// Flags that both ends agree on.
    flags: u32,
    sequence: PeerSequence,
}

/// Implementation of message protection.
enum Backend {
    /// MIT Kerberos, which supports every encryption type.
    Library(RawContext),
    /// Own implementation for AES, several times as fast.
    Own {
        /// Boxed because of the key tables.
        protection: Box<Protection>,
        /// End of the ticket's lifetime; `None` if unlimited.
        end: Option<SystemTime>,
    },
}

/// A serialized context with its keys. It must be neither logged nor given to a process that must not read the
/// messages.
pub struct Exported(Zeroizing<Vec<u8>>);

impl Context {
    pub(crate) fn established(raw: RawContext, flags: u32) -> Self {
        // The remaining lifetime must be read before the library releases the context.
        let Ok(info) = raw.inquire() else { return Self::of_library(raw, flags, PeerSequence::Unknown) };
        let (parameters, next_received) = match raw.into_keys() {
            Keys::Exported { parameters, next_received } => (parameters, next_received),
            Keys::Unavailable(raw) => return Self::of_library(raw, flags, PeerSequence::Unknown),
        };
        let sequence = match flags & flag::SEQUENCE {
            0 => PeerSequence::Unknown,
            _ => PeerSequence::Next(next_received),
        };
        let end = lifetime(info.lifetime).and_then(|left| SystemTime::now().checked_add(left));
        let backend = Protection::new(parameters)
            .map(|protection| Backend::Own { protection: Box::new(protection), end });
        Self { backend, flags, sequence }
    }

    fn of_library(raw: RawContext, flags: u32, sequence: PeerSequence) -> Self {
        Self { backend: Some(Backend::Library(raw)), flags, sequence }
    }

    /// Remaining lifetime of the ticket; `None` if unlimited.
    ///
    /// The context protects messages beyond that; the service decides whether to accept them.
    ///
    /// # Errors
    /// [`KerberosError::Over`] after a failure.
    pub fn remaining(&self) -> Result<Option<Duration>, KerberosError> {
        match self.backend.as_ref().ok_or(KerberosError::Over)? {
            Backend::Library(raw) => {
                let info = raw.inquire().map_err(|failure| diagnose(failure, Operation::Other))?;
                Ok(lifetime(info.lifetime))
            }
            Backend::Own { end, .. } => {
                Ok(end.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default()))
            }
        }
    }

    /// Serializes the context, so that another process can restore it without access to the keytab.
    ///
    /// # Errors
    /// [`KerberosError::Over`] after a failure, [`KerberosError::Other`] if the library cannot export the context.
    pub fn export(self) -> Result<Exported, KerberosError> {
        match self.backend.ok_or(KerberosError::Over)? {
            Backend::Library(raw) => {
                let octets = raw.export().map_err(|failure| diagnose(failure, Operation::Other))?;
                Ok(Exported(serialized::of_library(self.sequence, &octets)))
            }
            Backend::Own { protection, end } => {
                Ok(Exported(serialized::of_own(self.sequence, self.flags, end, protection.parameters())))
            }
        }
    }

    /// Restores a context, in any process of this machine with the same version of the library.
    ///
    /// The data is trusted: it must come from [`export`](Self::export) over a channel that no other process can write
    /// to.
    ///
    /// # Errors
    /// [`KerberosError::Malformed`] for invalid data, [`KerberosError::Other`] if the library cannot import it.
    pub fn import(library: &Arc<Library>, octets: &[u8]) -> Result<Self, KerberosError> {
        match Serialized::parse(octets).ok_or_else(not_exported)? {
            Serialized::OfLibrary { sequence, octets } => {
                let raw = RawContext::import(library, octets).map_err(other_error)?;
                let flags = raw.inquire().map_err(other_error)?.flags;
                Ok(Self::of_library(raw, flags, sequence))
            }
            Serialized::Own { sequence, flags, end, parameters } => {
                let protection = Box::new(Protection::new(parameters).ok_or_else(not_exported)?);
                Ok(Self { backend: Some(Backend::Own { protection, end }), flags, sequence })
            }
        }
    }

    /// Restores a context exported with [`SecurityContext::export`] by another process, without the library.
    ///
    /// Returns `None` for invalid data. The data is trusted, as in [`import`](Self::import).
    #[must_use]
    pub fn resume(exported: &[u8]) -> Option<Self> {
        match Serialized::parse(exported.strip_prefix(MECHANISM)?)? {
            Serialized::OfLibrary { .. } => None,
            Serialized::Own { sequence, flags, end, parameters } => {
                let protection = Box::new(Protection::new(parameters)?);
                Some(Self { backend: Some(Backend::Own { protection, end }), flags, sequence })
            }
        }
    }

    /// Runs one operation; after a failure the context is unusable.
    fn once<T>(
        &mut self,
        operation: impl FnOnce(&mut Backend, &mut PeerSequence) -> Result<T, SealError>,
    ) -> Result<T, SealError> {
        let mut backend = self.backend.take().ok_or(SealError::Failed)?;
        let outcome = operation(&mut backend, &mut self.sequence)?;
        self.backend = Some(backend);
        Ok(outcome)
    }
}

impl SecurityContext for Context {
    fn can_seal(&self) -> bool {
        self.flags & flag::CONFIDENTIALITY != 0
    }

    /// Encrypts a message in place. The length is unchanged with AES; RC4 appends a byte of padding.
    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        if !self.can_seal() {
            return Err(SealError::Unavailable);
        }
        self.once(|backend, _| match backend {
            Backend::Library(raw) => raw.wrap(message).map_err(|failure| failed(&failure, SealError::Failed)),
            Backend::Own { protection, .. } => {
                let mut confounder = [0; BLOCK_LENGTH];
                rand::fill(&mut confounder).map_err(|_| SealError::Failed)?;
                Ok(protection.seal(confounder, message))
            }
        })
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        if !self.can_seal() {
            return Err(SealError::Unavailable);
        }
        let flags = self.flags;
        self.once(|backend, sequence| {
            if header.len() > MAX_HEADER_OCTETS {
                return Err(SealError::Forged);
            }
            match backend {
                Backend::Library(raw) => {
                    let token = MessageToken::parse(header);
                    sequence.check_token(token, flags)?;
                    let opened = match token.map(|token| token.form) {
                        Some(Form::SealedInTwo) => raw.unwrap_in_place(header, message),
                        Some(Form::Signed) => return Err(SealError::Forged),
                        // Header and message are parts of one token, divided at any position.
                        Some(Form::SealedWhole) | None => {
                            raw.unwrap_whole(&[header, message].concat()).map(|opened| *message = opened)
                        }
                    };
                    opened.map_err(|failure| failed(&failure, SealError::Forged))
                }
                Backend::Own { protection, .. } => protection.open(header, message, sequence),
            }
        })
    }

    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.once(|backend, _| match backend {
            Backend::Library(raw) => raw.sign(message).map_err(|failure| failed(&failure, SealError::Failed)),
            Backend::Own { protection, .. } => Ok(protection.sign(message)),
        })
    }

    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        let flags = self.flags;
        self.once(|backend, sequence| {
            if signature.len() > MAX_HEADER_OCTETS {
                return Err(SealError::Forged);
            }
            match backend {
                Backend::Library(raw) => {
                    sequence.check_token(MessageToken::parse(signature), flags)?;
                    raw.verify(message, signature).map_err(|failure| failed(&failure, SealError::Forged))
                }
                Backend::Own { protection, .. } => protection.verify(message, signature, sequence),
            }
        })
    }

    fn mech_list_mic(&self) -> MechListMic {
        MechListMic::Optional
    }

    /// Contexts of the library would need the library in the other process, too.
    fn can_export(&self) -> bool {
        matches!(self.backend, Some(Backend::Own { .. }))
    }

    fn export(self: Box<Self>) -> Option<auth::Exported> {
        match self.backend? {
            Backend::Library(_) => None,
            Backend::Own { protection, end } => {
                let octets = serialized::of_own(self.sequence, self.flags, end, protection.parameters());
                Some(auth::Exported::new([MECHANISM, &octets].concat()))
            }
        }
    }
}

/// Converts a lifetime in seconds; all ones mean unlimited.
pub(crate) fn lifetime(seconds: u32) -> Option<Duration> {
    (seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()))
}

fn not_exported() -> KerberosError {
    KerberosError::Malformed { cause: "not an exported context".to_owned() }
}

fn other_error(failure: Failure) -> KerberosError {
    diagnose(failure, Operation::Other)
}

fn failed(failure: &MessageFailure, error: SealError) -> SealError {
    match failure {
        MessageFailure::Failed(failure) => {
            tracing::debug!(function = failure.function, error = failure.text, "Message protection failed");
        }
        MessageFailure::OutOfSequence => tracing::debug!("Rejected an out-of-sequence message"),
        MessageFailure::NotSealed => tracing::debug!("Rejected a message that is signed but not sealed"),
    }
    error
}

impl Exported {
    /// Returns the bytes; for the code that sends them to the other process.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exported(…)")
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("can_seal", &self.can_seal())
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// Mechanism and version at the beginning of a serialized context.
const MECHANISM: &[u8] = b"Kerberos 1\0";
/// Maximum length of headers and signatures in bytes; typical ones have less than a hundred.
const MAX_HEADER_OCTETS: usize = 1_024;

#[cfg(test)]
mod tests;
