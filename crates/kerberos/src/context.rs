//! What protects messages once both ends know each other (RFC 4121 4.2).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::{MechListMic, SealError, SecurityContext};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use self::handover::Handover;
use crate::diagnosis::{Trying, diagnose};
use crate::library::{Keys, MessageFailure, RawContext};
use crate::message_protection::{BLOCK_OCTETS, Protection};
use crate::message_token::{Form, MessageToken};
use crate::order::Order;
use crate::{KerberosError, Library, flag};

mod handover;

/// An established context, for messages to and from the other end.
///
/// It may be handed to another thread, or with [`export`](Self::export) to another process, but has one owner.
pub struct Context {
    /// None after a failure: what would follow cannot be told from what was left out.
    protector: Option<Protector>,
    /// Those that both ends agree on.
    flags: u32,
    order: Order,
}

/// Who protects the messages.
enum Protector {
    /// The library, which knows every encryption type.
    Library(RawContext),
    /// We do, for the types that everybody uses, several times as fast.
    Own {
        /// For the keys of which there are tables, so they are not carried about.
        protection: Box<Protection>,
        /// When the ticket ends; none for never.
        end: Option<SystemTime>,
    },
}

/// The octets of a context, keys and all: nothing to be logged, nor to be given to whoever must not read the messages.
pub struct Exported(Zeroizing<Vec<u8>>);

impl Context {
    pub(crate) fn established(raw: RawContext, flags: u32) -> Self {
        // What only the library can tell is asked before it gives the context up.
        let standing = raw.inquire();
        let Ok(standing) = standing else { return Self::of_library(raw, flags, Order::NotBegun) };
        let (agreement, next_received) = match raw.into_keys() {
            Keys::Given { agreement, next_received } => (agreement, next_received),
            Keys::Kept(raw) => return Self::of_library(raw, flags, Order::NotBegun),
        };
        let order = match flags & flag::SEQUENCE {
            0 => Order::NotBegun,
            _ => Order::Next(next_received),
        };
        let end = lifetime(standing.lifetime).and_then(|left| SystemTime::now().checked_add(left));
        let protector = Protection::new(agreement)
            .map(|protection| Protector::Own { protection: Box::new(protection), end });
        Self { protector, flags, order }
    }

    fn of_library(raw: RawContext, flags: u32, order: Order) -> Self {
        Self { protector: Some(Protector::Library(raw)), flags, order }
    }

    /// How long the ticket behind it is good; none for ever.
    ///
    /// The library goes on to protect messages after that; whether the service does is its own business.
    ///
    /// # Errors
    /// [`KerberosError::Over`] after a failure.
    pub fn remaining(&self) -> Result<Option<Duration>, KerberosError> {
        match self.protector.as_ref().ok_or(KerberosError::Over)? {
            Protector::Library(raw) => {
                let standing = raw.inquire().map_err(|failure| diagnose(failure, Trying::Anything))?;
                Ok(lifetime(standing.lifetime))
            }
            Protector::Own { end, .. } => {
                Ok(end.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default()))
            }
        }
    }

    /// Turns it into octets from which another process makes the same context, without needing the keytab.
    ///
    /// # Errors
    /// [`KerberosError::Over`] after a failure, [`KerberosError::Other`].
    pub fn export(self) -> Result<Exported, KerberosError> {
        match self.protector.ok_or(KerberosError::Over)? {
            Protector::Library(raw) => {
                let octets = raw.export().map_err(|failure| diagnose(failure, Trying::Anything))?;
                Ok(Exported(handover::of_library(self.order, &octets)))
            }
            Protector::Own { protection, end } => {
                Ok(Exported(handover::of_own(self.order, self.flags, end, protection.agreement())))
            }
        }
    }

    /// Makes the context again, in any process of this machine that has the same version of the library.
    ///
    /// The octets are trusted: they must come from [`export`](Self::export), by a way that nobody else can write to.
    ///
    /// # Errors
    /// [`KerberosError::Malformed`], [`KerberosError::Other`].
    pub fn import(library: &Arc<Library>, octets: &[u8]) -> Result<Self, KerberosError> {
        let malformed = || KerberosError::Malformed { cause: "not an exported context".to_owned() };
        match Handover::parse(octets).ok_or_else(malformed)? {
            Handover::OfLibrary { order, octets } => {
                let of_library = |failure| diagnose(failure, Trying::Anything);
                let raw = RawContext::import(library, octets).map_err(of_library)?;
                let flags = raw.inquire().map_err(of_library)?.flags;
                Ok(Self::of_library(raw, flags, order))
            }
            Handover::Own { order, flags, end, agreement } => {
                let protection = Box::new(Protection::new(agreement).ok_or_else(malformed)?);
                Ok(Self { protector: Some(Protector::Own { protection, end }), flags, order })
            }
        }
    }

    /// Goes on where [`SecurityContext::export`] was called in another process; the library is not needed for that.
    ///
    /// None for octets that did not come from there. They are trusted, as those of [`import`](Self::import) are.
    #[must_use]
    pub fn resume(exported: &[u8]) -> Option<Self> {
        match Handover::parse(exported.strip_prefix(MECHANISM)?)? {
            Handover::OfLibrary { .. } => None,
            Handover::Own { order, flags, end, agreement } => {
                let protection = Box::new(Protection::new(agreement)?);
                Some(Self { protector: Some(Protector::Own { protection, end }), flags, order })
            }
        }
    }

    /// Runs one operation; after a failure there is no other.
    fn once<T>(
        &mut self,
        operation: impl FnOnce(&mut Protector, &mut Order) -> Result<T, SealError>,
    ) -> Result<T, SealError> {
        let mut protector = self.protector.take().ok_or(SealError::Failed)?;
        let outcome = operation(&mut protector, &mut self.order)?;
        self.protector = Some(protector);
        Ok(outcome)
    }
}

