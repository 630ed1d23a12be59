//! What protects messages once both ends know each other (RFC 4121 4.2).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::{MechListMic, SealError, SecurityContext};
use zeroize::Zeroizing;

use crate::diagnosis::{Trying, diagnose};
use crate::library::{MessageFailure, RawContext};
use crate::message_token::{Form, MessageToken};
use crate::{KerberosError, Library, flag};

/// An established context, for messages to and from the other end.
///
/// It may be handed to another thread, or with [`export`](Self::export) to another process, but has one owner.
pub struct Context {
    /// None after a failure: what would follow cannot be told from what was left out.
    raw: Option<RawContext>,
    /// Those that both ends agree on.
    flags: u32,
    order: Order,
}

/// The octets of a context, keys and all: nothing to be logged, nor to be given to whoever must not read the messages.
pub struct Exported(Zeroizing<Vec<u8>>);

/// Where the other end is in its messages.
///
/// The library looks after their order only for a client that asks for it, and not all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Its first message says where it begins.
    NotBegun,
    /// The number of its next message.
    Next(u64),
}

impl Context {
    pub(crate) fn established(raw: RawContext, flags: u32) -> Self {
        Self { raw: Some(raw), flags, order: Order::NotBegun }
    }

    /// How long the ticket behind it is good; none for ever.
    ///
    /// The library goes on to protect messages after that; whether the service does is its own business.
    ///
    /// # Errors
    /// [`KerberosError::Over`] after a failure.
    pub fn remaining(&self) -> Result<Option<Duration>, KerberosError> {
        let raw = self.raw.as_ref().ok_or(KerberosError::Over)?;
        let standing = raw.inquire().map_err(|failure| diagnose(failure, Trying::Anything))?;
        Ok(lifetime(standing.lifetime))
    }

    /// Turns it into octets from which another process makes the same context, without needing the keytab.
    ///
    /// # Errors
    /// [`KerberosError::Over`] after a failure, [`KerberosError::Other`].
    pub fn export(self) -> Result<Exported, KerberosError> {
        let raw = self.raw.ok_or(KerberosError::Over)?;
        let octets = raw.export().map_err(|failure| diagnose(failure, Trying::Anything))?;
        let (tag, next) = match self.order {
            Order::NotBegun => (NOT_BEGUN, 0),
            Order::Next(next) => (NEXT, next),
        };
        let mut exported = Zeroizing::new(Vec::with_capacity(octets.len().saturating_add(HEAD_OCTETS)));
        exported.push(tag);
        exported.extend(u64::to_be_bytes(next));
        exported.extend_from_slice(&octets);
        Ok(Exported(exported))
    }

    /// Makes the context again, in any process of this machine that has the same version of the library.
    ///
    /// The octets are trusted: they must come from [`export`](Self::export), by a way that nobody else can write to.
    ///
    /// # Errors
    /// [`KerberosError::Malformed`], [`KerberosError::Other`].
    pub fn import(library: &Arc<Library>, octets: &[u8]) -> Result<Self, KerberosError> {
        let malformed = || KerberosError::Malformed { cause: "not an exported context".to_owned() };
        let (head, octets) = octets.split_first_chunk::<HEAD_OCTETS>().ok_or_else(malformed)?;
        let [tag, next @ ..] = *head;
        let order = match tag {
            NOT_BEGUN => Order::NotBegun,
            NEXT => Order::Next(u64::from_be_bytes(next)),
            _ => return Err(malformed()),
        };
        let of_library = |failure| diagnose(failure, Trying::Anything);
        let raw = RawContext::import(library, octets).map_err(of_library)?;
        let flags = raw.inquire().map_err(of_library)?.flags;
        Ok(Self { raw: Some(raw), flags, order })
    }

    /// Runs one operation; after a failure there is no other.
    fn once<T>(
        &mut self,
        operation: impl FnOnce(&mut RawContext, &mut Order) -> Result<T, SealError>,
    ) -> Result<T, SealError> {
        let mut raw = self.raw.take().ok_or(SealError::Failed)?;
        let outcome = operation(&mut raw, &mut self.order)?;
        self.raw = Some(raw);
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
        self.once(|raw, _| raw.wrap(message).map_err(|failure| failed(&failure, SealError::Failed)))
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        if !self.can_seal() {
            return Err(SealError::Unavailable);
        }
        let flags = self.flags;
        self.once(|raw, order| {
            if header.len() > MAX_HEADER_OCTETS {
                return Err(SealError::Forged);
            }
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
        })
    }

    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.once(|raw, _| raw.sign(message).map_err(|failure| failed(&failure, SealError::Failed)))
    }

    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        let flags = self.flags;
        self.once(|raw, order| {
            if signature.len() > MAX_HEADER_OCTETS {
                return Err(SealError::Forged);
            }
            order.admit(MessageToken::parse(signature), flags)?;
            raw.verify(message, signature).map_err(|failure| failed(&failure, SealError::Forged))
        })
    }

    fn mech_list_mic(&self) -> MechListMic {
        MechListMic::Optional
    }
}

impl Order {
    /// Takes the next message, if it is that. Its number is not yet known to be that of its sender, but if it is
    /// not, opening the message fails, and the context with it.
    fn admit(&mut self, token: Option<MessageToken>, flags: u32) -> Result<(), SealError> {
        let Some(MessageToken { sequence, .. }) = token else {
            // The older forms hide the number, so only the library can look.
            return if flags & flag::SEQUENCE == 0 { Err(SealError::Forged) } else { Ok(()) };
        };
        if *self != Self::NotBegun && *self != Self::Next(sequence) {
            tracing::debug!(sequence, expected = ?self, "A message of the other end is out of turn");
            return Err(SealError::Forged);
        }
        *self = Self::Next(sequence.wrapping_add(1));
        Ok(())
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

/// What stands before the library's own octets: whether the other end has begun, and its next number.
const HEAD_OCTETS: usize = 9;
const NOT_BEGUN: u8 = 0;
const NEXT: u8 = 1;

/// Headers and signatures have less than a hundred.
const MAX_HEADER_OCTETS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(sequence: u64) -> Option<MessageToken> {
        Some(MessageToken { form: Form::Signed, sequence })
    }

    #[test]
    fn messages_are_taken_in_their_order_only() {
        for (numbers, expected) in [
            (vec![7, 8, 9], Ok(())),
            (vec![u64::MAX, 0, 1], Ok(())),
            (vec![7, 7], Err(SealError::Forged)),
            (vec![7, 9], Err(SealError::Forged)),
            (vec![7, 8, 7], Err(SealError::Forged)),
            (vec![7, 6], Err(SealError::Forged)),
        ] {
            let mut order = Order::NotBegun;
            let outcome = numbers.iter().try_for_each(|number| order.admit(token(*number), 0));
            assert_eq!(outcome, expected, "{numbers:?}");
        }
    }

    #[test]
    fn without_a_readable_number_the_library_must_look() {
        assert_eq!(Order::NotBegun.admit(None, 0), Err(SealError::Forged));
        assert_eq!(Order::NotBegun.admit(None, flag::SEQUENCE), Ok(()));
    }
}