impl SecurityContext for Context {
    fn can_seal(&self) -> bool {
        self.flags & flag::CONFIDENTIALITY != 0
    }

    /// For the encryption types of AES the message keeps its length; RC4 adds an octet of padding to it.
    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        if !self.can_seal() {
            return Err(SealError::Unavailable);
        }
        self.once(|protector, _| match protector {
            Protector::Library(raw) => {
                raw.wrap(message).map_err(|failure| failed(&failure, SealError::Failed))
            }
            Protector::Own { protection, .. } => {
                let mut confounder = [0; BLOCK_OCTETS];
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
        self.once(|protector, order| {
            if header.len() > MAX_HEADER_OCTETS {
                return Err(SealError::Forged);
            }
            match protector {
                Protector::Library(raw) => {
                    let token = MessageToken::parse(header);
                    order.admit(token, flags)?;
                    let opened = match token.map(|token| token.form) {
                        Some(Form::SealedInTwo) => raw.unwrap_in_place(header, message),
                        Some(Form::Signed) => return Err(SealError::Forged),
                        // The parts of one token that was cut in two anywhere.
                        Some(Form::SealedWhole) | None => {
                            raw.unwrap_whole(&[header, message].concat()).map(|opened| *message = opened)
                        }
                    };
                    opened.map_err(|failure| failed(&failure, SealError::Forged))
                }
                Protector::Own { protection, .. } => protection.open(header, message, order),
            }
        })
    }

    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.once(|protector, _| match protector {
            Protector::Library(raw) => {
                raw.sign(message).map_err(|failure| failed(&failure, SealError::Failed))
            }
            Protector::Own { protection, .. } => Ok(protection.sign(message)),
        })
    }

    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        let flags = self.flags;
        self.once(|protector, order| {
            if signature.len() > MAX_HEADER_OCTETS {
                return Err(SealError::Forged);
            }
            match protector {
                Protector::Library(raw) => {
                    order.admit(MessageToken::parse(signature), flags)?;
                    raw.verify(message, signature).map_err(|failure| failed(&failure, SealError::Forged))
                }
                Protector::Own { protection, .. } => protection.verify(message, signature, order),
            }
        })
    }

    fn mech_list_mic(&self) -> MechListMic {
        MechListMic::Optional
    }

    /// Those of the library would need it in the other process, too.
    fn can_export(&self) -> bool {
        matches!(self.protector, Some(Protector::Own { .. }))
    }

    fn export(self: Box<Self>) -> Option<auth::Exported> {
        match self.protector? {
            Protector::Library(_) => None,
            Protector::Own { protection, end } => {
                let octets = handover::of_own(self.order, self.flags, end, protection.agreement());
                Some(auth::Exported::new([MECHANISM, &octets].concat()))
            }
        }
    }
}

/// In seconds; all ones mean for ever.
pub(crate) fn lifetime(seconds: u32) -> Option<Duration> {
    (seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()))
}

fn failed(failure: &MessageFailure, error: SealError) -> SealError {
    match failure {
        MessageFailure::Failed(failure) => {
            tracing::debug!(function = failure.function, error = failure.text, "A message is not protected");
        }
        MessageFailure::OutOfTurn => tracing::debug!("A message of the other end is out of turn"),
        MessageFailure::NotSealed => tracing::debug!("A message is whole, but not sealed"),
    }
    error
}

impl Exported {
    /// The octets, for the one place that hands them on.
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
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

/// What the octets of a context for another process begin with.
const MECHANISM: &[u8] = b"Kerberos 1\0";
/// Headers and signatures have less than a hundred.
const MAX_HEADER_OCTETS: usize = 1_024;

#[cfg(test)]
mod tests;
